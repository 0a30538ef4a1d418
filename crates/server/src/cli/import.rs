//! `thunderhead import …` and `thunderhead export …`: accounts that come from another program, and go to one.

mod users;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Error};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use thunderhead_auth::export::{Exporter, OutgoingAccount};
use thunderhead_auth::import::{ImportObserver, ImportReport, ImportSettings, Importer};
use thunderhead_auth::tokens::keys::{check_opens, verification_key};
use thunderhead_domain::import::{AccountSource, ImportSource, VerificationKey};
use thunderhead_domain::ports::{Clock as _, SealedRow, SealedText, Storage};
use thunderhead_storage::{DatabaseUrl, KratosSource, ReferenceSource, ReferenceVersion, TraitPath};

use self::users::UsersFile;
use super::block_on;
use super::user::hasher;
use crate::config::Config;
use crate::database;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::{SystemClock, SystemRandom};

/// How long a batch may take. The server's own deadline is for people who wait.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest certificate that is read, in bytes.
const LONGEST_PEM: u64 = 64 * 1_024;

/// Where accounts come from.
#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// The database of the reference implementation, version 5 or 4, which is only read.
    Reference {
        /// Its URL: postgres://…
        #[arg(long, value_name = "URL")]
        from: SourceUrl,
        /// The certificate or the public key (PEM) of the key that signed its tokens: those go on working
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        /// The iss of its tokens: the relying party's id (version 5)
        #[arg(long, value_name = "NAME", requires = "certificate")]
        issuer: Option<String>,
        #[command(flatten)]
        flags: ImportFlags,
    },
    /// The database of Ory Kratos, which is only read.
    Kratos {
        /// Its URL: postgres://… or sqlite://…
        #[arg(long, value_name = "URL")]
        from: SourceUrl,
        /// Where in the traits the name is
        #[arg(long, value_name = "PATH", default_value = "username")]
        username_trait: TraitPath,
        /// Where in the traits the address is
        #[arg(long, value_name = "PATH", default_value = "email")]
        email_trait: TraitPath,
        #[command(flatten)]
        flags: ImportFlags,
    },
    /// A file with an account on each line, as JSON.
    Users {
        /// The file, or - for the standard input
        file: String,
        #[command(flatten)]
        flags: ImportFlags,
    },
}

/// What every import can be told.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct ImportFlags {
    /// Give another name to the younger of those whose names are the same but for case, or are taken here
    #[arg(long)]
    rename: bool,
    /// Say what would come, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON: an object for each line of the report, and one that counts
    #[arg(long)]
    json: bool,
}

/// What goes out.
#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// Print all accounts, one on each line, as JSON: with the hashes of passwords.
    Users {
        /// Print the secrets of authenticator apps, too
        #[arg(long)]
        with_secrets: bool,
    },
}

/// A URL that may hold a password: it is not repeated in messages.
#[derive(Clone)]
pub(super) struct SourceUrl(String);

impl FromStr for SourceUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SourceUrl(…)")
    }
}

impl SourceUrl {
    fn read(&self) -> Result<DatabaseUrl, CommandError> {
        self.0.parse().map_err(|error| CommandError::Usage(Error::from(error).context("--from")))
    }
}

/// Imports; returns what is to be printed at the end.
pub(super) fn run(config: &Config, command: ImportCommand) -> Result<String, CommandError> {
    match command {
        ImportCommand::Reference { from, certificate, issuer, flags } => {
            let url = from.read()?;
            let pem = certificate.as_deref().map(read_pem).transpose()?;
            let mut source = ReferenceSource::open(&url).map_err(CommandError::source)?;
            let key = pem.map(|pem| reference_key(&pem, issuer, source.version())).transpose()?;
            import(config, ImportSource::Reference, &mut source, key, flags)
        }
        ImportCommand::Kratos { from, username_trait, email_trait, flags } => {
            let source = KratosSource::open(&from.read()?, username_trait, email_trait, SystemClock.now());
            let mut source = source.map_err(CommandError::source)?;
            import(config, ImportSource::Kratos, &mut source, None, flags)
        }
        ImportCommand::Users { file, flags } => {
            let mut source =
                UsersFile::open(&file, SystemClock.now()).with_context(|| format!("{file} cannot be read"))?;
            import(config, ImportSource::Users, &mut source, None, flags)
        }
    }
}

