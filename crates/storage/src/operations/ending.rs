//! Ending sessions. Each is one conditional update: what it returns is what this call ended, however many
//! others try the same.

use diesel::dsl::{And, Eq, Filter, Gt, IsNull};
use diesel::prelude::*;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::session::End;
use thunderhead_domain::time::Timestamp;

use super::Connection;
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

/// Ends those with these ids.
pub(super) fn some(connection: &mut Connection, user: UserId, ids: &[SessionId], end: &End) -> QueryResult<u64> {
    let ids = ids.iter().map(|id| id.number());
    let named = live(user, end.at).filter(sessions::id.eq_any(ids));
    diesel::update(named).set(SessionEnd::from(end)).execute(connection).map(|ended| ended as u64)
}

/// Ends all.
pub(super) fn all(connection: &mut Connection, user: UserId, end: &End) -> QueryResult<u64> {
    let all = live(user, end.at);
    diesel::update(all).set(SessionEnd::from(end)).execute(connection).map(|ended| ended as u64)
}

/// Ends all but one.
pub(super) fn others(connection: &mut Connection, user: UserId, keep: SessionUuid, end: &End) -> QueryResult<u64> {
    let others = live(user, end.at).filter(sessions::uuid.ne(keep.0.as_bytes().to_vec()));
    diesel::update(others).set(SessionEnd::from(end)).execute(connection).map(|ended| ended as u64)
}
