//! Verify-only keys: each is there as long as a session that came with it is open.

use diesel::dsl::{exists, not};
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::ports::Stored;
use thunderhead_domain::time::Timestamp;

use super::operations::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::rows::VerificationKeyRow;
use crate::schema::{sessions, verification_keys};
use crate::unreadable::readable;

pub(crate) fn all(connection: &mut ReadConnection<'_>) -> QueryResult<Vec<VerificationKey>> {
    let rows: Vec<VerificationKeyRow> = on_primary(verification_keys::table)
        .order(verification_keys::id.asc())
        .select(VerificationKeyRow::as_select())
        .load(connection)?;
    Ok(readable(rows))
}

/// Stores a key with the first of its sessions.
pub(super) fn store(transaction: &mut WriteTransaction<'_>, key: &VerificationKey) -> QueryResult<()> {
    let row = VerificationKeyRow::from(key);
    diesel::insert_into(verification_keys::table).values(&row).on_conflict_do_nothing().execute(transaction).map(drop)
}

/// Deletes those that no open session needs. One that is over and whose row does not say so yet may keep a key for a
/// little longer.
pub(crate) async fn prune(database: &Database, now: Timestamp) -> Stored<u64> {
    if !database.read(|connection| Ok(!all(connection)?.is_empty())).await? {
        return Ok(0);
    }
    database
        .write_alone(move |transaction| {
            transaction.lock_signing_keys()?;
            let open = sessions::table
                .filter(sessions::verification_key.eq(verification_keys::id.nullable()))
                .filter(sessions::ended_at.is_null().and(sessions::expires_at.gt(now.unix_millis())));
            let over = verification_keys::table.filter(not(exists(open)));
            Ok(diesel::delete(over).execute(transaction)? as u64)
        })
        .await
}
