//! Ending sessions. The user's row must be locked, so that none is being opened meanwhile.
//!
//! A few sessions are ended by one conditional update of their rows: what it returns is what this call ended, however
//! many others try the same. Very many are ended by giving their user another generation, which takes the same time for
//! any number; their rows follow ([`WriteTransaction::write_some_ends`]). How many that ends is counted before the lock,
//! outside the transaction, and holds if nothing has opened, ended or prolonged a session of the user since.

use std::sync::Arc;

use super::operations::{Database, Query, ReadConnection, UncheckedStatement, WriteTransaction, live_sessions};
use crate::dsl::*;
use diesel::sql_types::{BigInt, Bool};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId};
use thunderhead_domain::ports::{ChangeResult, Invalidation, Stored};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;

use crate::engine::DatabaseEngine as _;
use crate::error::{Attempt, OperationError};
use crate::rows::{OpenSessionKind, RecordedSession, SessionEnd, UserRow};
use crate::schema::{ended_generations, sessions, users};

/// Up to so many sessions are ended by writing their rows at once.
pub(crate) const MOST_AT_ONCE: i64 = 1_000;
/// How often sessions are counted outside the transaction before they are counted inside.
const COUNTS: u32 = 3;

/// How many live sessions a user has.
#[derive(Clone, Copy)]
pub(crate) enum Tally {
    /// Nobody has counted.
    None,
    /// So many, as of this many changes of the user's sessions.
    Counted { generation: i64, changes: i64, live: u64 },
    /// They change too often to be counted outside the transaction.
    CountNow,
}

impl Tally {
    /// Whether more were counted than are ended by writing their rows.
    const fn is_of_very_many(self) -> bool {
        matches!(self, Self::Counted { live, .. } if live > MOST_AT_ONCE.unsigned_abs())
    }

    /// How many live sessions the user has, whose row is locked.
    fn live(self, connection: &mut ReadConnection<'_>, row: &UserRow, now: Timestamp) -> Result<u64, OperationError> {
        match self {
            Self::Counted { generation, changes, live }
                if (generation, changes) == (row.session_generation, row.session_changes) =>
            {
                Ok(live)
            }
            Self::None | Self::Counted { .. } => Err(OperationError::Uncounted),
            Self::CountNow => {
                connection.read_by_index()?;
                Ok(live_sessions::count(connection, UserId::from_number(row.id), now)?)
            }
        }
    }
}

impl Database {
    /// Runs a change that may end very many sessions of a user at this moment.
    pub(crate) async fn decide_ending<T: Send + 'static>(
        &self,
        user: UserId,
        at: Timestamp,
        work: impl Fn(&mut WriteTransaction<'_>, Tally) -> Result<T, OperationError> + Send + Sync + 'static,
    ) -> ChangeResult<T> {
        self.decide_ending_from(Tally::None, user, at, work).await
    }

    /// The same where they may have been counted.
    pub(crate) async fn decide_ending_from<T: Send + 'static>(
        &self,
        mut tally: Tally,
        user: UserId,
        at: Timestamp,
        work: impl Fn(&mut WriteTransaction<'_>, Tally) -> Result<T, OperationError> + Send + Sync + 'static,
    ) -> ChangeResult<T> {
        let work = Arc::new(work);
        for counts in 0.. {
            let work = Arc::clone(&work);
            match self.attempt(move |transaction| work(transaction, tally)).await? {
                Attempt::Done(done) => return Ok(Ok(done)),
                Attempt::Refused(refusal) => return Ok(Err(refusal)),
                Attempt::Uncounted if counts < COUNTS => tally = self.tally(user, at).await?,
                Attempt::Uncounted => tally = Tally::CountNow,
            }
        }
        Err(OperationError::Uncounted.into())
    }

    pub(crate) async fn tally(&self, user: UserId, at: Timestamp) -> Stored<Tally> {
        self.snapshot(move |connection| {
            connection.read_by_index()?;
            let columns = (users::session_generation, users::session_changes);
            let row: Option<(i64, i64)> =
                users::table.find(user.number()).select(columns).get_result(connection).optional()?;
            let Some((generation, changes)) = row else { return Ok(Tally::None) };
            Ok(Tally::Counted { generation, changes, live: live_sessions::count(connection, user, at)? })
        })
        .await
    }
}

/// Ends those with these ids; returns how many.
pub(crate) fn some(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    ids: &[SessionId],
    why: EndReason,
    action: &ActionContext,
) -> Result<u64, OperationError> {
    let user = UserId::from_number(row.id);
    transaction.leave_others_for(ids.len())?;
    let mut ended: Vec<RecordedSession> = Vec::new();
    let lasting = transaction.lasting(user, action.at)?;
    for ids in ids.chunks(Database::IDS_AT_ONCE) {
        let ids = ids.iter().map(|id| id.number());
        let named = live_sessions::of_user(user, lasting).filter(sessions::id.eq_any(ids));
        let end = diesel::update(named).set(SessionEnd::from(&action.end(why))).returning(RecordedSession::COLUMNS);
        ended.extend(transaction.change_returning::<RecordedSession, _>(Invalidation::User(user), end)?);
    }
    recorded(transaction, row, ended, why, action)
}

