//! What the domain needs from outside: storage, the clock and the random source.
//!
//! Each storage method is one operation that is atomic in the adapter. No connection or transaction crosses a
//! trait. What is not there is `Ok(None)` or a variant of the outcome; `Err` is a fault of the storage itself.

mod accounts;
mod backlog;
mod changes;
mod factors;
mod feed;
mod imports;
mod keys;
mod links;
mod sessions;
mod webhook_sender;
mod webhooks;

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::audit::{ActionContext, AuditCursor, AuditFilter, AuditRecord};
use crate::budget::{BudgetKey, Charge, Receipt};
use crate::change_authorization::{ChangeAuthorization, Refusal};
use crate::failed_login::FailedLogins;
use crate::id::UserId;
use crate::search::KeysetPage;
use crate::service::{EventAccess, Service, ServiceName};
use crate::session::TokenDigest;
use crate::switch::{KillSwitch, SwitchSet, TurnedSwitch};
use crate::time::Timestamp;

pub use accounts::{AccountCreated, AccountName, AccountUpdate, Accounts, Registered};
pub use backlog::{Backlog, OverCap, Overdue};
pub use changes::{
    ChangeCursor, ChangeNumber, ChangeRounds, Changes, CommitStamp, Invalidation, Invalidations, PartitionCursor,
};
pub use factors::{ChallengeCharge, Challenges, Enrolled, Factors};
pub use feed::{Feed, FeedPage, FeedQuery, FeedStatus};
pub use imports::Imports;
pub use keys::{Resealed, SealedRow, SealedText, SealedTexts, SigningKeyRecord, SigningKeys};
pub use links::OneTimeLinks;
pub use sessions::{
    Authority, InvalidSessionCursor, PageStart, ReplacedToken, SessionCursor, SessionFilter, SessionHandle, SessionOf,
    SessionSearch, Sessions, StepUp, TokenReplacement,
};
pub use webhook_sender::{WebhookAnswer, WebhookMessage, WebhookSendError, WebhookSender};
pub use webhooks::{WebhookAdded, Webhooks};

/// A fault of the storage. Who receives it can tell an outage from a defect, and nothing else. Its message gives the
/// database's own words, because logs in JSON leave out the sources of an error; so it has none.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database is away, overloaded or too slow: worth another try later.
    #[error("the database is not available: {}", WithSources(&**.0))]
    Outage(Box<dyn Error + Send + Sync>),
    /// What was asked for is in a row that this version cannot read: another version made it, or somebody by hand. It
    /// is there, so nobody may be told that it is not.
    #[error("the database holds something that cannot be read")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// A row or a statement is not as it must be: trying again will not help.
    #[error("the database holds or was asked something impossible: {}", WithSources(&**.0))]
    Defect(Box<dyn Error + Send + Sync>),
}

/// An error with its sources, from the outermost to the innermost.
struct WithSources<'a>(&'a (dyn Error + 'static));

impl fmt::Display for WithSources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// The result of a storage operation.
pub type Stored<T> = Result<T, StorageError>;

/// The result of an authorized change. A [`Refusal`] leaves everything as it was.
pub type ChangeResult<T> = Stored<Result<T, Refusal>>;

/// A page of a list that is ordered newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items to return; 0 asks for the count alone.
    pub limit: u32,
    /// How many items to skip.
    pub offset: u64,
}

/// Some items of a list, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// All of them.
    pub count: u64,
    /// Those of this page.
    pub items: Vec<T>,
}

/// Kill switches.
#[async_trait]
pub trait KillSwitches: Send + Sync {
    /// Which switches are on.
    async fn switches(&self) -> Stored<SwitchSet>;

    /// The switches that were ever turned, and by whom.
    async fn switches_turned(&self) -> Stored<Vec<TurnedSwitch>>;

    /// Turns a switch on or off; returns which are on afterwards.
    async fn switch_set(
        &self,
        switch: KillSwitch,
        on: bool,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<SwitchSet>;

    /// Turns all switches off.
    async fn switch_clear(&self, authorization: ChangeAuthorization) -> ChangeResult<SwitchSet>;
}

/// Failure budgets. Each call commits by itself: a failure is counted whatever happens to the request.
#[async_trait]
pub trait FailureBudgets: Send + Sync {
    /// Charges an attempt, if it may be made now. One at an account whose budget is used up leaves a record.
    async fn budget_charge(&self, key: &BudgetKey, action: ActionContext) -> Stored<Charge>;

    /// Takes a charge back.
    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()>;

    /// Forgets all failures that this key counts. Those of strangers at an account are forgotten together.
    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()>;

    /// Forgets all failures at an account, whoever made them. `false` where there were none, and no record.
    async fn budget_unlock(&self, user: UserId, action: ActionContext) -> Stored<bool>;
}

/// Counts of failed logins, which become records of the audit trail ([`failed_login`](crate::failed_login)).
#[async_trait]
pub trait FailedLoginCounts: Send + Sync {
    /// Adds to what is counted. Where [`MOST_OPEN`](crate::failed_login::MOST_OPEN) are counted apart, what is new is
    /// counted among others.
    async fn failed_logins_add(&self, counts: &[FailedLogins]) -> Stored<()>;

