//! The ports on SQLite.

use diesel::prelude::*;
use thunderhead_domain::audit::{ActionContext, AuditKind};

use crate::engine::sqlite as engine;
use crate::invalidations;

#[path = "operations/mod.rs"]
mod operations;

/// Records that this database was restored, which is a change to everything.
pub(crate) fn record_restoration(
    connection: &mut engine::Connection,
    action: &ActionContext,
    origin: &str,
) -> QueryResult<()> {
    connection.immediate_transaction(|connection| {
        invalidations::begin();
        operations::audit::record_general(connection, action, AuditKind::DatabaseRestored, origin.to_owned())?;
        operations::change_log::publish(connection)
    })
}
