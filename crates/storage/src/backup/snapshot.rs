//! A SQLite database as a file to be copied, checked and compared: what backing it up and restoring it are made of.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Text};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::factor::{FactorId, ImportedCodeId};
use thunderhead_domain::ports::{SealedRow, SealedText, Storage};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::WebhookId;
use uuid::Uuid;

use crate::backup::differences::{self, Difference};
use crate::backup::replace;
use crate::connect::connect;
use crate::engine::sqlite;
use crate::file::{FileError, beside, examine, folder_of, hand_over, is_damage, is_unfinished, resolve, sync_folder};
use crate::lock::DatabaseLock;
use crate::migrate::{MigrateError, migrate};
use crate::on_sqlite;
use crate::settings::{ConnectError, StorageSettings};
use crate::url::DatabaseUrl;

/// How long a copy waits for others that lock the file, in milliseconds.
const PATIENCE_MILLIS: u32 = 30_000;
/// How long one operation on a copy may take: nobody waits for it but the operator.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// Why a copy was not made, or is not good.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be a database.
    #[error(transparent)]
    File(#[from] FileError),
    /// SQLite refuses.
    #[error("{}", .path.display())]
    Query {
        /// The file that it is about.
        path: PathBuf,
        /// What SQLite says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// SQLite found the file damaged.
    #[error("{} is damaged: {found}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first of what SQLite found.
        found: String,
    },
    /// The schema is not this program's.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// The storage over a copy cannot be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system refuses.
    #[error("{}", .path.display())]
    System {
        /// The file that it is about.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl SnapshotError {
    fn query(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        if is_damage(&source.to_string()) {
            return FileError::refused(path, "read", source).into();
        }
        Self::Query { path: path.to_owned(), source }
    }

    /// What SQLite found wrong, where the file is damaged.
    pub fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged { found, .. } => Some(found.clone()),
            Self::File(FileError::Damaged { source, .. })
            | Self::Schema(MigrateError::File(FileError::Damaged { source, .. })) => Some(source.to_string()),
            _ => None,
        }
    }

    fn system(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { path, source }
    }
}

/// A database file that is read and not changed.
pub struct Snapshot {
    path: PathBuf,
    connection: SqliteConnection,
}

/// How much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    /// Accounts.
    pub users: u64,
    /// Sessions, those that are over among them.
    pub sessions: u64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    kid: String,
    #[diesel(sql_type = Text)]
    sealed: String,
}

#[derive(QueryableByName)]
struct IdentifiedRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    sealed: String,
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

impl Snapshot {
    /// Opens a database that may be in use.
    ///
    /// # Errors
    /// Where the file cannot be one.
    pub fn of_database(path: &Path) -> Result<Self, SnapshotError> {
        let path = existing(path)?;
        let name = sqlite::file_name(&path).map_err(SnapshotError::system(&path))?;
        Self::connect(path, &name)
    }

    /// Opens a file for reading alone, with the log that may be beside it. Where there is none, nothing else is needed
    /// of its folder.
    ///
    /// # Errors
    /// Where the file cannot be a database.
    pub fn of_file(path: &Path) -> Result<Self, SnapshotError> {
        let path = existing(path)?;
        let uri = read_only_uri(&path);
        Self::connect(path, &uri)
    }

