//! How many sessions a user may have at once. It is kept under the user's lock, so that nobody passes it by opening
//! several at a time.

use std::cmp::Ordering;

use diesel::sql_types::{BigInt, Binary};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::change_authorization::Refusal;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{OverCap, Stored};
use thunderhead_domain::session::{Actor, BeyondCap, EndReason, NewSession, PENDING_CAP, SessionCap};
use thunderhead_domain::time::Timestamp;
use uuid::Uuid;

use super::operations::transaction::SelectText;
use super::operations::{
    Database, Paged, Query, ReadConnection, UncheckedStatement, WriteTransaction, live_sessions, on_primary, select_sql,
};
use super::revoke;
use crate::dsl::*;
use crate::error::{DataError, OperationError};
use crate::rows::{OpenSessionKind, UserRow};
use crate::schema::{sessions, sessions_over_cap};

/// How many sessions beyond a cap are returned at once: all of the user's are read to find them.
const MOST_RETURNED: i64 = 10_000;

/// When a session was last used, or may have been, as of the moment `$3`: uses are recorded at most once a minute, so
/// one that was recorded may be followed by others, and whoever is at work must not be ended for what was never used.
/// It stands behind the first `$3` of a statement: SQLite numbers parameters by where they stand first.
const LAST_USE: &str =
    "CASE WHEN used_at IS NULL THEN created_at WHEN used_at > $3 - 60000 THEN $3 ELSE used_at + 60000 END";

/// Makes room for a session that is to be opened now, whose user's row is locked.
pub(crate) fn make_room_for(
    transaction: &mut WriteTransaction<'_>,
    owner: &UserRow,
    session: &NewSession,
) -> Result<(), OperationError> {
    let user = UserId::from_number(owner.id);
    let action = ActionContext { at: session.at, by: Actor::User(user), client_ip: session.origin.client_ip };
    match OpenSessionKind::of(session) {
        kind @ (OpenSessionKind::Full | OpenSessionKind::Scoped) => {
            make_room(transaction, owner, kind, session.cap, &action)
        }
        kind @ OpenSessionKind::Pending => make_room(transaction, owner, kind, PENDING_CAP, &action),
    }
}

/// Makes room for one more of a kind: where there are as many as may be, the least recently used ends, unless one more is to
/// be refused. Where there are more, it is noted, and they are left to [`over_cap`]: to find the right ones among any number
/// would take its time.
pub(crate) fn make_room(
    transaction: &mut WriteTransaction<'_>,
    owner: &UserRow,
    kind: OpenSessionKind,
    cap: SessionCap,
    action: &ActionContext,
) -> Result<(), OperationError> {
    let user = UserId::from_number(owner.id);
    let SessionCap { most: cap, beyond } = cap;
    match (beside_cap(transaction, user, kind, cap, action.at)?, beyond) {
        (Ordering::Less, _) => Ok(()),
        (Ordering::Equal | Ordering::Greater, BeyondCap::Refuse) => Err(Refusal::TooManySessions.into()),
        (Ordering::Equal, BeyondCap::EndOldest) => {
            let oldest = least_recently_used(transaction, user, kind, cap, action.at)?;
            revoke::these(transaction, owner, oldest, EndReason::Cap, action).map(drop)
        }
        (Ordering::Greater, BeyondCap::EndOldest) => {
            let noted = sessions_over_cap::user_id.eq(user.number());
            diesel::insert_into(sessions_over_cap::table)
                .values(noted)
                .on_conflict_do_nothing()
                .execute(transaction)?;
            Ok(())
        }
    }
}

/// Whether there are fewer live sessions of a kind than the cap, as many, or more. They are
/// counted in an index and in its order, no farther than it takes to tell.
fn beside_cap(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    kind: OpenSessionKind,
    cap: u32,
    now: Timestamp,
) -> QueryResult<Ordering> {
    if cap == 0 {
        return Ok(Ordering::Equal);
    }
    let of_kind =
        live_sessions::of_kinds(user, connection.lasting(user, now)?).filter(sessions::kind.eq(kind.number()));
    let in_order = of_kind.order(sessions::expires_at.asc()).select(sessions::expires_at);
    let from_cap_on: Vec<i64> = Paged::new(in_order, 2, cap.saturating_sub(1).into()).load(connection)?;
    Ok(from_cap_on.len().cmp(&1))
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Binary)]
    uuid: Vec<u8>,
}

