//! Moving in: accounts of another program, with what lets their users in (`docs/MIGRATING.md`).

mod clashes;
mod convert;
mod report;

use std::sync::Arc;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::import::{
    AccountOutcome, AccountSource, ImportBatch, ImportOutcome, ImportSource, ImportedAccount, LeftOut, Remark,
    SourceAccount, SourceError, SourceItem, VerificationKey,
};
use thunderhead_domain::ports::{Clock, Random, Storage, StorageError};
use thunderhead_domain::session::Actor;
use thunderhead_domain::user::PasswordHash;

use self::clashes::Clashes;
pub use self::convert::totp_secret;
use self::convert::{Converted, Converter};
pub use self::report::{ImportObserver, ImportReport};
use crate::environment::Environment;
use crate::tokens::keys::EncryptionKeys;

/// How many accounts are taken in at once: a transaction of some hundredths of a second.
const BATCH: usize = 50;
/// How many sessions are taken in at once, of however many accounts.
const SESSIONS: usize = 500;

/// What is to be imported, and how.
#[derive(Debug)]
pub struct ImportSettings {
    /// Where the accounts come from.
    pub source: ImportSource,
    /// What verifies the signed tokens that people hold. Without one, sessions with such tokens do not come.
    pub key: Option<VerificationKey>,
    /// Whether the younger of those whose names clash get other names.
    pub rename: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// Why an import has come to its end before its source has.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source is at fault.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There are as many verify-only keys as there may be.
    #[error("there are as many verify-only keys as there may be: those of earlier imports are still needed")]
    TooManyKeys,
    /// OpenSSL refused.
    #[error("a secret could not be sealed")]
    Sealing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Takes in the accounts of a source.
pub struct Importer {
    environment: Environment,
    encryption_keys: EncryptionKeys,
    /// The hash of a password that nobody knows, for accounts without one.
    nobodys: PasswordHash,
}

/// An account on its way.
struct Waiting {
    told: Told,
    account: ImportedAccount,
}

/// What there is to be told of an account, once it is known what becomes of it.
struct Told {
    who: String,
    name: String,
    /// Whether it is more of one that came before.
    continued: bool,
    remarks: Vec<Remark>,
}

impl Importer {
    /// Over one storage. `nobodys` is the hash of a password that nobody knows.
    pub fn new(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        encryption_keys: EncryptionKeys,
        nobodys: PasswordHash,
    ) -> Self {
        Self { environment: Environment { storage, clock, random }, encryption_keys, nobodys }
    }

    /// Takes in what of a source is not here yet. What was taken in stays when this fails: another run goes on.
    ///
    /// # Errors
    /// Where the source or the database is at fault.
    pub async fn run(
        &self,
        source: &mut dyn AccountSource,
        settings: &ImportSettings,
        observer: &mut dyn ImportObserver,
    ) -> Result<ImportReport, ImportError> {
        self.check_room_for(settings).await?;
        let mut run = Run {
            importer: self,
            settings,
            converter: Converter::new(self, settings, Clashes::find(source)?),
            report: ImportReport::default(),
            observer,
            waiting: Vec::new(),
        };
        while let Some(item) = source.next()? {
            match item {
                SourceItem::Account(account) => run.take(*account).await?,
                SourceItem::Unreadable { who, why } => run.leave_out(&who, &why),
            }
        }
        run.flush().await?;
        let report = run.report;
        if !settings.dry_run && report.changed_anything() {
            let summary = format!("{}: {}", settings.source, report.summary());
            self.environment.storage.import_record(&summary, self.action()).await?;
        }
        Ok(report)
    }

    async fn check_room_for(&self, settings: &ImportSettings) -> Result<(), ImportError> {
        let Some(key) = &settings.key else { return Ok(()) };
        let known = self.environment.storage.verification_keys().await?;
        let is_new = known.iter().all(|one| one.id != key.id);
        let full = known.len() >= thunderhead_domain::import::MOST_VERIFICATION_KEYS;
        if is_new && full { Err(ImportError::TooManyKeys) } else { Ok(()) }
    }

