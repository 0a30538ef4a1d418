//! `thunderhead backup`: the whole database as one file, while the server runs or not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error};
use clap::Args;
use serde::Serialize;
use tempfile::TempPath;
use thunderhead_auth::keys::check_opens;
use thunderhead_storage::{Counts, DatabaseLock, Snapshot, beside, resolve, sync_name};

use super::form::Form;
use crate::config::Config;
use crate::failure::Failure;
use crate::key_file::{self, LoadedKeys};

/// What a database on Postgres is backed up with.
const ON_POSTGRES: &str = "the database is on Postgres, whose own programs back it up, while the server runs or not:
  pg_dump --format=custom --file=FILE 'postgres://USER@HOST/DATABASE'
  pg_restore --list FILE
The encryption key is not in the database: keep a copy of it elsewhere. See *Backups* in OPERATIONS.md";

/// What belongs to the database, and must not be written over.
const PARTS: [&str; 6] = ["", "-wal", "-shm", "-journal", "-lock", "-restored"];

/// What is to be backed up where.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make
    file: PathBuf,
    /// Replace the file if there is one
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
    counts: Counts,
    missing_migrations: Vec<String>,
}

/// Does it; returns what is to be printed.
pub(super) fn run(config: &Config, Backup { file, overwrite, form }: Backup) -> Result<String, Failure> {
    let Some(database) = config.database.url.sqlite_path() else {
        return Err(Failure::OtherProgram(Error::msg(ON_POSTGRES)));
    };
    let _lock = DatabaseLock::share(&config.database.url)?;
    check_target(&file, overwrite, database)?;
    let keys = key_file::find(config)?;
    let made = make(config, database, &file, &keys)?;
    let cannot = || format!("{} cannot be written", file.display());
    match overwrite {
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

/// The file must be a new one, or one that may be replaced and is not the database itself.
fn check_target(file: &Path, overwrite: bool, database: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(Failure::usage(format!("{} is a folder: name a file in it", file.display())));
    }
    let database = resolve(database)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).with_context(|| format!("the folder {}", folder.display()))?;
    let target = file.file_name().map(|name| folder.join(name));
    if PARTS.iter().any(|part| target.as_deref() == Some(&beside(&database, part))) {
        return Err(Failure::usage(format!("{} belongs to the database itself", file.display())));
    }
    if !overwrite && file.symlink_metadata().is_ok() {
        let text = format!("{} is there already: name another file, or say --overwrite", file.display());
        return Err(Failure::Refused(Error::msg(text)));
    }
    Ok(())
}

/// Writes the copy under another name, for its owner alone, and finds out whether it is good.
fn make(config: &Config, database: &Path, file: &Path, keys: &LoadedKeys) -> Result<Made, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let copy = tempfile::Builder::new().prefix(&format!(".{name}-")).tempfile_in(folder);
    let copy = copy.with_context(|| format!("the folder {}", folder.display()))?.into_temp_path();
    Snapshot::of_database(database)?.copy_to(&copy)?;
    let mut made = Snapshot::of_file(&copy)?;
    made.check()?;
    let missing_migrations = made.missing_migrations()?;
    check_opens(&made.sealed_texts()?, &keys.keys).map_err(|fault| key_file::misfit(config, keys, fault))?;
    let counts = made.counts()?;
    drop(made);
    Ok(Made { copy, counts, missing_migrations })
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