/// Ends those of these that are live, and records each; returns how many.
pub(crate) fn these(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    uuids: Vec<Vec<u8>>,
    why: EndReason,
    action: &ActionContext,
) -> Result<u64, OperationError> {
    transaction.leave_others_for(uuids.len())?;
    let ended = end_live(transaction, UserId::from_number(row.id), uuids, why, action)?;
    recorded(transaction, row, ended, why, action)
}

/// Ends those of these that are live, and returns which those were, for the caller to record.
pub(crate) fn end_live(
    transaction: &mut WriteTransaction<'_>,
    user: UserId,
    uuids: Vec<Vec<u8>>,
    why: EndReason,
    action: &ActionContext,
) -> QueryResult<Vec<RecordedSession>> {
    let lasting = transaction.lasting(user, action.at)?;
    let named = live_sessions::of_user(user, lasting).filter(sessions::uuid.eq_any(uuids));
    let end = diesel::update(named).set(SessionEnd::from(&action.end(why))).returning(RecordedSession::COLUMNS);
    transaction.change_returning(Invalidation::User(user), end)
}

/// Ends all of a user whose row is locked; returns how many.
pub(crate) fn all(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    all_but(transaction, row, None, why, action, tally)
}

/// Ends all but one; returns how many.
pub(crate) fn others(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    keep: SessionUuid,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    all_but(transaction, row, Some(keep.0.as_bytes().as_slice()), why, action, tally)
}

fn all_but(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    keep: Option<&[u8]>,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    let user = UserId::from_number(row.id);
    if !tally.is_of_very_many() {
        let mut few = live_sessions::some(transaction, user, action.at, MOST_AT_ONCE + 1)?;
        if few.len() as i64 <= MOST_AT_ONCE {
            few.retain(|uuid| Some(uuid.as_slice()) != keep);
            return if few.is_empty() { Ok(0) } else { these(transaction, row, few, why, action) };
        }
    }
    let ended = end_generation(transaction, row, keep, why, action, tally)?;
    transaction.audit_many_ends(action, Some(row.into()), keep, ended, why)?;
    Ok(ended)
}

/// Ends all of a user whose row is locked, however few, by another generation; returns how many. The caller records it.
pub(crate) fn all_at_once(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    end_generation(transaction, row, None, why, action, tally)
}

/// Gives a user, whose row is locked, another generation of sessions; returns how many have ended. The one that stays
/// is moved on.
fn end_generation(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    keep: Option<&[u8]>,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    let user = UserId::from_number(row.id);
    let live = tally.live(transaction, row, action.at)?;
    let next = row.session_generation + 1;
    let kept = match keep {
        None => 0,
        Some(keep) => {
            let lasting = transaction.lasting(user, action.at)?;
            let kept = live_sessions::of_user(user, lasting).filter(sessions::uuid.eq(keep.to_vec()));
            transaction.change(Invalidation::User(user), diesel::update(kept).set(sessions::generation.eq(next)))?
        }
    };
    let end = SessionEnd::from(&action.end(why)).of_generation(row.id, row.session_generation);
    diesel::insert_into(ended_generations::table).values(end).execute(transaction)?;
    let change = diesel::update(users::table.find(row.id)).set(users::session_generation.eq(next));
    transaction.change(Invalidation::User(user), change)?;
    Ok(live.saturating_sub(kept as u64))
}

/// Ends those whose scopes name what only staff may do; returns how many. Where the user, whose row is locked, has more
/// scoped sessions than are ended at once, this ends all, of whatever kind.
pub(crate) fn with_staff_scopes(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    why: EndReason,
    action: &ActionContext,
    tally: Tally,
) -> Result<u64, OperationError> {
    let user = UserId::from_number(row.id);
    let few = live_sessions::some_of_kind(transaction, user, OpenSessionKind::Scoped, action.at, MOST_AT_ONCE + 1)?;
    if few.len() as i64 > MOST_AT_ONCE {
        return all(transaction, row, why, action, tally);
    }
    transaction.leave_others_for(few.len())?;
    transaction.lock_for_session_change(user)?;
    let lasting = transaction.lasting(user, action.at)?;
    let named = live_sessions::of_user(user, lasting).filter(sessions::uuid.eq_any(few)).filter(
        diesel::dsl::sql::<Bool>("permission_flags & ").bind::<BigInt, _>(i64::from(Scope::STAFF)).sql(" <> 0"),
    );
    let end = SessionEnd::from(&action.end(why));
    let end = diesel::update(named).set(end).returning(RecordedSession::COLUMNS);
    let ended = transaction.change_returning(Invalidation::User(user), end)?;
    recorded(transaction, row, ended, why, action)
}

/// Records the sessions that were ended, and counts them.
fn recorded(
    transaction: &mut WriteTransaction<'_>,
    row: &UserRow,
    ended: Vec<RecordedSession>,
    why: EndReason,
    action: &ActionContext,
) -> Result<u64, OperationError> {
    let count = ended.len() as u64;
    transaction.audit_ends(action, row, ended, why)?;
    Ok(count)
}
