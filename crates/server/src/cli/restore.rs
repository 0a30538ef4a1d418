//! `thunderhead restore`: puts a backup in the place of the database, and says what that brings back.

mod comparison;

use std::path::{Path, PathBuf};

use anyhow::Error;
use clap::Args;
use serde::Serialize;
use thunderhead_auth::tokens::keys::check_opens;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;
use thunderhead_storage::{
    DatabaseLock, Replacement, RowCounts, Snapshot, SnapshotError, finish_replacement, is_replacement_unfinished,
    resolve,
};

use self::comparison::{Comparison, DifferenceJson};
use super::confirm::{ConfirmFlags, Consent};
use super::form::Form;
use super::session::sessions;
use super::{block_on, operator};
use crate::config::Config;
use crate::database::make_data_dir;
use crate::error::CommandError;
use crate::key_file;
use crate::system::SystemClock;

/// What a database on Postgres is restored with.
const ON_POSTGRES: &str = "the database is on Postgres, whose own programs restore it:
  pg_restore --clean --if-exists --single-transaction --dbname='postgres://USER@HOST/DATABASE' FILE &&
  thunderhead session end-all --before NOW
Stop all replicas first. The second ends the sessions that are live again, and is for after the first has ended with exit
code 0; NOW is the moment of the restoration, as in 2026-01-31T12:00:00Z. See
*Backups* in OPERATIONS.md for what else comes back";

/// Later than any session.
const END_OF_TIME: Timestamp = Timestamp::from_unix_millis(i64::MAX);

/// What is to be restored how.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file that `backup` has made, or a database that was put aside
    #[arg(required_unless_present = "finish")]
    file: Option<PathBuf>,
    /// Let live on what the backup holds as live sessions
    #[arg(long)]
    keep_sessions: bool,
    /// Restore a backup without any user, too
    #[arg(long)]
    empty: bool,
    /// Do the rest of a restoration that was cut short
    #[arg(long, conflicts_with_all = ["file", "keep_sessions", "empty"])]
    finish: bool,
    #[command(flatten)]
    confirm_flags: ConfirmFlags,
    #[command(flatten)]
    form: Form,
}

/// A restoration in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreJson {
    database: String,
    users: u64,
    sessions_ended: Option<u64>,
    migrations_applied: Vec<String>,
    put_aside: Option<String>,
    /// `null` where there was nothing to compare with, or it could not be read.
    changed: Option<Vec<DifferenceJson>>,
}

/// A copy that is ready to take the place of the database.
struct Prepared {
    replacement: Replacement,
    counts: RowCounts,
    migrations_applied: Vec<String>,
    comparison: Comparison,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, restore: Restore) -> Result<String, CommandError> {
    let Some(database) = config.database.url.sqlite_path() else {
        return Err(CommandError::OtherProgram(Error::msg(ON_POSTGRES)));
    };
    match &restore.file {
        Some(file) if !restore.finish => {
            if is_replacement_unfinished(database)? {
                return Err(thunderhead_storage::FileError::Unfinished(database.to_owned()).into());
            }
            let source = checked(config, file, database, restore.empty)?;
            let consent = if database.exists() { restore.confirm_flags.consent()? } else { Consent::Given };
            put_back(config, source, consent, &restore)
        }
        _ => finish(database, restore.form),
    }
}

/// Opens the backup, once it is certain that it could be used here. Nothing is touched before.
fn checked(config: &Config, file: &Path, database: &Path, empty: bool) -> Result<Snapshot, CommandError> {
    let mut source = Snapshot::of_file(file).map_err(|error| unusable(file, error))?;
    if source.path() == resolve(database)? {
        return Err(CommandError::usage(format!("{} is the database itself", file.display())));
    }
    source.missing_migrations().map_err(|error| unusable(file, error))?;
    let keys = key_file::find(config)?;
    let sealed = source.sealed_texts().map_err(|error| unusable(file, error))?;
    check_opens(&sealed, &keys.keys).map_err(|error| CommandError::keys(error, || keys.misfit_of_backup(file)))?;
    if !empty && source.is_empty().map_err(|error| unusable(file, error))? {
        return Err(CommandError::Refused(Error::msg(format!(
            "there is no user in {file}: most often such a file is a copy of thunderhead.db without the thunderhead.db-wal \
             beside it, which held everything. Copy both, or use a file that `thunderhead backup` has made. If an empty \
             database is what you want, say --empty. Nothing was done",
            file = file.display()
        ))));
    }
    Ok(source)
}

