//! The schema: brought up to date by one process at a time, or checked to be what this binary knows.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel_migrations::MigrationHarness;

use crate::engine::DatabaseEngine;
use crate::engine::postgres::{self, Postgres};
use crate::engine::sqlite::{self, Sqlite};
use crate::file::{self, FileError};
use crate::schema::__diesel_schema_migrations as history;
use crate::url::{DatabaseTarget, DatabaseUrl};

/// Why the schema is not, or not known to be, what this binary needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The SQLite file is not there, or cannot be the database.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database cannot be reached.
    #[error("no connection to the database")]
    Connection(#[from] ConnectionError),
    /// A statement failed.
    #[error("the database refused a statement")]
    Query(#[from] diesel::result::Error),
    /// A migration failed; none of this run was kept.
    #[error("a migration failed")]
    Migration(#[source] Box<dyn Error + Send + Sync>),
    /// Migrations are missing that this binary brings.
    #[error("the database schema is older than this program: {} to be applied", .0.join(", "))]
    Older(Vec<String>),
    /// A later version of the program has changed the schema.
    #[error("the database schema is newer than this program, which does not know {}", .0.join(", "))]
    Newer(Vec<String>),
    /// A migration that is to stay is not there.
    #[error("the database has no migration {0}, so nothing was taken back to it")]
    NotApplied(String),
    /// The tables are another program's.
    #[error("the database is another program's: none of its tables is known here")]
    Foreign,
}

/// Brings the schema up to date, and returns the names of the migrations that this call applied. A missing
/// SQLite file is made, readable by its owner alone; its directory must be there. Of several processes that
/// call this at once, one does the work and the others find it done.
pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match &url.0 {
        DatabaseTarget::Sqlite(path) => {
            match file::examine(path) {
                Err(FileError::Missing(path)) => {
                    sqlite::create_file(&path).map_err(|error| FileError::refused(&path, "made", error))?;
                }
                other => other?,
            }
            sqlite_schema::migrate(&mut sqlite_existing(path)?).map_err(|error| with_file(path, error))
        }
        DatabaseTarget::Postgres(url) => postgres_schema::migrate(&mut postgres::establish(url)?),
    }
}

/// Makes sure that the schema is the one this binary knows, and leaves it as it is.
pub fn check_schema(url: &DatabaseUrl) -> Result<(), MigrateError> {
    match &url.0 {
        DatabaseTarget::Sqlite(path) => check_sqlite(path, &mut sqlite_existing(path)?),
        DatabaseTarget::Postgres(url) => postgres_schema::check(&mut postgres::establish(url)?),
    }
}

/// Takes back the migrations that follow this one, and with them what an earlier version of the program could not keep;
/// returns their names, the latest first. All of them are taken back, or none.
pub fn migrate_back(url: &DatabaseUrl, last: &str) -> Result<Vec<String>, MigrateError> {
    match &url.0 {
        DatabaseTarget::Sqlite(path) => {
            sqlite_schema::migrate_back(&mut sqlite_existing(path)?, last).map_err(|error| with_file(path, error))
        }
        DatabaseTarget::Postgres(url) => postgres_schema::migrate_back(&mut postgres::establish(url)?, last),
    }
}

/// Takes all migrations back, and with them every row; returns their names. For development.
pub fn revert(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match &url.0 {
        DatabaseTarget::Sqlite(path) => sqlite_schema::revert(&mut sqlite_existing(path)?),
        DatabaseTarget::Postgres(url) => postgres_schema::revert(&mut postgres::establish(url)?),
    }
}

/// The same as [`check_schema`], of a SQLite file that is open.
pub(crate) fn check_sqlite(path: &Path, connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    sqlite_schema::check(connection).map_err(|error| with_file(path, error))
}

/// Makes sure that the database can be written, by writing what is there already: SQLite opens a file that it may not
/// write for reading alone, and says so with the first change. A full disk or a busy file may pass, and is no reason
/// not to start.
pub fn check_writable(url: &DatabaseUrl) -> Result<(), MigrateError> {
    let DatabaseTarget::Sqlite(path) = &url.0 else { return Ok(()) };
    let written = sqlite::write_nothing_new(&mut sqlite_existing(path)?);
    match written {
        Err(error) if may_pass(&error) => {
            tracing::warn!(error = &error as &dyn Error, "the database cannot be written at the moment");
            Ok(())
        }
        Err(error) => Err(FileError::refused(path, "written", error).into()),
        Ok(()) => Ok(()),
    }
}

/// Diesel gives SQLite's own words, and no code.
fn may_pass(error: &diesel::result::Error) -> bool {
    let text = error.to_string();
    text.contains("is full") || text.contains("is locked")
}

/// Opens a file that must be there: SQLite would make an empty one.
fn sqlite_existing(path: &Path) -> Result<SqliteConnection, MigrateError> {
    file::examine(path)?;
    Ok(sqlite::establish(path).map_err(|error| FileError::refused(path, "opened", error))?)
}

/// Which file a refusal of SQLite's is about.
fn with_file(path: &Path, error: MigrateError) -> MigrateError {
    match error {
        MigrateError::Query(error) => FileError::refused(path, "used", error).into(),
        MigrateError::Foreign => FileError::Foreign(path.to_owned()).into(),
        other => other,
    }
}

/// The same steps for one engine's connection type.
macro_rules! schema_of {
    ($name:ident, $engine:ident) => {
        mod $name {
            use super::*;

            pub(super) fn migrate(
                connection: &mut <$engine as DatabaseEngine>::Connection,
            ) -> Result<Vec<String>, MigrateError> {
                $engine::exclusively(connection, |connection| {
                    match compare(&known()?, &applied(connection)?) {
                        Ok(()) => return Ok(Vec::new()),
                        Err(MigrateError::Older(_)) => {}
                        Err(other) => return Err(other),
                    }
                    let run = connection.run_pending_migrations($engine::MIGRATIONS);
                    Ok(run.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect())
                })
            }

            pub(super) fn check(connection: &mut <$engine as DatabaseEngine>::Connection) -> Result<(), MigrateError> {
                compare(&known()?, &applied(connection)?)
            }

            pub(super) fn migrate_back(
                connection: &mut <$engine as DatabaseEngine>::Connection,
                last: &str,
            ) -> Result<Vec<String>, MigrateError> {
                $engine::exclusively(connection, |connection| {
                    let applied = applied(connection)?;
                    match compare(&known()?, &applied) {
                        Ok(()) | Err(MigrateError::Older(_)) => {}
                        Err(other) => return Err(other),
                    }
                    if !applied.contains(last) {
                        return Err(MigrateError::NotApplied(last.to_owned()));
                    }
                    let later = applied.iter().filter(|version| version.as_str() > last);
                    let reverted = later.map(|_| connection.revert_last_migration($engine::MIGRATIONS));
                    let reverted: Result<Vec<_>, _> = reverted.collect();
                    Ok(reverted.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect())
                })
            }

            pub(super) fn revert(
                connection: &mut <$engine as DatabaseEngine>::Connection,
            ) -> Result<Vec<String>, MigrateError> {
                $engine::exclusively(connection, |connection| {
                    let reverted = connection.revert_all_migrations($engine::MIGRATIONS);
                    Ok(reverted.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect())
                })
            }

            fn known() -> Result<BTreeSet<String>, MigrateError> {
                type Backend = <<$engine as DatabaseEngine>::Connection as Connection>::Backend;
                let source: Vec<Box<dyn diesel::migration::Migration<Backend>>> =
                    $engine::MIGRATIONS.migrations().map_err(MigrateError::Migration)?;
                Ok(source.iter().map(|migration| migration.name().version().to_string()).collect())
            }

            /// Asks without making the table of migrations: the role need not be allowed to.
            fn applied(
                connection: &mut <$engine as DatabaseEngine>::Connection,
            ) -> Result<BTreeSet<String>, MigrateError> {
                if !$engine::has_history(connection)? {
                    return if $engine::is_foreign(connection)? {
                        Err(MigrateError::Foreign)
                    } else {
                        Ok(BTreeSet::new())
                    };
                }
                Ok(history::table.select(history::version).load(connection)?.into_iter().collect())
            }
        }
    };
}

schema_of!(sqlite_schema, Sqlite);
schema_of!(postgres_schema, Postgres);

/// What the binary knows against what the database has.
fn compare(known: &BTreeSet<String>, applied: &BTreeSet<String>) -> Result<(), MigrateError> {
    let unknown: Vec<_> = applied.difference(known).cloned().collect();
    if !unknown.is_empty() {
        // Other programs use the same table for theirs.
        let foreign = applied.is_disjoint(known);
        return Err(if foreign { MigrateError::Foreign } else { MigrateError::Newer(unknown) });
    }
    let missing: Vec<_> = known.difference(applied).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(MigrateError::Older(missing)) }
}