/// The least recently used of a user's live sessions, of which there are not more than `most`. The inner order makes it
/// one scan of the index, whatever the planner thinks of the numbers.
fn least_recently_used(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    kind: OpenSessionKind,
    most: u32,
    now: Timestamp,
) -> QueryResult<Vec<Vec<u8>>> {
    let (lasting, values) = connection.lasting(user, now)?.text(3);
    let next = 3 + values.len();
    let query = format!(
        "uuid FROM (SELECT uuid, id, used_at, created_at FROM sessions \
         WHERE user_id = $1 AND generation = (SELECT session_generation FROM users WHERE users.id = $1) \
         AND kind = $2 AND {lasting} ORDER BY expires_at LIMIT ${next}) AS live \
         ORDER BY {LAST_USE}, COALESCE(used_at, created_at), id DESC LIMIT 1"
    );
    let query = select_sql(query).bind::<BigInt, _>(user.number()).bind::<BigInt, _>(kind.number());
    let query = values.into_iter().fold(query, SelectText::bind::<BigInt, _>).bind::<BigInt, _>(i64::from(most));
    let found: Vec<Found> = connection.load_sql(query)?;
    Ok(found.into_iter().map(|found| found.uuid).collect())
}

/// A user who was found with too many sessions, and some of those that are too many: all but as many as there may be of
/// each kind, the least recently used first. Who has not too many any more is noted no longer.
pub(crate) async fn over_cap(database: &Database, now: Timestamp) -> Stored<Option<OverCap>> {
    loop {
        let noted = database.read(|connection| Ok(first_noted(connection)?)).await?;
        let Some(user) = noted.map(UserId::from_number) else { return Ok(None) };
        let sessions = database.snapshot(move |connection| too_many(connection, user, now)).await?;
        if !sessions.is_empty() {
            return Ok(Some(OverCap { user, sessions }));
        }
        // Whoever finds too many from here on notes it again.
        let noted = move || sessions_over_cap::table.find(user.number());
        database.write(move |transaction| Ok(diesel::delete(noted()).execute(transaction)?)).await?;
    }
}

fn first_noted(connection: &mut ReadConnection<'_>) -> QueryResult<Option<i64>> {
    let all = on_primary(sessions_over_cap::table).select(sessions_over_cap::user_id);
    Ok(all.order(sessions_over_cap::user_id.asc()).limit(1).load(connection)?.pop())
}

fn too_many(
    connection: &mut ReadConnection<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<SessionUuid>, OperationError> {
    connection.read_by_index()?;
    let cap = connection.limits_of(user)?.max_sessions;
    let (lasting, values) = connection.lasting(user, now)?.text(3);
    let next = 3 + values.len();
    let text = format!(
        "uuid FROM (SELECT uuid, id, used_at, created_at FROM sessions \
         WHERE user_id = $1 AND generation = (SELECT session_generation FROM users WHERE users.id = $1) \
         AND kind = $2 AND {lasting} \
         ORDER BY {LAST_USE} DESC, COALESCE(used_at, created_at) DESC, id LIMIT ${next} OFFSET ${}) AS too_many \
         ORDER BY {LAST_USE}, COALESCE(used_at, created_at), id DESC",
        next + 1
    );
    let mut uuids = Vec::new();
    for (kind, cap) in [(OpenSessionKind::Full, cap), (OpenSessionKind::Pending, PENDING_CAP.most)] {
        let query = select_sql(&text).bind::<BigInt, _>(user.number()).bind::<BigInt, _>(kind.number());
        let query = values.iter().copied().fold(query, SelectText::bind::<BigInt, _>);
        let query = query.bind::<BigInt, _>(MOST_RETURNED).bind::<BigInt, _>(i64::from(cap));
        for Found { uuid } in connection.load_sql(query)? {
            let uuid = Uuid::from_slice(&uuid).map_err(|_| DataError::Column("sessions.uuid"))?;
            uuids.push(SessionUuid(uuid));
        }
    }
    Ok(uuids)
}

/// Ends those of these sessions that are live, with one record.
pub(crate) fn end_over_cap(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    uuids: &[SessionUuid],
    action: &ActionContext,
) -> Result<u64, OperationError> {
    let Some(owner) = transaction.lock_for_session_change(user)? else { return Ok(0) };
    let uuids = uuids.iter().map(|uuid| uuid.0.as_bytes().to_vec()).collect();
    let ended = revoke::end_live(transaction, user, uuids, EndReason::Cap, action)?.len();
    if ended > 0 {
        transaction.audit_many_ends(action, Some((&owner).into()), None, ended as u64, EndReason::Cap)?;
    }
    Ok(ended as u64)
}
