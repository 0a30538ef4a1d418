//! Walking through sessions of whatever state, page after page: each is met once, while others are opened and ended.

use diesel::prelude::*;
use thunderhead_domain::id::UserId;
use thunderhead_domain::judgement::Bearer;
use thunderhead_domain::ports::{SessionFilter, WalkStart};
use thunderhead_domain::time::Timestamp;

use super::super::{on_primary, read_by_index};
use super::Connection;
use super::live::{self, Negation, StoredBearer};
use crate::fault::{Failure, Impossible};
use crate::rows::{GenerationEndRow, SessionRow, UserRow, skip};
use crate::schema::{sessions, users};

/// Lets pass what a filter does. A macro, because what is paged and what is counted are queries of different types.
macro_rules! passing {
    ($query:expr, $filter:expr, $now:expr) => {{
        let SessionFilter { user, except, active } = $filter;
        let mut query = on_primary($query.into_boxed());
        if let Some(user) = user {
            query = query.filter(sessions::user_id.eq(user.number()));
        }
        if let Some(except) = except {
            query = query.filter(sessions::uuid.ne(except.0.as_bytes().to_vec()));
        }
        let is_current = sessions::generation.eq(users::session_generation);
        match active {
            None => query,
            Some(true) => query
                .filter(sessions::ended_at.is_null().and(sessions::expires_at.gt($now.unix_millis())))
                .filter(is_current.and(users::banned_at.is_null())),
            Some(false) => {
                let over = sessions::ended_at.is_not_null().or(sessions::expires_at.le($now.unix_millis()));
                query.filter(over.or(diesel::dsl::not(is_current)).or(users::banned_at.is_not_null()))
            }
        }
    }};
}

/// A page. This is several statements.
pub(super) fn page(
    connection: &mut Connection,
    filter: SessionFilter,
    start: WalkStart,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Bearer>, Failure> {
    let columns = (SessionRow::as_select(), UserRow::as_select(), Option::<GenerationEndRow>::as_select());
    let mut query = passing!(live::with_ends().select(columns), filter, now).limit(i64::from(limit));
    query = match (filter.user, filter.active) {
        (Some(user), Some(true)) => {
            // Their own index has the sessions in this order, where it is told which generation.
            let user = users::table.find(user.number()).select(users::session_generation);
            let current: Option<i64> = user.get_result(connection).optional()?;
            let Some(current) = current else { return Ok(Vec::new()) };
            let newest_first = (Negation::new(sessions::created_at), sessions::id.asc(), sessions::uuid.asc());
            query.filter(sessions::generation.eq(current)).order(newest_first)
        }
        _ => query.order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc())),
    };
    query = match start {
        WalkStart::Skip(offset) => query.offset(skip(offset)),
        WalkStart::After(mark) => {
            let (created_at, id) = (mark.created_at.unix_millis(), mark.id.number());
            let later_id =
                sessions::id.gt(id).or(sessions::id.eq(id).and(sessions::uuid.gt(mark.uuid.0.as_bytes().to_vec())));
            // The first conditions are what an index can begin at.
            query
                .filter(sessions::created_at.le(created_at))
                .filter(Negation::new(sessions::created_at).ge(-created_at))
                .filter(sessions::created_at.lt(created_at).or(later_id))
        }
    };
    let rows: Vec<StoredBearer> = query.load(connection)?;
    Ok(rows.into_iter().map(live::bearer).collect::<Result<_, Impossible>>()?)
}

/// How many there are in all. This is several statements.
pub(super) fn count(connection: &mut Connection, filter: SessionFilter, now: Timestamp) -> Result<u64, Failure> {
    if let SessionFilter { user: Some(user), except, active: Some(true) } = filter {
        return live_but_one(connection, user, except.map(|except| except.0.as_bytes().to_vec()), now);
    }
    let query = passing!(sessions::table.inner_join(users::table).select(diesel::dsl::count_star()), filter, now);
    let count: i64 = query.get_result(connection)?;
    Ok(count.unsigned_abs())
}

/// How many live sessions a user has who is not banned, but for one. An index has the number of all.
fn live_but_one(
    connection: &mut Connection,
    user: UserId,
    except: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<u64, Failure> {
    let banned: Option<Option<i64>> =
        users::table.find(user.number()).select(users::banned_at).get_result(connection).optional()?;
    if banned != Some(None) {
        return Ok(0);
    }
    read_by_index(connection)?;
    let all = live::count(connection, user, now)?;
    let Some(except) = except else { return Ok(all) };
    let but: i64 = live::live(user, now).filter(sessions::uuid.eq(except)).count().get_result(connection)?;
    Ok(all.saturating_sub(but.unsigned_abs()))
}
