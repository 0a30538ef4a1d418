//! The two engines: their connections, the threads that work with them, and, in [`DatabaseEngine`], all that differs between
//! them. The operations are written once and compiled for each.

mod metrics;
mod pool;
pub(crate) mod postgres;
pub(crate) mod prepared;
mod queue;
pub(crate) mod sqlite;
mod worker_pool;

use std::future::Future;

use diesel::sql_types::{Bool, Nullable};
use diesel::{BoxableExpression, Connection, QueryResult};
use diesel_migrations::EmbeddedMigrations;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::device::LoginDevice;
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeRounds, CommitStamp, Invalidations, PartitionCursor, PoolStatus, Stored,
};
use thunderhead_domain::session::EndReason;
use thunderhead_domain::time::Timestamp;

use crate::error::OperationError;
use crate::rows::{
    BudgetRow, ClearedBudgets, FeedStateRow, NewAuditRow, NewChange, Numbered, OpenSessionKind, ReadChange, SessionRow,
    UserRow,
};
use crate::schema::sessions;

/// A condition on sessions.
type IsOfAKind<DB> = Box<dyn BoxableExpression<sessions::table, DB, SqlType = Nullable<Bool>>>;

/// With whom a transaction may share its commit, where an engine can do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// With others that wait.
    Shared,
    /// With nobody: nobody shall wait for the work before the commit, or fail with it.
    Own,
}

/// Sessions of a user that are to end.
pub(crate) struct SessionsEnding {
    pub(crate) user: UserId,
    pub(crate) which: EndedSessions,
    pub(crate) why: EndReason,
    pub(crate) action: ActionContext,
}

/// Which of a user's sessions end.
pub(crate) enum EndedSessions {
    /// Those that have these ids.
    Ids(Vec<i64>),
    /// All but one, unless there are more than so many.
    All { keep: Option<Vec<u8>>, most: i64 },
}

/// What came of ending sessions at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedAtOnce {
    /// So many have ended.
    Done(u64),
    /// There are more than were to end, and nothing was done.
    TooMany,
    /// It takes a transaction, and nothing was done.
    Undone,
}

/// A session that is to be opened.
pub(crate) struct SessionOpening {
    /// Its row, but for its generation; the id is the one to begin with.
    pub(crate) row: SessionRow,
    pub(crate) proof: OpeningProof,
    pub(crate) kind: OpenSessionKind,
    /// How many of its kind there may be, this one included.
    pub(crate) cap: i64,
    pub(crate) clears: Option<ClearedBudgets>,
    pub(crate) record: NewAuditRow,
    /// The network that is known from now on.
    pub(crate) network: Option<String>,
    /// The device that is.
    pub(crate) device: Option<NotedDevice>,
}

/// What a session is opened by.
pub(crate) enum OpeningProof {
    /// The credential of this version.
    Credential(i64),
    /// A passkey's answer, which is spent.
    Passkey(PasskeyUse),
}

/// A passkey's answer as it is spent: the challenge is used, and the key's counter moves on.
pub(crate) struct PasskeyUse {
    pub(crate) challenge: Vec<u8>,
    pub(crate) challenge_expires_at: i64,
    pub(crate) factor: Vec<u8>,
    /// What the counter may be at most before.
    pub(crate) latest_count: i64,
    pub(crate) sign_count: i64,
    pub(crate) credential: String,
}

/// A device that is new unless it, or any in its network, is known since a moment.
pub(crate) struct NotedDevice {
    pub(crate) device: String,
    pub(crate) any_in_network: String,
    pub(crate) since: i64,
}

impl NotedDevice {
    pub(crate) fn new(device: &LoginDevice, since: i64) -> Self {
        Self { device: device.to_string(), any_in_network: device.any_in_network(), since }
    }
}

/// What a session got that was opened at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenedAtOnce {
    pub(crate) id: i64,
    pub(crate) generation: i64,
}

/// What differs between the engines.
pub(crate) trait DatabaseEngine {
    /// What statements are run on.
    type Connection: diesel::Connection;

    /// What it is called among people.
    const NAME: &str;
    /// The schema's.
    const MIGRATIONS: EmbeddedMigrations;
    /// How a replica keeps out of the way of others that prune at the same time: what one has picked, and what somebody
    /// is changing, the others pass over. Stands at the end of a query.
    const SKIP_LOCKED: &str;
    /// A random number of 64 bits.
    const RANDOM: &str;
    /// How many sessions of a user are looked up by their ids in one statement.
    const IDS_AT_ONCE: usize;
    /// How many partitions of the change log are for users' changes; without any, theirs are among all others.
    const USER_PARTITIONS: u32;

    fn pools(&self) -> Vec<PoolStatus>;

    /// Which open sessions are over all the same.
    fn session_policy(&self) -> SessionPolicy;

    /// Runs single statements that only read.
    fn run_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Self::Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> impl Future<Output = Stored<T>> + Send;

    /// Runs several statements that only read, and see the same state.
    fn run_snapshot<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Self::Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> impl Future<Output = Stored<T>> + Send;

