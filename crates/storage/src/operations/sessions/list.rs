//! Listing sessions of whatever state by keyset pages: each is met once, while others are opened and ended.

use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{PageStart, SessionFilter};
use thunderhead_domain::time::Timestamp;

use super::operations::live_sessions::{Negation, StoredSession};
use super::operations::{Query, ReadConnection, live_sessions, on_primary};
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::{GenerationEndRow, OpenSessionKind, SessionRow, UserRow, skip};
use crate::schema::{sessions, users};

/// Lets pass what a filter does. A macro, because what is paged and what is counted are queries of different types.
macro_rules! passing {
    ($query:expr, $filter:expr, $lasting:expr) => {{
        let SessionFilter { user, except, active, scoped } = $filter;
        let mut query = on_primary($query.into_boxed());
        if let Some(user) = user {
            query = query.filter(sessions::user_id.eq(user.number()));
        }
        if let Some(except) = except {
            query = query.filter(sessions::uuid.ne(except.0.as_bytes().to_vec()));
        }
        query = match scoped {
            None => query,
            Some(true) => query.filter(sessions::permission_flags.is_not_null()),
            Some(false) => query.filter(sessions::permission_flags.is_null()),
        };
        let is_current = sessions::generation.eq(users::session_generation);
        match active {
            None => query,
            Some(true) => query
                .filter(sessions::ended_at.is_null().and($lasting))
                .filter(is_current.and(users::banned_at.is_null())),
            Some(false) => {
                let over = sessions::ended_at.is_not_null().or(diesel::dsl::not($lasting));
                query.filter(over.or(diesel::dsl::not(is_current)).or(users::banned_at.is_not_null()))
            }
        }
    }};
}

/// A page. Where rows cannot be read, others take their places: a page that is not full is the last one. This is
/// several statements.
pub(crate) fn page(
    connection: &mut ReadConnection<'_>,
    filter: SessionFilter,
    start: PageStart,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<AuthenticatedSession>, OperationError> {
    let mut page: Vec<AuthenticatedSession> = Vec::new();
    let mut start = Place::from(start);
    loop {
        let wanted = i64::from(limit).saturating_sub(page.len() as i64);
        let rows = rows(connection, filter, &start, wanted, now)?;
        let full = rows.len() as i64 == wanted;
        let last = rows.last().map(|(session, ..)| Place::after(session));
        page.extend(rows.into_iter().filter_map(|row| live_sessions::authenticated(&connection.policy(), row).ok()));
        match last {
            Some(last) if full && page.len() < limit as usize => start = last,
            _ => return Ok(page),
        }
    }
}

/// The users and the ids of the newest sessions that a filter lets pass, without reading what else their rows say.
pub(crate) fn locate(
    connection: &mut ReadConnection<'_>,
    filter: SessionFilter,
    limit: u32,
    now: Timestamp,
) -> QueryResult<Vec<(i64, i64)>> {
    let columns = (sessions::user_id, sessions::id);
    passing!(sessions::table.inner_join(users::table).select(columns), filter, connection.lasting_of_any(now))
        .order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc()))
        .limit(i64::from(limit))
        .load(connection)
}

/// Where to go on; after a row that cannot be read, too.
enum Place {
    Skip(u64),
    After { created_at: i64, id: i64, uuid: Vec<u8> },
}

impl Place {
    fn after(row: &SessionRow) -> Self {
        Self::After { created_at: row.created_at, id: row.id, uuid: row.uuid.clone() }
    }
}

impl From<PageStart> for Place {
    fn from(start: PageStart) -> Self {
        match start {
            PageStart::Skip(offset) => Self::Skip(offset),
            PageStart::After(cursor) => Self::After {
                created_at: cursor.created_at.unix_millis(),
                id: cursor.id.number(),
                uuid: cursor.uuid.0.as_bytes().to_vec(),
            },
        }
    }
}

fn rows(
    connection: &mut ReadConnection<'_>,
    filter: SessionFilter,
    start: &Place,
    limit: i64,
    now: Timestamp,
) -> QueryResult<Vec<StoredSession>> {
    let columns = (SessionRow::as_select(), UserRow::as_select(), Option::<GenerationEndRow>::as_select());
    let lasting = connection.lasting_of_any(now);
    let mut query = passing!(live_sessions::with_ends().select(columns), filter, lasting).limit(limit);
    query = match (filter.user, filter.active) {
        (Some(user), Some(true)) => {
            // Their own index has the sessions in this order, where it is given which generation.
            let user = users::table.find(user.number()).select(users::session_generation);
            let current: Option<i64> = user.get_result(connection).optional()?;
            let Some(current) = current else { return Ok(Vec::new()) };
            let query = query.filter(sessions::generation.eq(current));
            if filter.scoped == Some(true) {
                // One user's are few, beside whatever number of others: they are found by their kind, and no index has
                // this order, or a planner might look for them along it.
                let newest_first = (sessions::created_at + 0_i64).desc();
                query.filter(sessions::kind.eq(OpenSessionKind::Scoped.number())).order((
                    newest_first,
                    sessions::id.asc(),
                    sessions::uuid.asc(),
                ))
            } else {
                query.order((Negation::new(sessions::created_at), sessions::id.asc(), sessions::uuid.asc()))
            }
        }
        // Whatever their state: an index has them in this order.
        (Some(_), _) => query.order((sessions::created_at.desc(), sessions::id.asc())),
        (None, _) => query.order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc())),
    };
    query = match start {
        Place::Skip(offset) => query.offset(skip(*offset)),
        Place::After { created_at, id, uuid } => {
            let later_id = sessions::id.gt(*id).or(sessions::id.eq(*id).and(sessions::uuid.gt(uuid.clone())));
            // The first conditions are what an index can begin at.
            query
                .filter(sessions::created_at.le(*created_at))
                .filter(Negation::new(sessions::created_at).ge(-*created_at))
                .filter(sessions::created_at.lt(*created_at).or(later_id))
        }
    };
    query.load(connection)
}

/// How many there are in all. This is several statements.
pub(crate) fn count(
    connection: &mut ReadConnection<'_>,
    filter: SessionFilter,
    now: Timestamp,
) -> Result<u64, OperationError> {
    if let SessionFilter { user: Some(user), except, active: Some(true), scoped: None } = filter {
        return live_but_one(connection, user, except.map(|except| except.0.as_bytes().to_vec()), now);
    }
    let all = sessions::table.inner_join(users::table).select(diesel::dsl::count_star());
    let query = passing!(all, filter, connection.lasting_of_any(now));
    let count: i64 = query.get_result(connection)?;
    Ok(count.unsigned_abs())
}

/// How many live sessions a user has who is not banned, but for one. An index has the number of all.
fn live_but_one(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    except: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<u64, OperationError> {
    let banned: Option<Option<i64>> =
        on_primary(users::table.find(user.number())).select(users::banned_at).get_result(connection).optional()?;
    if banned != Some(None) {
        return Ok(0);
    }
    connection.read_by_index()?;
    let all = live_sessions::count(connection, user, now)?;
    let Some(except) = except else { return Ok(all) };
    let lasting = connection.lasting(user, now)?;
    let but: i64 =
        live_sessions::of_user(user, lasting).filter(sessions::uuid.eq(except)).count().get_result(connection)?;
    Ok(all.saturating_sub(but.unsigned_abs()))
}