    fn connect(path: PathBuf, name: &str) -> Result<Self, SnapshotError> {
        let mut connection =
            SqliteConnection::establish(name).map_err(|error| FileError::refused(&path, "opened", error))?;
        let set_up = format!("PRAGMA busy_timeout = {PATIENCE_MILLIS}");
        connection.batch_execute(&set_up).map_err(|error| SnapshotError::query(&path, error))?;
        let mut snapshot = Self { path, connection };
        // The first thing that reads the file.
        let tables = snapshot.number("SELECT count(*) AS number FROM sqlite_master")?;
        if tables == 0 || !snapshot.has_table("__diesel_schema_migrations")? {
            return Err(FileError::Foreign(snapshot.path).into());
        }
        Ok(snapshot)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The migrations that this program has and the file has not.
    ///
    /// # Errors
    /// Where a later version of this program, or another program, has changed the schema.
    pub fn missing_migrations(&mut self) -> Result<Vec<String>, SnapshotError> {
        match crate::migrate::check_sqlite(&self.path, &mut self.connection) {
            Ok(()) => Ok(vec![]),
            Err(MigrateError::Older(missing)) => Ok(missing),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes all that is in it into an empty file, as of one moment. Others may go on working with it.
    ///
    /// # Errors
    /// Where SQLite refuses: the file is damaged, or the disk is full.
    pub fn copy_to(&mut self, target: &Path) -> Result<(), SnapshotError> {
        let name = sqlite::file_name(target).map_err(SnapshotError::system(target))?;
        let copied = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(name).execute(&mut self.connection);
        // What is damaged is what was read, and what has no room is what was written.
        copied.map_err(|error| {
            let about = if is_damage(&error.to_string()) { &self.path } else { target };
            SnapshotError::query(about, error)
        })?;
        // SQLite leaves it to the system when the copy reaches the disk.
        std::fs::File::open(target).and_then(|file| file.sync_all()).map_err(SnapshotError::system(target))
    }

    /// Has SQLite read all of it.
    ///
    /// # Errors
    /// Where anything is not as it must be.
    pub fn check(&mut self) -> Result<(), SnapshotError> {
        let found: Vec<Found> = self.load("PRAGMA integrity_check(1)")?;
        let orphans = self.number("SELECT count(*) AS number FROM pragma_foreign_key_check")?;
        let orphans = (orphans > 0).then(|| "rows refer to others that are not there".to_owned());
        let wrong = found.into_iter().map(|row| row.integrity_check).find(|found| found != "ok").or(orphans);
        wrong.map_or(Ok(()), |found| Err(SnapshotError::Damaged { path: self.path.clone(), found }))
    }

    /// Counts what is in it.
    ///
    /// # Errors
    /// Where SQLite refuses.
    pub fn counts(&mut self) -> Result<RowCounts, SnapshotError> {
        let mut count = |table| {
            let number = self.number(&format!("SELECT count(*) AS number FROM {table}"))?;
            Ok::<_, SnapshotError>(number.unsigned_abs())
        };
        Ok(RowCounts { users: count("users")?, sessions: count("sessions")? })
    }

    /// Everything that is encrypted under the server's encryption key and stays so for long, by any schema.
    ///
    /// # Errors
    /// Where SQLite refuses.
    pub fn sealed_texts(&mut self) -> Result<Vec<SealedText>, SnapshotError> {
        let mut texts = vec![];
        if self.has_table("signing_keys")? {
            let rows: Vec<KeyRow> = self.load("SELECT kid, sealed FROM signing_keys")?;
            texts.extend(
                rows.into_iter().map(|row| SealedText { row: SealedRow::SigningKey(row.kid), sealed: row.sealed }),
            );
        }
        if self.has_table("second_factors")? {
            let rows: Vec<IdentifiedRow> =
                self.load("SELECT id, sealed FROM second_factors WHERE sealed IS NOT NULL")?;
            for row in rows {
                let id = Uuid::from_slice(&row.id).map_err(|error| SnapshotError::query(&self.path, error))?;
                texts.push(SealedText { row: SealedRow::Factor(FactorId(id)), sealed: row.sealed });
            }
        }
        if self.has_table("imported_codes")? {
            let rows: Vec<IdentifiedRow> =
                self.load("SELECT code AS id, sealed FROM imported_codes WHERE sealed IS NOT NULL")?;
            for row in rows {
                let id = Uuid::from_slice(&row.id).map_err(|error| SnapshotError::query(&self.path, error))?;
                texts.push(SealedText { row: SealedRow::ImportedCode(ImportedCodeId(id)), sealed: row.sealed });
            }
        }
        if self.has_table("webhooks")? {
            let rows: Vec<IdentifiedRow> = self.load(
                "SELECT id, sealed FROM webhooks \
                 UNION ALL SELECT id, previous_sealed FROM webhooks WHERE previous_sealed IS NOT NULL",
            )?;
            for row in rows {
                let id = Uuid::from_slice(&row.id).map_err(|error| SnapshotError::query(&self.path, error))?;
                texts.push(SealedText { row: SealedRow::Webhook(WebhookId(id)), sealed: row.sealed });
            }
        }
        Ok(texts)
    }

    /// What would be as it is here, and is otherwise in another file, or another user's. This one has this program's
    /// schema; of one that has an older schema, a copy is brought up to date beside it for the time.
    ///
    /// # Errors
    /// Where the other file cannot be read, or brought up to date.
    pub fn differences(&mut self, present: &Path, now: Timestamp) -> Result<Vec<Difference>, SnapshotError> {
        let mut other = Self::of_file(present)?;
        let older = !other.missing_migrations()?.is_empty();
        let copy = if older { Some(Copied::of(&mut other, present)?) } else { None };
        let uri = copy.as_ref().map_or_else(|| read_only_uri(&other.path), |copy| read_only_uri(&copy.path));
        drop(other);
        differences::between(&mut self.connection, &uri, now).map_err(|error| SnapshotError::query(present, error))
    }

    /// Whether there is no user in it, by any schema.
    ///
    /// # Errors
    /// Where SQLite refuses.
    pub fn is_empty(&mut self) -> Result<bool, SnapshotError> {
        Ok(!self.has_table("users")? || self.number("SELECT count(*) AS number FROM users")? == 0)
    }

    fn has_table(&mut self, name: &str) -> Result<bool, SnapshotError> {
        let query = format!("SELECT count(*) AS number FROM sqlite_master WHERE type = 'table' AND name = '{name}'");
        Ok(self.number(&query)? > 0)
    }

    fn number(&mut self, query: &str) -> Result<i64, SnapshotError> {
        let rows: Vec<Number> = self.load(query)?;
        Ok(rows.first().map_or(0, |row| row.number))
    }

    fn load<T: QueryableByName<diesel::sqlite::Sqlite> + 'static>(
        &mut self,
        query: &str,
    ) -> Result<Vec<T>, SnapshotError> {
        diesel::sql_query(query).load(&mut self.connection).map_err(|error| SnapshotError::query(&self.path, error))
    }
}

/// A copy beside the database that is to be put in its place. It is removed when it is dropped before.
pub struct Replacement {
    database: PathBuf,
    copy: tempfile::TempPath,
    _companions: Companions,
}

/// A copy of a database for a while, with this program's schema.
struct Copied {
    path: tempfile::TempPath,
    _companions: Companions,
}

impl Copied {
    fn of(source: &mut Snapshot, database: &Path) -> Result<Self, SnapshotError> {
        let path = replace::fresh_file(&resolve(database)?).map_err(SnapshotError::system(database))?;
        source.copy_to(&path)?;
        let copied = Self { _companions: Companions(path.to_path_buf()), path };
        migrate(&DatabaseUrl::sqlite(copied.path.to_path_buf()))?;
        settle(&copied.path)?;
        Ok(copied)
    }
}

/// What SQLite has put beside a copy, to be removed with it.
struct Companions(PathBuf);

impl Replacement {
    /// Makes a copy of a file. Who makes it holds the database alone.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    pub fn new(source: &mut Snapshot, database: &Path, _alone: &DatabaseLock) -> Result<Self, SnapshotError> {
        let database = resolve(database)?;
        let made = replace::sweep(&database).and_then(|()| replace::fresh_file(&database));
        let copy = made.map_err(|error| FileError::refused(&database, "replaced", error))?;
        hand_over(&copy, if database.exists() { &database } else { folder_of(&database) });
        source.copy_to(&copy)?;
        Ok(Self { database, _companions: Companions(copy.to_path_buf()), copy })
    }

    /// The copy, to be read.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn look(&self) -> Result<Snapshot, SnapshotError> {
        Snapshot::of_file(&self.copy)
    }

