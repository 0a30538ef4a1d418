//! A connection to another program's database, which reads one state of it and changes nothing.

use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sqlite::{Sqlite, SqliteConnection};
use thunderhead_domain::import::SourceError;

use crate::url::{DatabaseTarget, DatabaseUrl};

/// One transaction that only reads.
pub(super) enum SourceReader {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl SourceReader {
    /// Begins to read.
    pub(super) fn open(url: &DatabaseUrl) -> Result<Self, SourceError> {
        match &url.0 {
            DatabaseTarget::Postgres(url) => {
                let mut connection = PgConnection::establish(url).map_err(unreachable)?;
                // Moments are read as text.
                connection
                    .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL datestyle TO 'ISO, YMD'")
                    .map_err(unreadable)?;
                Ok(Self::Postgres(connection))
            }
            DatabaseTarget::Sqlite(path) => {
                if !path.is_file() {
                    return Err(SourceError::Unfit(format!("is no file: {}", path.display())));
                }
                // As a path, and not as a URI: what is not there would be made.
                let mut connection = SqliteConnection::establish(&path.display().to_string()).map_err(unreachable)?;
                connection
                    .batch_execute("PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; BEGIN")
                    .map_err(unreadable)?;
                Ok(Self::Sqlite(connection))
            }
        }
    }

    /// Runs a statement that both engines read alike.
    pub(super) fn load<R: QueryableByName<Pg> + QueryableByName<Sqlite> + 'static>(
        &mut self,
        statement: &str,
    ) -> Result<Vec<R>, SourceError> {
        match self {
            Self::Postgres(connection) => sql_query(statement).load(connection).map_err(unreadable),
            Self::Sqlite(connection) => sql_query(statement).load(connection).map_err(unreadable),
        }
    }
}

pub(super) fn unreachable(error: diesel::ConnectionError) -> SourceError {
    SourceError::Away(error.to_string())
}

pub(super) fn unreadable(error: diesel::result::Error) -> SourceError {
    SourceError::Unfit(format!("cannot be read: {error}"))
}