    /// Reads changes once.
    fn run_change_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Self::Connection) -> Result<T, OperationError> + Send + 'static,
    ) -> impl Future<Output = Stored<T>> + Send;

    /// Reads changes in rounds, one after the other on one thread: on a connection of its own, so that nothing else holds
    /// this up.
    fn run_change_rounds(
        &self,
        rounds: Box<dyn ChangeRounds>,
        work: impl Fn(&mut Self::Connection, &ChangeCursor) -> Result<Invalidations, OperationError> + Send + 'static,
    );

    /// Reads at once, on the caller's thread, where that takes less time than to have another thread do it. `None` where
    /// it does not, somebody else is reading, or the read fails.
    fn run_inline<T>(&self, work: impl FnOnce(&mut Self::Connection) -> Result<T, OperationError>) -> Option<T>;

    /// What stays the same as long as nothing is committed, where that is seen without asking the database.
    fn commit_stamp(&self) -> Option<CommitStamp>;

    /// Runs a transaction that writes, and makes an answer of what comes of it. Each statement sees what was committed
    /// before it, so that what follows a row lock sees all that its earlier holders did. The work is told whether others
    /// have been at work before it in what is committed at once; where that must not be, it fails with
    /// [`OperationError::TakesLong`], and is done once more.
    fn run_transaction<T, A: Send + 'static>(
        &self,
        commit: Commit,
        work: impl Fn(&mut Self::Connection, Commit) -> Result<T, OperationError> + Send + 'static,
        answer: impl Fn(Result<T, OperationError>) -> Result<A, OperationError> + Send + 'static,
    ) -> impl Future<Output = Stored<A>> + Send;

    /// Ends sessions with less than a transaction of several statements takes, records that and numbers the change.
    fn end_at_once(&self, ending: SessionsEnding) -> impl Future<Output = Stored<EndedAtOnce>> + Send;

    /// Opens a session so. `None` where that cannot be done here or is refused, and nothing was done.
    fn open_at_once(
        &self,
        opening: impl FnOnce() -> SessionOpening + Send,
    ) -> impl Future<Output = Stored<Option<OpenedAtOnce>>> + Send;

    /// Charges a budget so, of which nothing is used if it is not there. `None` where nothing was done.
    fn charge_at_once(&self, unused: BudgetRow, at: Timestamp) -> impl Future<Output = Stored<Option<Charge>>> + Send;

    /// Takes a charge back so. `None` where nothing was done.
    fn refund_at_once(&self, key: String, receipt: Receipt) -> impl Future<Output = Stored<Option<()>>> + Send;

    /// Runs migrations while no other process does.
    fn exclusively<T, E: From<diesel::result::Error>>(
        connection: &mut Self::Connection,
        work: impl FnOnce(&mut Self::Connection) -> Result<T, E>,
    ) -> Result<T, E>;

    /// Whether any migration was ever run here.
    fn has_history(connection: &mut Self::Connection) -> QueryResult<bool>;

    /// Whether the tables are another program's, where no migration was run.
    fn is_foreign(connection: &mut Self::Connection) -> QueryResult<bool>;

    /// Asks whether the database can do its work.
    fn ping(connection: &mut Self::Connection) -> QueryResult<()>;

    /// Has the statements of a transaction that counts read indexes.
    fn read_by_index(connection: &mut Self::Connection) -> QueryResult<()>;

    /// What tells open sessions from others by their kind, so that counting them reads an index alone.
    fn is_of_a_kind() -> IsOfAKind<<Self::Connection as Connection>::Backend>;

    /// The user's row, locked until the transaction ends: what gives to a user and what takes away happen one after the
    /// other.
    fn lock_user(connection: &mut Self::Connection, user: UserId) -> QueryResult<Option<UserRow>>;

    /// Several users' rows, locked one after the other in the order of their ids: whoever locks more than one does it in
    /// this order, so that no two wait for each other.
    fn lock_users(connection: &mut Self::Connection, ids: &[i64]) -> QueryResult<Vec<UserRow>>;

    /// The budget's row, locked until the transaction ends.
    fn lock_budget(connection: &mut Self::Connection, key: &str) -> QueryResult<Option<BudgetRow>>;

    /// Lets one transaction at a time add or delete signing keys: where there is none yet, there is no row to lock.
    fn lock_signing_keys(connection: &mut Self::Connection) -> QueryResult<()>;

    /// Lets one transaction at a time count failed logins, or record them, so that no more are open than may be.
    fn lock_failed_logins(connection: &mut Self::Connection) -> QueryResult<()>;

    /// How far the feed has come; nobody else numbers events, or deletes any, until the transaction ends.
    fn lock_feed(connection: &mut Self::Connection) -> QueryResult<FeedStateRow>;

    /// What has changed since a state, as of one other: of each partition whose latest change is not the known one its
    /// latest change, with its changes from the known one on, the latest first, or with none. In the order of the
    /// partitions, not more than so many rows, and so many besides the known one of each.
    fn changes_since(
        connection: &mut Self::Connection,
        known: &[PartitionCursor],
        most_of_partition: i64,
        most: i64,
    ) -> QueryResult<Vec<ReadChange>>;

    /// Numbers at least one change, and puts them into the log. The locks on the counters go with the commit, so the order
    /// of the numbers of each partition is that of the commits, and who sees one sees all before it. They are taken in the
    /// order of the partitions. The database gives the nonces.
    fn number_changes(connection: &mut Self::Connection, changes: &[NewChange]) -> QueryResult<Vec<Numbered>>;

    /// Writes when sessions were last used, where that is at least `spacing` milliseconds after the stored time.
    fn record_uses(connection: &mut Self::Connection, uses: &[(Vec<u8>, i64)], spacing: i64) -> QueryResult<()>;
}

/// Also differs: makes a query fail unless a primary answers it that takes writes, where there may be others.
pub(crate) trait OnPrimary<Q> {
    type Output;

    fn on_primary(query: Q) -> Self::Output;
}
