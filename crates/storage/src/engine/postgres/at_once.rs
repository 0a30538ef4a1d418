//! What Postgres does by one statement that is a transaction of its own, in one round trip: nothing stays locked while an
//! answer is on its way.
//!
//! One statement sees one state of the database, which is older than what the lock on the user waited for. So nothing that
//! it rests on may have changed meanwhile: it demands that the user has as many changes of sessions as it sees
//! (`session_changes`), which whoever opens, ends or prolongs one counts under the user's lock. Otherwise it does nothing,
//! and the caller does it in a transaction, which also knows why something is refused.
//!
//! These are the only statements on Postgres that change `users` and `sessions` and are no method of a
//! `WriteTransaction`. [`ending`] changes what session checks depend on, and ends by putting that into the log, or fails;
//! [`opening`] adds a session that nobody has checked yet. [`charging`] has to do with failure budgets alone.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::rows::NewAuditRow;

pub(super) mod charging;
pub(super) mod ending;
pub(super) mod opening;

/// A part of a statement that begins with `WITH`: `recorded` has a row for each session of another part, which it records
/// with what other services are told; `owner` has the user. `new_device` says whether it is a login with a new one.
fn record<'b>(record: &'b NewAuditRow, of: &str, new_device: &str, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    let NewAuditRow {
        at,
        actor,
        client_ip,
        kind,
        user_id,
        detail,
        feed_number,
        user_uuid: _,
        session_uuid: _,
        session_id: _,
        session_expires_at: _,
        kept_session_uuid: _,
        new_device: _,
    } = record;
    out.push_sql(
        ", recorded AS (INSERT INTO audit (user_uuid, session_uuid, session_id, session_expires_at, at, actor, client_ip, \
         kind, user_id, detail, feed_number, new_device) SELECT owner.uuid",
    );
    out.push_sql(&format!(", {of}.uuid, {of}.id, {of}.expires_at, "));
    out.push_bind_param::<BigInt, _>(at)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(actor)?;
    out.push_sql(", ");
    out.push_bind_param::<Nullable<Text>, _>(client_ip)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(kind)?;
    out.push_sql(", ");
    out.push_bind_param::<Nullable<BigInt>, _>(user_id)?;
    out.push_sql(", ");
    out.push_bind_param::<Nullable<Text>, _>(detail)?;
    out.push_sql(", ");
    out.push_bind_param::<Nullable<BigInt>, _>(feed_number)?;
    out.push_sql(&format!(", {new_device} FROM {of} CROSS JOIN owner RETURNING 1)"));
    Ok(())
}

/// That the user has as many changes of sessions as this statement sees.
fn unchanged<'b>(user: &'b i64, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(" AND session_changes = (SELECT session_changes FROM users WHERE id = ");
    out.push_bind_param::<BigInt, _>(user)?;
    out.push_sql(")");
    Ok(())
}

/// The user's generation of sessions that counts.
fn generation<'b>(user: &'b i64, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql("(SELECT session_generation FROM users WHERE users.id = ");
    out.push_bind_param::<BigInt, _>(user)?;
    out.push_sql(")");
    Ok(())
}