fn read_pem(path: &Path) -> Result<String, CommandError> {
    let cannot = || format!("{} cannot be read", path.display());
    let mut pem = String::new();
    let file = File::open(path).with_context(cannot)?;
    file.take(LONGEST_PEM).read_to_string(&mut pem).with_context(cannot)?;
    Ok(pem)
}

/// The key of the tokens that a version writes.
fn reference_key(
    pem: &str,
    issuer: Option<String>,
    version: ReferenceVersion,
) -> Result<VerificationKey, CommandError> {
    match (version, &issuer) {
        (ReferenceVersion::Five, None) => {
            return Err(CommandError::usage(
                "tokens of version 5 have an `iss`, the relying party's id: name it with --issuer",
            ));
        }
        (ReferenceVersion::Four, Some(_)) => {
            return Err(CommandError::usage("tokens of version 4 have no `iss`: leave --issuer out"));
        }
        (ReferenceVersion::Five, Some(_)) | (ReferenceVersion::Four, None) => {}
    }
    let key = verification_key(pem, issuer, SystemClock.now());
    key.map_err(|error| CommandError::Usage(Error::from(error).context("--certificate")))
}

/// Takes in what a source has.
pub(super) fn import(
    config: &Config,
    source: ImportSource,
    accounts: &mut dyn AccountSource,
    key: Option<VerificationKey>,
    flags: ImportFlags,
) -> Result<String, CommandError> {
    let keys = key_file::load(config, &SystemRandom)?;
    let patient = patient(config);
    let database = database::open(&patient)?;
    let settings = ImportSettings { source, key, rename: flags.rename, dry_run: flags.dry_run };
    let nobodys = hasher(config)?.hash_of_nobody();
    let mut printer = Printer::new(flags.json);
    let report = block_on(async {
        check_keys(config, &*database.storage, &keys).await?;
        let storage = Arc::clone(&database.storage);
        let importer =
            Importer::new(storage, Arc::new(SystemClock), Arc::new(SystemRandom), keys.keys.clone(), nobodys);
        importer.run(accounts, &settings, &mut printer).await.map_err(CommandError::from)
    });
    printer.finish();
    summary(&report?, flags)
}

/// Has operations take as long as background work may.
fn patient(config: &Config) -> Config {
    let mut patient = config.clone();
    patient.database.deadline = patient.database.deadline.max(DEADLINE);
    patient
}

/// Secrets that are sealed under another key than the server's would be lost.
async fn check_keys(config: &Config, storage: &dyn Storage, keys: &LoadedKeys) -> Result<(), CommandError> {
    let signing = storage.signing_keys().await.map_err(CommandError::storage)?;
    let sealed = |key: thunderhead_domain::ports::SigningKeyRecord| SealedText {
        row: SealedRow::SigningKey(key.kid),
        sealed: key.sealed,
    };
    let sealed: Vec<SealedText> = signing.into_iter().map(sealed).collect();
    check_opens(&sealed, &keys.keys).map_err(|error| CommandError::keys(error, || keys.misfit(&config.database.url)))
}

/// The report of one account.
#[derive(Serialize)]
struct LineJson<'a> {
    account: &'a str,
    told: String,
}

/// The report's counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportJson {
    dry_run: bool,
    created: u64,
    known: u64,
    deleted: u64,
    left_out: u64,
    sessions: u64,
    sessions_over: u64,
    sessions_expired: u64,
    sessions_without_key: u64,
    factors: u64,
    codes: u64,
    remarks: u64,
}

