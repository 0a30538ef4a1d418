//! Sessions that the policy has ended, and whose rows do not say so yet. They are found by a walk over all users: so what
//! is judged and not written needs no index, and its use costs no more to be recorded.

use std::collections::BTreeSet;

use diesel::dsl::{exists, not, sql};
use diesel::sql_types::{BigInt, Bool};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{Invalidation, Overdue};
use thunderhead_domain::search::KeysetPage;
use thunderhead_domain::session::Actor;
use thunderhead_domain::time::Timestamp;

use super::operations::{Query, ReadConnection, WriteTransaction, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{RecordedSession, SessionEnd, SessionRow};
use crate::schema::{sessions, users};

/// Over so many users the walk goes at once.
const USERS: i64 = 100;
/// So many sessions are returned at once.
const MOST: i64 = 100;

/// Some of those that are overdue at a moment. Where there are more than are returned, the next page begins at the same
/// place: what is returned is to be ended first.
pub(crate) fn page(
    connection: &mut ReadConnection<'_>,
    after: Option<UserId>,
    by: Timestamp,
) -> Result<KeysetPage<Overdue, UserId>, OperationError> {
    if !connection.policy().ends_sessions() {
        return Ok(KeysetPage { items: Vec::new(), next: None });
    }
    connection.read_by_index()?;
    let first = after.map_or(i64::MIN, UserId::number);
    let walked: Vec<i64> = on_primary(users::table.filter(users::id.gt(first)))
        .order(users::id.asc())
        .limit(USERS)
        .select(users::id)
        .load(connection)?;
    let Some(last) = walked.last().copied() else { return Ok(KeysetPage { items: Vec::new(), next: None }) };
    let over = not(connection.lasting_of_any(by));
    let rows: Vec<(SessionRow, bool)> = on_primary(sessions::table.inner_join(users::table))
        .filter(users::id.gt(first).and(users::id.le(last)))
        .filter(sessions::user_id.gt(first).and(sessions::user_id.le(last)))
        .filter(sessions::generation.eq(users::session_generation))
        .filter(sessions::kind.is_not_null())
        .filter(sessions::expires_at.gt(by.unix_millis()).and(over))
        .order(sessions::user_id.asc())
        .limit(MOST)
        .select((SessionRow::as_select(), users::staff))
        .load(connection)?;
    let full = rows.len() as i64 == MOST;
    let policy = connection.policy();
    let overdue = |(row, staff): (SessionRow, bool)| {
        let session = row.of_current().ok()?.under(policy.of(staff));
        let end = session.end(by)?;
        Some(Overdue { user: session.user, session: session.uuid, used_at: session.used_at, end })
    };
    let items: Vec<Overdue> = rows.into_iter().filter_map(overdue).collect();
    // Rows that cannot be read are nothing to wait for.
    let next = match (full && !items.is_empty(), walked.len() as i64 == USERS) {
        (true, _) => Some(first),
        (false, true) => Some(last),
        (false, false) => full.then_some(last),
    };
    Ok(KeysetPage { items, next: next.map(UserId::from_number) })
}

/// Writes how they ended, where nobody has used or ended them meanwhile.
pub(crate) fn end(
    transaction: &mut WriteTransaction<'_>,
    overdue: &[Overdue],
    now: Timestamp,
) -> Result<u64, OperationError> {
    let ids: Vec<i64> =
        overdue.iter().map(|overdue| overdue.user.number()).collect::<BTreeSet<_>>().into_iter().collect();
    let owners = transaction.lock_users(&ids)?;
    transaction.count_session_changes(ids)?;
    let action = ActionContext { at: now, by: Actor::System, client_ip: None };
    let mut ended = 0;
    for Overdue { user, session, used_at, end } in overdue {
        // No session was used before there were any.
        let used_at = used_at.map_or(-1, Timestamp::unix_millis);
        let current = users::table
            .filter(users::id.eq(sessions::user_id).and(users::session_generation.eq(sessions::generation)));
        let open = sessions::table
            .find(session.0.as_bytes().as_slice())
            .filter(sessions::ended_at.is_null())
            .filter(sql::<Bool>("COALESCE(sessions.used_at, -1) = ").bind::<BigInt, _>(used_at))
            .filter(exists(current));
        let Some(owner) = owners.iter().find(|owner| owner.id == user.number()) else { continue };
        let change = diesel::update(open).set(SessionEnd::from(end)).returning(RecordedSession::COLUMNS);
        let written = transaction.change_returning(Invalidation::User(*user), change)?;
        if !written.is_empty() {
            transaction.audit_ends(&action, owner, written, end.why)?;
            ended += 1;
        }
    }
    Ok(ended)
}
