//! What concerns the sessions of all users at once: the operator's business.

use diesel::prelude::*;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::ports::{Page, PageRequest, Stored};
use thunderhead_domain::session::{EndReason, Session};
use thunderhead_domain::time::Timestamp;

use super::super::{lock_users, on_primary};
use super::{Connection, Lanes, audit};
use crate::fault::{Failure, Impossible};
use crate::rows::{SessionEnd, SessionRow, skip};
use crate::schema::sessions;

/// How many sessions are ended in one transaction: enough to get on, and few enough that nobody waits for long.
const BATCH: i64 = 2_000;

/// How far the ending of all sessions has come.
#[derive(Clone, Copy)]
struct Sweep {
    /// Users before this one have no session left that is to be ended.
    user: i64,
    /// How many sessions were ended so far.
    ended: u64,
    /// The record, once there is something to record.
    record: Option<i64>,
    /// Whether a look at all users found nothing more.
    done: bool,
}

/// A page of all sessions that are live at `now`, newest first.
pub(super) fn page(connection: &mut Connection, page: PageRequest, now: Timestamp) -> Result<Page<Session>, Failure> {
    let live = sessions::table.filter(sessions::ended_at.is_null().and(sessions::expires_at.gt(now.unix_millis())));
    let count: i64 = on_primary(live).count().get_result(connection)?;
    // As in a user's list; the uuid puts sessions of different users in an order that is the same on every page.
    let rows: Vec<SessionRow> = live
        .order((sessions::created_at.desc(), sessions::id.asc(), sessions::uuid.asc()))
        .limit(i64::from(page.limit))
        .offset(skip(page.offset))
        .select(SessionRow::as_select())
        .load(connection)?;
    let items = rows.into_iter().map(Session::try_from).collect::<Result<_, Impossible>>()?;
    Ok(Page { count: count.unsigned_abs(), items })
}

/// Ends all live sessions that were made before a moment, batch after batch, each in a transaction of its own.
pub(super) async fn end(lanes: &Lanes, before: Timestamp, why: EndReason, deed: Deed) -> Stored<u64> {
    let mut sweep = Sweep { user: i64::MIN, ended: 0, record: None, done: false };
    while !sweep.done {
        let deed = deed.clone();
        sweep = lanes.write(move |connection| end_batch(connection, sweep, before, why, &deed)).await?;
    }
    Ok(sweep.ended)
}

/// Ends the next batch, user by user in the order of their ids, and begins again after the last one, for sessions
/// that were being opened meanwhile. The record is made with the first batch and counts on with each further one:
/// wherever this is broken off, it says what has been done.
fn end_batch(
    connection: &mut Connection,
    sweep: Sweep,
    before: Timestamp,
    why: EndReason,
    deed: &Deed,
) -> Result<Sweep, Failure> {
    let due: Vec<(i64, Vec<u8>)> = on_primary(sessions::table)
        .filter(sessions::ended_at.is_null().and(sessions::expires_at.gt(deed.at.unix_millis())))
        .filter(sessions::user_id.ge(sweep.user).and(sessions::created_at.lt(before.unix_millis())))
        .order(sessions::user_id.asc())
        .limit(BATCH)
        .select((sessions::user_id, sessions::uuid))
        .load(connection)?;
    let (mut users, uuids): (Vec<i64>, Vec<Vec<u8>>) = due.into_iter().unzip();
    let Some(last) = users.last().copied() else {
        return Ok(Sweep { user: i64::MIN, done: sweep.user == i64::MIN, ..sweep });
    };
    users.dedup();
    lock_users(connection, &users)?;
    let open = sessions::table.filter(sessions::uuid.eq_any(uuids)).filter(sessions::ended_at.is_null());
    let ended = diesel::update(open).set(SessionEnd::from(&deed.end(why))).execute(connection)? as u64;
    let sweep = Sweep { user: last, ended: sweep.ended + ended, ..sweep };
    Ok(Sweep { record: count_on(connection, sweep, deed)?, ..sweep })
}

/// Makes the record say how many sessions have been ended.
fn count_on(connection: &mut Connection, sweep: Sweep, deed: &Deed) -> QueryResult<Option<i64>> {
    let detail = sweep.ended.to_string();
    match sweep.record {
        None if sweep.ended == 0 => Ok(None),
        None => audit::record_general(connection, deed, AuditKind::SessionsEnded, detail).map(Some),
        Some(number) => audit::redetail(connection, AuditKind::SessionsEnded, number, detail).map(|()| Some(number)),
    }
}