    /// Records some counts whose window began at this moment or before, each once however many replicas do this;
    /// returns how many, 0 when there is none left.
    async fn failed_logins_close(&self, before: Timestamp) -> Stored<u64>;

    /// What is counted and not yet recorded: at most `limit`, the latest first.
    async fn failed_logins_newest(&self, limit: u32) -> Stored<Vec<FailedLogins>>;
}

/// Other services that may ask whose token something is (`docs/API.md`).
#[async_trait]
pub trait Services: Send + Sync {
    /// Makes a service known; `false` where the name is taken, also by one that was revoked.
    async fn service_create(
        &self,
        name: ServiceName,
        secret: TokenDigest,
        events: EventAccess,
        action: ActionContext,
    ) -> Stored<bool>;

    /// The service of this name, whether revoked or not.
    async fn service_find(&self, name: &ServiceName) -> Stored<Option<Service>>;

    /// All services, by name.
    async fn service_list(&self) -> Stored<Vec<Service>>;

    /// Records when services asked, of each at most once a minute.
    async fn service_record_uses(&self, uses: &[(ServiceName, Timestamp)]) -> Stored<()>;

    /// Revokes a service; `false` where there is none of this name (any more).
    async fn service_revoke(&self, name: &ServiceName, action: ActionContext) -> Stored<bool>;
}

/// The audit trail. Changes leave their records by themselves.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// A page of the records that fit, newest first.
    async fn audit_page(&self, filter: AuditFilter, page: PageRequest) -> Stored<Page<AuditRecord>>;

    /// At most `limit` of the records that fit, newest first, from a place on. What comes before it costs nothing, and
    /// what does not fit no more than so much: a page that is short, or empty, may not be the last.
    async fn audit_search(
        &self,
        filter: AuditFilter,
        after: Option<AuditCursor>,
        limit: u32,
    ) -> Stored<KeysetPage<AuditRecord, AuditCursor>>;
}

/// Forgetting what is over for long enough. Each call deletes a small batch, by itself or beside other replicas
/// that do the same, and returns how much that was: 0 when there is nothing left.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Sessions that ended, or expired, before this moment.
    async fn prune_sessions(&self, before: Timestamp) -> Stored<u64>;

    /// Audit records from before this moment.
    async fn prune_audit(&self, before: Timestamp) -> Stored<u64>;

    /// Failure budgets whose last failure was before this moment, and of those of what strangers typed the oldest
    /// beyond [`MOST_TYPED`](crate::budget::MOST_TYPED).
    async fn prune_budgets(&self, before: Timestamp) -> Stored<u64>;

    /// Networks from which no session was opened since this moment.
    async fn prune_networks(&self, before: Timestamp) -> Stored<u64>;

    /// Devices with which nobody has logged in since this moment.
    async fn prune_devices(&self, before: Timestamp) -> Stored<u64>;

    /// Challenges that could not be answered any more before this moment.
    async fn prune_challenges(&self, before: Timestamp) -> Stored<u64>;

    /// One-time links that expired before this moment. Of each that nobody has used, its expiry is recorded.
    async fn prune_links(&self, before: Timestamp) -> Stored<u64>;

    /// That tokens were replaced, where it was before this moment.
    async fn prune_replaced_tokens(&self, before: Timestamp) -> Stored<u64>;

    /// Verify-only keys that no session needs which is open at `now`.
    async fn prune_verification_keys(&self, now: Timestamp) -> Stored<u64>;

    /// Signing keys that a newer one took over from before `retired_before`, as long as no session that is still
    /// live at `now` was opened before then: every token that they signed has run out.
    async fn prune_signing_keys(&self, retired_before: Timestamp, now: Timestamp) -> Stored<u64>;
}

/// A pool of connections to the database at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// What it is called in measurements.
    pub name: &'static str,
    /// How many connections are in use.
    pub busy: u32,
    /// How many are open.
    pub open: u32,
    /// How many there may be.
    pub most: u32,
}

/// What this process knows of its storage without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageStatus {
    /// What the database is, to be shown to people.
    pub engine: &'static str,
    /// The connections to it.
    pub pools: Vec<PoolStatus>,
}

/// Everything that is stored, behind one handle.
#[async_trait]
pub trait Storage:
    Accounts
    + Sessions
    + Changes
    + KillSwitches
    + FailureBudgets
    + FailedLoginCounts
    + Challenges
    + Factors
    + OneTimeLinks
    + SigningKeys
    + SealedTexts
    + Services
    + AuditTrail
    + Feed
    + Webhooks
    + Imports
    + Retention
    + Backlog
{
    /// Whether the database answers.
    async fn ping(&self) -> Stored<()>;

    /// What is known of it here.
    fn status(&self) -> StorageStatus;

    /// Whether it takes changes: writes something, and takes it back.
    async fn write_probe(&self) -> Stored<()>;
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from.
pub trait Random: Send + Sync {
    /// Fills a buffer with bytes that nobody can foresee.
    fn fill(&self, buffer: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct NoConnection(#[source] io::Error);

    #[test]
    fn a_fault_is_told_with_all_its_sources_and_each_once() {
        let fault = StorageError::Outage(NoConnection(io::Error::other("the disk is full")).into());
        assert_eq!(fault.to_string(), "the database is not available: no connection: the disk is full");
        assert!(fault.source().is_none());
    }
}