/// Says that the backup is damaged, where it is: what was found in a copy of it was in the backup.
fn unusable(file: &Path, error: SnapshotError) -> CommandError {
    match error.damage() {
        Some(found) => CommandError::Refused(Error::msg(format!(
            "the backup {} is damaged ({found}): use another one. Nothing was done",
            file.display()
        ))),
        None => error.into(),
    }
}

fn put_back(
    config: &Config,
    mut source: Snapshot,
    consent: Consent,
    restore: &Restore,
) -> Result<String, CommandError> {
    let Some(database) = config.database.url.sqlite_path() else { return Ok(String::new()) };
    make_data_dir(config)?;
    let mut lock = DatabaseLock::exclude(database)?;
    lock.sign("a restoration").map_err(Error::from)?;
    let at = SystemClock.now();
    let prepared = prepare(&mut source, database, &lock, at)?;
    if matches!(consent, Consent::ByAsking) {
        consent.to(&format!("{}\nPut the backup in the place of {}", prepared.comparison, database.display()))?;
    }
    let Prepared { replacement, counts, migrations_applied, comparison } = prepared;
    let sessions_ended = if restore.keep_sessions { None } else { Some(end_sessions(&replacement)?) };
    let action = ActionContext { at, by: Actor::CommandLine, client_ip: None };
    replacement.record(&action, &source.path().display().to_string())?;
    let put_aside = replacement.put_in_place(at)?;
    let json = RestoreJson {
        database: config.database.url.to_string(),
        users: counts.users,
        sessions_ended,
        migrations_applied,
        put_aside: put_aside.map(|path| path.display().to_string()),
        changed: comparison.json(),
    };
    restore.form.print(&json, || told(&json, &comparison))
}

/// Makes the copy, finds out whether it is whole, and compares it with what is there.
fn prepare(
    source: &mut Snapshot,
    database: &Path,
    lock: &DatabaseLock,
    at: Timestamp,
) -> Result<Prepared, CommandError> {
    let file = source.path().to_owned();
    let damaged = |error| unusable(&file, error);
    let replacement = Replacement::new(source, database, lock).map_err(damaged)?;
    replacement.look().and_then(|mut copy| copy.check()).map_err(damaged)?;
    let migrations_applied = replacement.migrate()?;
    let mut copy = replacement.look()?;
    let counts = copy.counts()?;
    let comparison = if database.exists() {
        copy.differences(database, at).map_or_else(Comparison::unreadable, Comparison::Made)
    } else {
        Comparison::Nothing
    };
    drop(copy);
    Ok(Prepared { replacement, counts, migrations_applied, comparison })
}

/// Ends all sessions of the copy.
fn end_sessions(replacement: &Replacement) -> Result<u64, CommandError> {
    let operator = operator(replacement.open()?);
    block_on(async { Ok(operator.session_end_everywhere(Some(END_OF_TIME)).await?) })
}

fn finish(database: &Path, form: Form) -> Result<String, CommandError> {
    let lock = DatabaseLock::exclude(database)?;
    if !is_replacement_unfinished(database)? {
        let text = format!("no restoration of {} was cut short: there is nothing to finish", database.display());
        return Err(CommandError::Refused(Error::msg(text)));
    }
    let aside = finish_replacement(database, &lock)?.map(|path| path.display().to_string());
    let json = serde_json::json!({ "putAside": &aside });
    form.print(&json, || {
        let aside = aside.as_ref().map(|aside| format!(" What was there is {aside}."));
        format!("The restored database is in its place.{}", aside.unwrap_or_default())
    })
}

fn told(restore: &RestoreJson, comparison: &Comparison) -> String {
    let mut lines = vec![format!("Restored {}: users {}.", restore.database, restore.users)];
    if let Some(aside) = &restore.put_aside {
        lines.push(format!("What was there is {aside}, to be deleted when it is certain that nobody needs it."));
    }
    if !restore.migrations_applied.is_empty() {
        lines.push(format!("Applied:\n  {}", restore.migrations_applied.join("\n  ")));
    }
    lines.push(match restore.sessions_ended {
        Some(0) => "There was no live session to end.".to_owned(),
        Some(ended) => format!("Ended {}: everybody logs in again.", sessions(ended)),
        None => "Sessions that have ended since the backup are live again (--keep-sessions).".to_owned(),
    });
    lines.extend(comparison.shown());
    lines.join("\n")
}
