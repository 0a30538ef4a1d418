//! The ports on SQLite.

use diesel::{QueryResult, SqliteConnection};
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::Invalidation;

use self::operations::transaction::WriteTransaction;
use crate::engine::Commit;
use crate::engine::sqlite::Sqlite as Database;

#[path = "operations/mod.rs"]
mod operations;

/// Records that this database was restored, which is a change to everything.
pub(crate) fn record_restoration(
    connection: &mut SqliteConnection,
    action: &ActionContext,
    origin: &str,
) -> QueryResult<()> {
    connection.immediate_transaction(|connection| {
        WriteTransaction::run(connection, SessionPolicy::default(), Commit::Own, |transaction| {
            transaction.invalidate(Invalidation::Everything);
            transaction.audit_general(action, AuditKind::DatabaseRestored, origin.to_owned())
        })
    })
}