    /// Brings the copy's schema up to date; returns the migrations that were missing.
    ///
    /// # Errors
    /// Where one fails.
    pub fn migrate(&self) -> Result<Vec<String>, SnapshotError> {
        let applied = migrate(&DatabaseUrl::sqlite(self.copy.to_path_buf()))?;
        settle(&self.copy)?;
        Ok(applied)
    }

    /// The copy, to be worked on. Drop all of it before anything else is done.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(&self) -> Result<Arc<dyn Storage>, SnapshotError> {
        let url = DatabaseUrl::sqlite(self.copy.to_path_buf());
        Ok(connect(&StorageSettings { deadline: DEADLINE, ..StorageSettings::new(url) })?)
    }

    /// Records where the database comes from. With that, nothing holds that anybody caches of it.
    ///
    /// # Errors
    /// Where SQLite refuses.
    pub fn record(&self, action: &ActionContext, origin: &str) -> Result<(), SnapshotError> {
        let refused = |error| SnapshotError::query(&self.copy, error);
        let mut connection = sqlite::establish(&self.copy).map_err(|error| SnapshotError::query(&self.copy, error))?;
        on_sqlite::record_restoration(&mut connection, action, origin).map_err(refused)
    }

    /// Puts it in the place of the database; returns where the old one is now, if there was one.
    ///
    /// # Errors
    /// Where the system refuses: [`finish_replacement`] does the rest, if anything was done.
    pub fn put_in_place(self, at: Timestamp) -> Result<Option<PathBuf>, SnapshotError> {
        settle(&self.copy)?;
        replace::replace(&self.database, self.copy, at).map_err(SnapshotError::system(&self.database))
    }
}

