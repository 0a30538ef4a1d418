//! `thunderhead backup`: the whole database as one file, while the server runs or not.

mod leftovers;
mod target;

use std::path::{Path, PathBuf};

use anyhow::{Context, Error};
use clap::Args;
use serde::Serialize;
use tempfile::TempPath;
use thunderhead_auth::tokens::keys::check_opens;
use thunderhead_domain::ports::Clock;
use thunderhead_storage::{DatabaseLock, RowCounts, Snapshot, SnapshotError, sync_name};

use super::form::Form;
use crate::config::Config;
use crate::error::CommandError;
use crate::key_file::{self, LoadedKeys};
use crate::system::SystemClock;

/// What a database on Postgres is backed up with.
const ON_POSTGRES: &str = "the database is on Postgres, whose own programs back it up, while the server runs or not:
  pg_dump --format=custom --file=FILE 'postgres://USER@HOST/DATABASE'
  pg_restore --list FILE
The encryption key is not in the database: keep a copy of it elsewhere. See *Backups* in OPERATIONS.md";

/// What is to be backed up where.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make
    file: PathBuf,
    /// Replace the file if it is an older backup; nothing else is ever replaced
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    form: Form,
}

/// A backup in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupJson {
    file: String,
    database: String,
    encryption_key_file: Option<String>,
    users: u64,
    sessions: u64,
    missing_migrations: Vec<String>,
}

/// A backup that was found to be good.
struct Made {
    copy: TempPath,
    counts: RowCounts,
    missing_migrations: Vec<String>,
}

/// Does it; returns what is to be printed. `settings` is the file that the settings were read from.
pub(super) fn run(config: &Config, settings: Option<&Path>, backup: Backup) -> Result<String, CommandError> {
    let Backup { file, overwrite, form } = backup;
    let Some(database) = config.database.url.sqlite_path() else {
        return Err(CommandError::OtherProgram(Error::msg(ON_POSTGRES)));
    };
    let _lock = DatabaseLock::share(&config.database.url)?;
    let spare = target::check(&file, overwrite, config, settings, database)?;
    let keys = key_file::find(config)?;
    let made = make(config, database, &file, &keys)?;
    let cannot = || format!("{} cannot be written", file.display());
    match spare.is_some() {
        true => made.copy.persist(&file).map_err(|error| error.error).with_context(cannot)?,
        false => made.copy.persist_noclobber(&file).map_err(|error| error.error).with_context(cannot)?,
    }
    sync_name(&file).with_context(cannot)?;
    let json = BackupJson {
        file: file.display().to_string(),
        database: config.database.url.to_string(),
        encryption_key_file: keys.file.as_ref().map(|path| path.display().to_string()),
        users: made.counts.users,
        sessions: made.counts.sessions,
        missing_migrations: made.missing_migrations,
    };
    form.print(&json, || told(&json))
}

/// Writes the copy under another name, for its owner alone, and finds out whether it is good.
fn make(config: &Config, database: &Path, file: &Path, keys: &LoadedKeys) -> Result<Made, CommandError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    leftovers::sweep(folder, &name, SystemClock.now());
    let copy = tempfile::Builder::new().prefix(&format!(".{name}-")).tempfile_in(folder);
    let copy = copy.with_context(|| format!("the folder {}", folder.display()))?.into_temp_path();
    Snapshot::of_database(database)?.copy_to(&copy)?;
    let mut made = Snapshot::of_file(&copy)?;
    made.check().map_err(|error| damaged(database, error))?;
    let missing_migrations = made.missing_migrations()?;
    check_opens(&made.sealed_texts()?, &keys.keys)
        .map_err(|error| CommandError::keys(error, || keys.misfit(&config.database.url)))?;
    let counts = made.counts()?;
    drop(made);
    Ok(Made { copy, counts, missing_migrations })
}

/// What is wrong with a copy was wrong with the database.
fn damaged(database: &Path, error: SnapshotError) -> CommandError {
    match error.damage() {
        Some(found) => {
            CommandError::Refused(Error::msg(format!("the database {} is damaged: {found}", database.display())))
        }
        None => error.into(),
    }
}

fn told(backup: &BackupJson) -> String {
    let BackupJson { file, database, users, sessions, .. } = backup;
    let mut lines =
        vec![format!("Backed up {database} as {file}, and read it back: users {users}, sessions {sessions}.")];
    lines.push(match &backup.encryption_key_file {
        Some(key) => format!("The encryption key {key} belongs to it and is not in it: keep a copy of that elsewhere."),
        None => "The encryption key belongs to it and is not in it: keep a copy of that elsewhere.".to_owned(),
    });
    if !backup.missing_migrations.is_empty() {
        lines.push("Its schema is older than this program, which brings it up to date when it is restored.".to_owned());
    }
    lines.join("\n")
}
