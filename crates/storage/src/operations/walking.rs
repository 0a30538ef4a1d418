//! Walking through sessions of whatever state, page after page: each is met once, while others are opened and ended.

use diesel::prelude::*;
use diesel::sql_types::Bool;
use thunderhead_domain::judgement::Bearer;
use thunderhead_domain::ports::{SessionFilter, WalkStart};
use thunderhead_domain::time::Timestamp;

use super::super::on_primary;
use super::Connection;
use crate::fault::{Failure, Impossible};
use crate::rows::{SessionRow, UserRow, skip};
use crate::schema::{sessions, users};

type Backend = <Connection as diesel::Connection>::Backend;
type Joined = diesel::dsl::InnerJoinQuerySource<sessions::table, users::table>;
type Condition = Box<dyn BoxableExpression<Joined, Backend, SqlType = Bool>>;

/// A page.
pub(super) fn page(
    connection: &mut Connection,
    filter: SessionFilter,
    start: WalkStart,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Bearer>, Failure> {
    let mut query = sessions::table
        .inner_join(users::table)
        .select((SessionRow::as_select(), UserRow::as_select()))
        .order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc()))
        .limit(i64::from(limit))
        .into_boxed();
    query = on_primary(query);
    for condition in conditions(filter, now) {
        query = query.filter(condition);
    }
    query = match start {
        WalkStart::Skip(offset) => query.offset(skip(offset)),
        WalkStart::After(mark) => {
            let (created_at, id) = (mark.created_at.unix_millis(), mark.id.number());
            let later_id =
                sessions::id.gt(id).or(sessions::id.eq(id).and(sessions::uuid.gt(mark.uuid.0.as_bytes().to_vec())));
            // The first condition is what an index can begin at.
            query.filter(sessions::created_at.le(created_at)).filter(sessions::created_at.lt(created_at).or(later_id))
        }
    };
    let rows: Vec<(SessionRow, UserRow)> = query.load(connection)?;
    let bearer = |(session, user): (SessionRow, UserRow)| {
        Ok::<_, Impossible>(Bearer { session: session.try_into()?, user: user.try_into()? })
    };
    Ok(rows.into_iter().map(bearer).collect::<Result<_, _>>()?)
}

/// How many there are in all.
pub(super) fn count(connection: &mut Connection, filter: SessionFilter, now: Timestamp) -> Result<u64, Failure> {
    let mut query = sessions::table.inner_join(users::table).select(diesel::dsl::count_star()).into_boxed();
    query = on_primary(query);
    for condition in conditions(filter, now) {
        query = query.filter(condition);
    }
    let count: i64 = query.get_result(connection)?;
    Ok(count.unsigned_abs())
}

/// What a filter demands.
fn conditions(filter: SessionFilter, now: Timestamp) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = Vec::new();
    if let Some(user) = filter.user {
        conditions.push(Box::new(sessions::user_id.eq(user.number())));
    }
    if let Some(except) = filter.except {
        conditions.push(Box::new(sessions::uuid.ne(except.0.as_bytes().to_vec())));
    }
    let now = now.unix_millis();
    match filter.active {
        None => {}
        Some(true) => {
            conditions.push(Box::new(sessions::ended_at.is_null()));
            conditions.push(Box::new(sessions::expires_at.gt(now)));
            conditions.push(Box::new(users::banned_at.is_null()));
        }
        Some(false) => {
            let over = sessions::ended_at.is_not_null().or(sessions::expires_at.le(now));
            conditions.push(Box::new(over.or(users::banned_at.is_not_null())));
        }
    }
    conditions
}
