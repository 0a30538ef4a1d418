//! What can go wrong inside an adapter, and the one place that sorts it into outages and defects.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::ports::StorageError;

/// How diesel names the statements that it prepares.
const PREPARED: &str = "prepared statement \"__diesel_stmt_";

/// What a statement fails with on a standby.
pub(crate) const STANDBY: &str = "this database server is a hot standby";
/// What it fails with where writes are refused by a setting.
pub(crate) const READ_ONLY: &str = "this database server refuses writes (default_transaction_read_only)";

/// Why no primary that takes writes answered a statement, if that is why it failed.
pub(crate) fn why_not_primary(message: &str) -> Option<&'static str> {
    [STANDBY, READ_ONLY].into_iter().find(|words| message.contains(words))
}

/// A value that no row and no parameter can have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("{0} holds a value that stands for nothing")]
    Column(&'static str),
    #[error("no free user id was found")]
    NoFreeId,
    #[error("a database job panicked")]
    Panicked,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OperationError {
    #[error(transparent)]
    Query(QueryError),
    /// Another server must answer, and in a moment may.
    #[error("{0}")]
    NotPrimary(&'static str),
    /// A pooler has given the connection to others, or theirs to us.
    #[error("a pooler shares prepared statements: set `database.prepared_statements` to off")]
    SharedStatements(#[source] QueryError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("no connection to the database")]
    NoConnection(#[source] r2d2::Error),
    /// Nothing has happened, because all that shared a commit was undone.
    #[error("the transaction was not committed: {0}")]
    NotCommitted(Arc<str>),
    /// A change may have been made before the connection was lost, and who asked again was told that there is none to be
    /// made.
    #[error("the database did not answer before the connection was lost")]
    Unanswered,
    /// What was asked is refused: the transaction is undone, and nothing is wrong with the storage.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// So many sessions would end that they have to be counted first, outside the transaction, which is undone.
    #[error("the sessions that end were not counted")]
    Uncounted,
    /// Others would have to wait for what this transaction does: it is undone, and done without them.
    #[error("others would wait for this transaction")]
    TakesLong,
}

/// Why a job was not done, or not known to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OverloadError {
    #[error("the queue for the database is full")]
    QueueFull,
    #[error("the database did not answer in time")]
    TooSlow,
    #[error("the storage is shutting down")]
    Stopped,
}

impl OperationError {
    /// Whether the database may be at fault rather than the row or the statement.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Query(error) => query_is_outage(error),
            Self::Data(_) | Self::Refused(_) | Self::Uncounted | Self::TakesLong => false,
            Self::NotPrimary(_)
            | Self::SharedStatements(_)
            | Self::NoConnection(_)
            | Self::NotCommitted(_)
            | Self::Unanswered => true,
        }
    }

    /// Whether the connection is gone, as all of a pool are after the database was restarted.
    pub(crate) fn is_dead_connection(&self) -> bool {
        use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
        match self {
            Self::Query(QueryError::DatabaseError(ClosedConnection | UnableToSendCommand, _)) => true,
            Self::Query(_)
            | Self::NotPrimary(_)
            | Self::SharedStatements(_)
            | Self::Data(_)
            | Self::NoConnection(_)
            | Self::NotCommitted(_)
            | Self::Unanswered
            | Self::Refused(_)
            | Self::Uncounted
            | Self::TakesLong => false,
        }
    }

    /// Whether the transaction was undone only because another one came between: it may be run again.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Query(QueryError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Self::Query(_)
            | Self::NotPrimary(_)
            | Self::SharedStatements(_)
            | Self::Data(_)
            | Self::NoConnection(_)
            | Self::NotCommitted(_)
            | Self::Unanswered
            | Self::Refused(_)
            | Self::Uncounted
            | Self::TakesLong => false,
        }
    }
}

impl From<QueryError> for OperationError {
    fn from(error: QueryError) -> Self {
        let QueryError::DatabaseError(_, information) = &error else { return Self::Query(error) };
        let message = information.message();
        match why_not_primary(message) {
            Some(why) => Self::NotPrimary(why),
            None if message.contains(PREPARED) => Self::SharedStatements(error),
            None => Self::Query(error),
        }
    }
}

/// Constraints and conversions fail for what was asked, all else for the state the database is in. Diesel has no
/// kind for a full disk, a timeout, a lock or a shutdown: they are what it does not know.
fn query_is_outage(error: &QueryError) -> bool {
    use DatabaseErrorKind as Kind;
    match error {
        QueryError::DatabaseError(kind, _) => !matches!(
            kind,
            Kind::UniqueViolation
                | Kind::ForeignKeyViolation
                | Kind::NotNullViolation
                | Kind::CheckViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation
        ),
        QueryError::InvalidCString(_)
        | QueryError::NotFound
        | QueryError::QueryBuilderError(_)
        | QueryError::DeserializationError(_)
        | QueryError::SerializationError(_) => false,
        // Transactions that could not be begun, ended or undone, and what later versions add.
        _ => true,
    }
}

/// Tells a refusal, which is an answer, from a failure.
pub(crate) fn ruled<T>(outcome: Result<T, OperationError>) -> Result<Result<T, Refusal>, OperationError> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(OperationError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error),
    }
}

/// What came of a transaction that is undone where it ends more sessions than were counted.
pub(crate) enum Attempt<T> {
    Done(T),
    Refused(Refusal),
    Uncounted,
}

/// Tells what was undone on purpose from a failure.
pub(crate) fn attempted<T>(outcome: Result<T, OperationError>) -> Result<Attempt<T>, OperationError> {
    match outcome {
        Ok(done) => Ok(Attempt::Done(done)),
        Err(OperationError::Refused(refusal)) => Ok(Attempt::Refused(refusal)),
        Err(OperationError::Uncounted) => Ok(Attempt::Uncounted),
        Err(error) => Err(error),
    }
}

impl From<OperationError> for StorageError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Data(DataError::Column(_)) => Self::Unreadable(Box::new(error)),
            error if error.is_outage() => Self::Outage(Box::new(error)),
            error => Self::Defect(Box::new(error)),
        }
    }
}

impl From<OverloadError> for StorageError {
    fn from(error: OverloadError) -> Self {
        Self::Outage(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_a_pooler_shares_are_an_outage_with_advice() {
        for words in [
            "prepared statement \"__diesel_stmt_1\" already exists",
            "prepared statement \"__diesel_stmt_7\" does not exist",
        ] {
            let error = QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words.to_owned())).into();
            assert!(OperationError::is_outage(&error), "{error:?}");
            let told = StorageError::from(error).to_string();
            assert!(told.contains("`database.prepared_statements`") && told.ends_with(words), "{told}");
        }
    }
}
