//! What is done beside the requests: finishing what they began.

use async_trait::async_trait;

use super::Stored;
use crate::audit::ActionContext;
use crate::id::{SessionUuid, UserId};
use crate::search::KeysetPage;
use crate::session::End;
use crate::time::Timestamp;

/// A user with more sessions than one may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverCap {
    /// The user.
    pub user: UserId,
    /// Some of the sessions that are too many, the least recently used.
    pub sessions: Vec<SessionUuid>,
}

/// A session that the policy has ended, and whose row does not say so yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Its user.
    pub user: UserId,
    /// The session.
    pub session: SessionUuid,
    /// When it was last used, as far as its row says.
    pub used_at: Option<Timestamp>,
    /// How it ended.
    pub end: End,
}

/// What a change leaves to be done after its answer, because it would have taken its time. Nothing that anybody is told
/// changes by it. Each call does a small batch, by itself or beside other replicas that do the same, and returns how
/// much that was: 0 when there is nothing left.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// Writes the ends of sessions that ended together with very many others into some of their rows; returns how many.
    async fn write_ends(&self) -> Stored<u64>;

    /// Deletes some of what was a deleted user's; returns how many rows.
    async fn delete_removed(&self) -> Stored<u64>;

    /// A user who was found with more sessions than the policy allows, as one may have after it became stricter.
    async fn sessions_over_cap(&self, now: Timestamp) -> Stored<Option<OverCap>>;

    /// Ends those of these sessions of a user that are live ([`EndReason::Cap`](crate::session::EndReason::Cap)), and
    /// leaves one record for all; returns how many.
    async fn session_end_over_cap(&self, user: UserId, sessions: &[SessionUuid], action: ActionContext) -> Stored<u64>;

    /// Some of the sessions that the policy has ended by a moment and that would not have expired by then, of users after
    /// one: an empty page need not be the last.
    async fn sessions_overdue(&self, after: Option<UserId>, by: Timestamp) -> Stored<KeysetPage<Overdue, UserId>>;

    /// Writes how these sessions ended, where nobody has used or ended them meanwhile, and leaves a record of each; returns
    /// how many.
    async fn session_end_overdue(&self, sessions: &[Overdue], now: Timestamp) -> Stored<u64>;
}