/// Brings all that the log holds into the file itself, which alone is kept.
fn settle(path: &Path) -> Result<(), SnapshotError> {
    let mut connection = sqlite::establish(path).map_err(|error| SnapshotError::query(path, error))?;
    let checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(&mut connection);
    let Checkpoint { busy } = checkpoint.map_err(|error| SnapshotError::query(path, error))?;
    if busy == 0 { Ok(()) } else { Err(SnapshotError::query(path, "the copy is in use")) }
}

impl Drop for Companions {
    fn drop(&mut self) {
        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(beside(&self.0, suffix)).ok();
        }
    }
}

/// Whether a restoration of this database was cut short.
///
/// # Errors
/// Where the name leads nowhere.
pub fn is_replacement_unfinished(database: &Path) -> Result<bool, FileError> {
    Ok(is_unfinished(&resolve(database)?))
}

/// Does the rest of a restoration that was cut short; returns where the old database is now, if there was one.
///
/// # Errors
/// Where the system refuses.
pub fn finish_replacement(database: &Path, _alone: &DatabaseLock) -> Result<Option<PathBuf>, SnapshotError> {
    let database = resolve(database)?;
    replace::finish(&database).map_err(SnapshotError::system(&database))
}

/// Makes sure that a file that was renamed keeps its name through a power cut.
///
/// # Errors
/// Where the system refuses.
pub fn sync_name(path: &Path) -> io::Result<()> {
    sync_folder(path)
}

/// Where a file is that must be there, and not be empty.
fn existing(path: &Path) -> Result<PathBuf, SnapshotError> {
    examine(path)?;
    let path = resolve(path)?;
    if std::fs::metadata(&path).map_err(SnapshotError::system(&path))?.len() == 0 {
        return Err(FileError::NotSqlite(path).into());
    }
    Ok(path)
}

/// A file by a name that lets SQLite read and not write. Where no log is beside it, nobody is writing, and SQLite need
/// not make one.
fn read_only_uri(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let text = path.to_string_lossy();
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let name: String = text.bytes().map(encode).collect();
    let still = !beside(path, "-wal").exists() && !beside(path, "-journal").exists();
    format!("file:{name}?mode=ro{}", if still { "&immutable=1" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_survive_in_a_uri() {
        assert_eq!(read_only_uri(Path::new("/a b/x?#%.db")), "file:/a%20b/x%3F%23%25.db?mode=ro&immutable=1");
    }
}