fn summary(report: &ImportReport, flags: ImportFlags) -> Result<String, CommandError> {
    if flags.json {
        let json = ReportJson {
            dry_run: flags.dry_run,
            created: report.created,
            known: report.known,
            deleted: report.deleted,
            left_out: report.left_out,
            sessions: report.sessions,
            sessions_over: report.sessions_over,
            sessions_expired: report.sessions_expired,
            sessions_without_key: report.sessions_without_key,
            factors: report.factors,
            codes: report.codes,
            remarks: report.remarks,
        };
        return Ok(serde_json::to_string(&json).context("the report cannot be printed as JSON")?);
    }
    let mut text = report.summary().replace("; ", "\n");
    if report.sessions_without_key > 0 {
        text += "\nSessions come with --certificate, now or later: nothing else verifies their tokens.";
    }
    if flags.dry_run {
        text += "\nNothing was written.";
    }
    Ok(text)
}

/// Prints the lines of the report as they come, and on a terminal how far it has got.
struct Printer {
    json: bool,
    shows_progress: bool,
    lines: BufWriter<io::Stdout>,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self { json, shows_progress: io::stderr().is_terminal(), lines: BufWriter::new(io::stdout()) }
    }

    fn finish(&mut self) {
        self.clear();
        // Whoever read the lines may have gone away: what was imported is imported.
        drop(self.lines.flush());
    }

    fn clear(&self) {
        if self.shows_progress {
            eprint!("\r\u{1b}[K");
        }
    }
}

impl ImportObserver for Printer {
    fn line(&mut self, who: &str, what: &dyn Display) {
        let told = what.to_string();
        let line = if self.json {
            serde_json::to_string(&LineJson { account: who, told }).unwrap_or_default()
        } else {
            format!("{who}: {told}")
        };
        drop(writeln!(self.lines, "{line}"));
    }

    fn progress(&mut self, so_far: &ImportReport) {
        if self.shows_progress {
            self.clear();
            drop(self.lines.flush());
            let accounts = so_far.created + so_far.known + so_far.deleted + so_far.left_out;
            eprint!("{accounts} accounts, {} sessions", so_far.sessions + so_far.sessions_over);
        }
    }
}

/// An account on its line.
#[derive(Serialize)]
struct AccountJson<'a> {
    username: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    totp: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<String>,
    staff: bool,
    created: String,
    uuid: String,
}

impl<'a> From<&'a OutgoingAccount> for AccountJson<'a> {
    fn from(OutgoingAccount { user, password_hash, totp }: &'a OutgoingAccount) -> Self {
        Self {
            username: user.username.as_str(),
            email: user.email.as_str(),
            password_hash: password_hash.as_ref().map(|hash| hash.expose_secret()),
            totp: totp.iter().map(|secret| secret.expose_secret()).collect(),
            verified: user.verified_at.map(|at| at.to_string()),
            banned: user.banned_at.map(|at| at.to_string()),
            staff: user.staff,
            created: user.created_at.to_string(),
            uuid: user.uuid.to_string(),
        }
    }
}

/// Exports, to the standard output.
pub(super) fn export(config: &Config, command: &ExportCommand) -> Result<String, CommandError> {
    let ExportCommand::Users { with_secrets } = *command;
    let keys = if with_secrets { Some(key_file::find(config)?) } else { None };
    let database = database::open(&patient(config))?;
    let exporter = Exporter::new(database.storage, keys.as_ref().map(|keys| keys.keys.clone()));
    let mut out = BufWriter::new(io::stdout());
    block_on(async {
        let mut after = None;
        loop {
            let page = exporter.page(after).await.map_err(|error| match &keys {
                Some(keys) => CommandError::keys(error, || keys.misfit(&config.database.url)),
                None => error.into(),
            })?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.user.id);
            for account in &page {
                let line = serde_json::to_string(&AccountJson::from(account)).context("an account is no JSON")?;
                match writeln!(out, "{line}") {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written.context("the accounts cannot be printed")?,
                }
            }
        }
    })?;
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::from(error).into()),
        _ => Ok(String::new()),
    }
}
