//! The schema: brought up to date by one process at a time, or checked to be what this binary knows.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel_migrations::MigrationHarness;

use crate::schema::__diesel_schema_migrations as history;
use crate::url::{DatabaseUrl, Target};
use crate::{postgres, sqlite};

/// Why the schema is not, or not known to be, what this binary needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The SQLite file cannot be made.
    #[error("the database file {} cannot be made", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no such SQLite file.
    #[error("there is no database file {}", .0.display())]
    NoFile(PathBuf),
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
}

/// Brings the schema up to date, and returns the names of the migrations that this call applied. A missing
/// SQLite file is made, readable by its owner alone; its directory must be there. Of several processes that
/// call this at once, one does the work and the others find it done.
pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match &url.0 {
        Target::Sqlite(path) => {
            let unmade = |source| MigrateError::File { path: path.clone(), source };
            sqlite::create_file(path).map_err(unmade)?;
            sqlite_schema::migrate(&mut sqlite::establish(path)?)
        }
        Target::Postgres(url) => postgres_schema::migrate(&mut postgres::establish(url)?),
    }
}

/// Makes sure that the schema is the one this binary knows, and leaves it as it is.
pub fn check_schema(url: &DatabaseUrl) -> Result<(), MigrateError> {
    match &url.0 {
        Target::Sqlite(path) => sqlite_schema::check(&mut sqlite_existing(path)?),
        Target::Postgres(url) => postgres_schema::check(&mut postgres::establish(url)?),
    }
}

/// Takes all migrations back, and with them every row; returns their names. For development.
pub fn revert(url: &DatabaseUrl) -> Result<Vec<String>, MigrateError> {
    match &url.0 {
        Target::Sqlite(path) => sqlite_schema::revert(&mut sqlite_existing(path)?),
        Target::Postgres(url) => postgres_schema::revert(&mut postgres::establish(url)?),
    }
}

/// Opens a file that must be there: SQLite would make an empty one.
fn sqlite_existing(path: &std::path::Path) -> Result<sqlite::Connection, MigrateError> {
    let unread = |source| MigrateError::File { path: path.to_owned(), source };
    if !path.try_exists().map_err(unread)? {
        return Err(MigrateError::NoFile(path.to_owned()));
    }
    Ok(sqlite::establish(path)?)
}

/// The same steps for one engine's connection type.
macro_rules! schema_of {
    ($name:ident, $engine:ident) => {
        mod $name {
            use super::*;

            pub(super) fn migrate(connection: &mut $engine::Connection) -> Result<Vec<String>, MigrateError> {
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

            pub(super) fn check(connection: &mut $engine::Connection) -> Result<(), MigrateError> {
                compare(&known()?, &applied(connection)?)
            }

            pub(super) fn revert(connection: &mut $engine::Connection) -> Result<Vec<String>, MigrateError> {
                $engine::exclusively(connection, |connection| {
                    let reverted = connection.revert_all_migrations($engine::MIGRATIONS);
                    Ok(reverted.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect())
                })
            }

            fn known() -> Result<BTreeSet<String>, MigrateError> {
                type Backend = <$engine::Connection as Connection>::Backend;
                let source: Vec<Box<dyn diesel::migration::Migration<Backend>>> =
                    $engine::MIGRATIONS.migrations().map_err(MigrateError::Migration)?;
                Ok(source.iter().map(|migration| migration.name().version().to_string()).collect())
            }

            /// Asks without making the table of migrations: the role need not be allowed to.
            fn applied(connection: &mut $engine::Connection) -> Result<BTreeSet<String>, MigrateError> {
                if !$engine::has_history(connection)? {
                    return Ok(BTreeSet::new());
                }
                Ok(history::table.select(history::version).load(connection)?.into_iter().collect())
            }
        }
    };
}

schema_of!(sqlite_schema, sqlite);
schema_of!(postgres_schema, postgres);

/// What the binary knows against what the database has.
fn compare(known: &BTreeSet<String>, applied: &BTreeSet<String>) -> Result<(), MigrateError> {
    let unknown: Vec<_> = applied.difference(known).cloned().collect();
    if !unknown.is_empty() {
        return Err(MigrateError::Newer(unknown));
    }
    let missing: Vec<_> = known.difference(applied).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(MigrateError::Older(missing)) }
}
