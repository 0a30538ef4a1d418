//! The sessions of all users at once, revoked by the operator.

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{Invalidation, Stored};
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;

use super::operations::{Database, Query, ReadConnection, WriteTransaction, live_sessions, on_primary};
use super::revoke;
use crate::dsl::*;
use crate::error::OperationError;
use crate::rows::SessionEnd;
use crate::schema::{sessions, users};

/// How many sessions are ended in one transaction: enough to get on, and few enough that nobody waits for long.
const BATCH: usize = 500;

/// How far the ending of all sessions has come.
#[derive(Clone, Copy)]
struct Sweep {
    /// Users before this one have no session left that is to be ended.
    user: i64,
    /// How many sessions were ended so far.
    ended: u64,
}

/// Which sessions are to be ended.
#[derive(Clone)]
struct Ending {
    before: Timestamp,
    why: EndReason,
    action: ActionContext,
}

/// Ends all live sessions that were made before a moment, batch after batch, each in a transaction of its own.
pub(crate) async fn end(database: &Database, before: Timestamp, why: EndReason, action: ActionContext) -> Stored<u64> {
    let ending = Ending { before, why, action };
    let mut sweep = Sweep { user: i64::MIN, ended: 0 };
    loop {
        let asked = ending.clone();
        let due = database.read(move |connection| Ok(due(connection, sweep.user, &asked)?)).await?;
        let (Some((first, _)), Some((last, _))) = (due.first(), due.last()) else {
            if sweep.user == i64::MIN {
                return Ok(sweep.ended);
            }
            // Once more from the beginning, for sessions that were being opened meanwhile.
            sweep.user = i64::MIN;
            continue;
        };
        if first == last
            && due.len() == BATCH
            && let Some(further) = end_of_one(database, *first, sweep, &ending).await?
        {
            sweep = further;
            continue;
        }
        let ending = ending.clone();
        sweep = database.write_alone(move |transaction| end_batch(transaction, sweep, &due, &ending)).await?;
    }
}

/// The next batch that is due, user by user in the order of their ids.
fn due(connection: &mut ReadConnection<'_>, from: i64, ending: &Ending) -> QueryResult<Vec<(i64, Vec<u8>)>> {
    on_primary(sessions::table.inner_join(users::table))
        .filter(sessions::ended_at.is_null().and(connection.lasting_of_any(ending.action.at)))
        .filter(sessions::generation.eq(users::session_generation))
        .filter(sessions::user_id.ge(from).and(sessions::created_at.lt(ending.before.unix_millis())))
        .order(sessions::user_id.asc())
        .limit(BATCH as i64)
        .select((sessions::user_id, sessions::uuid))
        .load(connection)
}

/// Ends all sessions of a user who has very many; `None` where some of them are to stay.
async fn end_of_one(database: &Database, user: i64, sweep: Sweep, ending: &Ending) -> Stored<Option<Sweep>> {
    let (user, at, ending) = (UserId::from_number(user), ending.action.at, ending.clone());
    let ended = database
        .decide_ending(user, at, move |transaction, tally| {
            let Some(row) = transaction.lock_user(user)? else { return Ok(Some(sweep)) };
            let newest = live_sessions::of_user(user, transaction.lasting(user, at)?)
                .order(live_sessions::newest_first())
                .limit(1)
                .select(sessions::created_at);
            let newest: Option<i64> = newest.load(transaction)?.pop();
            if newest.is_none_or(|newest| newest >= ending.before.unix_millis()) {
                return Ok(None);
            }
            let ended = revoke::all_at_once(transaction, &row, ending.why, &ending.action, tally)?;
            transaction.audit_many_ends(&ending.action, Some((&row).into()), None, ended, ending.why)?;
            Ok(Some(Sweep { user: row.id, ended: sweep.ended + ended }))
        })
        .await?;
    // Nothing is refused here.
    Ok(ended.ok().flatten())
}

/// Ends a batch, and records that: wherever this is broken off, the records say what has been done. Other services are told
/// by them, and one that was told of a batch may have asked anew before the next one: so each batch is told.
fn end_batch(
    transaction: &mut WriteTransaction<'_>,
    sweep: Sweep,
    due: &[(i64, Vec<u8>)],
    Ending { why, action, .. }: &Ending,
) -> Result<Sweep, OperationError> {
    let (mut ids, uuids): (Vec<i64>, Vec<&[u8]>) = due.iter().map(|(user, uuid)| (*user, uuid.as_slice())).unzip();
    let last = ids.last().copied().unwrap_or(sweep.user);
    ids.dedup();
    transaction.lock_users(&ids)?;
    transaction.count_session_changes(ids)?;
    // What has ended with its generation meanwhile has its end from there.
    let current =
        users::table.filter(users::id.eq(sessions::user_id).and(users::session_generation.eq(sessions::generation)));
    let open = sessions::table
        .filter(sessions::uuid.eq_any(uuids).and(sessions::ended_at.is_null()))
        .filter(diesel::dsl::exists(current));
    let end = diesel::update(open).set(SessionEnd::from(&action.end(*why)));
    let ended = transaction.change(Invalidation::Everything, end)? as u64;
    if ended > 0 {
        transaction.audit_many_ends(action, None, None, ended, *why)?;
    }
    Ok(Sweep { user: last, ended: sweep.ended + ended })
}