    fn action(&self) -> ActionContext {
        ActionContext { at: self.environment.now(), by: Actor::CommandLine, client_ip: None }
    }
}

/// A run, and what it has done so far.
struct Run<'a> {
    importer: &'a Importer,
    settings: &'a ImportSettings,
    converter: Converter<'a>,
    report: ImportReport,
    observer: &'a mut dyn ImportObserver,
    waiting: Vec<Waiting>,
}

impl Run<'_> {
    async fn take(&mut self, account: SourceAccount) -> Result<(), ImportError> {
        let (who, continued) = (report::who(&account), account.continued);
        let Converted { account, remarks, expired, without_key } = match self.converter.convert(account)? {
            Ok(converted) => converted,
            Err(why) => {
                if !continued {
                    self.leave_out(&who, &why);
                }
                return Ok(());
            }
        };
        let mut remarks = Some(remarks);
        self.report.sessions_expired += expired;
        self.report.sessions_without_key += without_key;
        for (number, part) in split(account).into_iter().enumerate() {
            let sessions: usize = self.waiting.iter().map(|one| one.account.sessions.len()).sum();
            let same = self.waiting.iter().any(|one| one.account.source_id == part.source_id);
            if same || self.waiting.len() >= BATCH || sessions + part.sessions.len() > SESSIONS {
                self.flush().await?;
            }
            let told = Told {
                who: who.clone(),
                name: part.username.to_string(),
                continued: continued || number > 0,
                remarks: remarks.take().unwrap_or_default(),
            };
            self.waiting.push(Waiting { told, account: part });
        }
        Ok(())
    }

    fn leave_out(&mut self, who: &str, why: &LeftOut) {
        self.report.left_out += 1;
        self.observer.line(who, why);
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (told, accounts): (Vec<_>, Vec<_>) = waiting.into_iter().map(|one| (one.told, one.account)).unzip();
        let batch = ImportBatch { source: self.settings.source, key: self.settings.key.clone(), accounts };
        let storage = &self.importer.environment.storage;
        let outcomes = if self.settings.dry_run {
            storage.import_rehearse(batch).await?
        } else {
            storage.import_batch(batch, self.importer.action()).await?
        };
        for (told, outcome) in told.into_iter().zip(outcomes) {
            self.note(told, outcome);
        }
        self.observer.progress(&self.report);
        Ok(())
    }

    fn note(&mut self, Told { who, name, continued, remarks }: Told, outcome: ImportOutcome) {
        let who = who.as_str();
        // Of an account that came before, it may not be so here any more.
        let is_so = |remark: &&Remark| match &outcome.account {
            AccountOutcome::Created { .. } => !continued || !remark.is_of_account(),
            AccountOutcome::Known => !remark.is_of_account(),
            AccountOutcome::Deleted | AccountOutcome::LeftOut(_) => false,
        };
        for remark in remarks.iter().filter(is_so).chain(&outcome.remarks) {
            self.observer.line(who, remark);
            self.report.remarks += 1;
        }
        self.report.sessions += outcome.sessions;
        self.report.sessions_over += outcome.sessions_over;
        self.report.factors += outcome.factors;
        self.report.codes += outcome.codes;
        if continued {
            return;
        }
        match outcome.account {
            AccountOutcome::Created { renamed, .. } => {
                self.report.created += 1;
                if renamed {
                    self.report.remarks += 1;
                    self.observer.line(who, &format!("its name {name:?} is taken here: it got another one"));
                }
            }
            AccountOutcome::Known => self.report.known += 1,
            AccountOutcome::Deleted => self.report.deleted += 1,
            AccountOutcome::LeftOut(why) => self.leave_out(who, &why),
        }
    }
}

/// Has an account with very many sessions come in parts, the first of which has all the rest.
fn split(mut account: ImportedAccount) -> Vec<ImportedAccount> {
    let mut sessions = std::mem::take(&mut account.sessions);
    let mut parts = Vec::new();
    loop {
        let rest = sessions.split_off(sessions.len().min(SESSIONS));
        let whole = rest.is_empty();
        let part = ImportedAccount { sessions, ..account.clone() };
        parts.push(part);
        if whole {
            return parts;
        }
        (account.factors, account.codes) = (Vec::new(), Vec::new());
        sessions = rest;
    }
}
