//! Ending sessions. Each is one conditional update: what it returns is what this call ended, however many
//! others try the same. The user's row must be locked, so that none is being opened meanwhile.

use diesel::dsl::{And, Eq, Filter, Gt, IsNull};
use diesel::prelude::*;
use thunderhead_domain::audit::Deed;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::{Connection, audit};
use crate::fault::{Failure, Impossible};
use crate::rows::SessionEnd;
use crate::schema::sessions;

/// A user's sessions that nobody has ended and that have not expired.
type Live = Filter<
    sessions::table,
    And<And<Eq<sessions::user_id, i64>, IsNull<sessions::ended_at>>, Gt<sessions::expires_at, i64>>,
>;

/// A user's sessions that are live at `now`; those that owe a factor are.
pub(super) fn live(user: UserId, now: Timestamp) -> Live {
    sessions::table.filter(
        sessions::user_id
            .eq(user.number())
            .and(sessions::ended_at.is_null())
            .and(sessions::expires_at.gt(now.unix_millis())),
    )
}

/// Ends those with these ids; returns how many.
pub(super) fn some(
    connection: &mut Connection,
    user: UserId,
    ids: &[SessionId],
    why: EndReason,
    deed: &Deed,
) -> Result<u64, Failure> {
    let ids = ids.iter().map(|id| id.number());
    let named = live(user, deed.at).filter(sessions::id.eq_any(ids));
    let end = SessionEnd::from(&deed.end(why));
    let ended = diesel::update(named).set(end).returning(sessions::uuid).get_results(connection)?;
    recorded(connection, user, ended, why, deed)
}

/// Ends all; returns how many.
pub(super) fn all(connection: &mut Connection, user: UserId, why: EndReason, deed: &Deed) -> Result<u64, Failure> {
    let end = SessionEnd::from(&deed.end(why));
    let ended = diesel::update(live(user, deed.at)).set(end).returning(sessions::uuid).get_results(connection)?;
    recorded(connection, user, ended, why, deed)
}

/// Ends all but one; returns how many.
pub(super) fn others(
    connection: &mut Connection,
    user: UserId,
    keep: SessionUuid,
    why: EndReason,
    deed: &Deed,
) -> Result<u64, Failure> {
    let others = live(user, deed.at).filter(sessions::uuid.ne(keep.0.as_bytes().to_vec()));
    let end = SessionEnd::from(&deed.end(why));
    let ended = diesel::update(others).set(end).returning(sessions::uuid).get_results(connection)?;
    recorded(connection, user, ended, why, deed)
}

/// Ends those whose scopes name what only staff may do; returns how many.
pub(super) fn with_staff_scopes(
    connection: &mut Connection,
    user: UserId,
    why: EndReason,
    deed: &Deed,
) -> Result<u64, Failure> {
    // Staff scopes have the highest bits, see `ScopeSet::names_staff`.
    let named = live(user, deed.at).filter(sessions::permission_flags.ge(i64::from(Scope::FIRST_OF_STAFF.bit())));
    let end = SessionEnd::from(&deed.end(why));
    let ended = diesel::update(named).set(end).returning(sessions::uuid).get_results(connection)?;
    recorded(connection, user, ended, why, deed)
}

/// Records the sessions that were ended, and counts them.
fn recorded(
    connection: &mut Connection,
    user: UserId,
    ended: Vec<Vec<u8>>,
    why: EndReason,
    deed: &Deed,
) -> Result<u64, Failure> {
    let uuid = |bytes: Vec<u8>| Uuid::from_slice(&bytes).map(SessionUuid);
    let uuids = ended.into_iter().map(uuid).collect::<Result<Vec<_>, _>>();
    let uuids = uuids.map_err(|_| Impossible::Column("sessions.uuid"))?;
    audit::record_ends(connection, deed, user, &uuids, why)?;
    Ok(uuids.len() as u64)
}
