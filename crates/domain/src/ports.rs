//! What the domain needs from outside: storage, the clock and the random source.
//!
//! Each storage method is one operation that is atomic in the adapter. No connection or transaction crosses a
//! trait. What is not there is `Ok(None)` or a variant of the outcome; `Err` is a fault of the storage itself.

use std::error::Error;

use async_trait::async_trait;

use crate::budget::{Charge, Receipt};
use crate::id::{SessionId, SessionUuid, UserId};
use crate::judgement::Bearer;
use crate::session::{Actor, End, NewSession, Session, SessionKey};
use crate::switch::{KillSwitch, SwitchSet};
use crate::time::Timestamp;
use crate::user::{Credential, NewAccount, User, Username};

/// A fault of the storage. Who receives it can tell an outage from a defect, and nothing else.
#[derive(Debug, thiserror::Error)]
pub enum StorageFault {
    /// The database is away, overloaded or too slow: worth another try later.
    #[error("the database is not available")]
    Outage(#[source] Box<dyn Error + Send + Sync>),
    /// A row or a statement is not as it must be: trying again will not help.
    #[error("the database holds or was asked something impossible")]
    Defect(#[source] Box<dyn Error + Send + Sync>),
}

/// The result of a storage operation.
pub type Stored<T> = Result<T, StorageFault>;

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

/// What somebody types to say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountName {
    /// The user's id (the command line).
    Id(UserId),
    /// The user name, without regard to case.
    Username(Username),
}

/// What came of making an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountCreated {
    /// The account was made.
    Created(User),
    /// The name or the address is taken.
    Taken,
}

/// What came of registering: an account together with its first session, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Both were made.
    Registered(Box<Bearer>),
    /// The name or the address is taken.
    Taken,
}

/// What came of a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanOutcome {
    /// The user as they are now.
    pub user: User,
    /// How many sessions the ban ended.
    pub sessions_ended: u64,
}

/// Accounts and their credentials.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account. The id is the first free millisecond from `account.at` on.
    async fn account_create(&self, account: NewAccount) -> Stored<AccountCreated>;

    /// Makes an account and its first session in one transaction.
    async fn account_register(&self, account: NewAccount, session: NewSession) -> Stored<Registered>;

    /// The user of this name or id.
    async fn account_find(&self, name: AccountName) -> Stored<Option<User>>;

    /// The user of this name or id, with what a password is checked against.
    async fn account_credential(&self, name: AccountName) -> Stored<Option<(User, Credential)>>;

    /// A page of all users, newest first.
    async fn account_page(&self, page: PageRequest) -> Stored<Page<User>>;

    /// Bans a user and ends all their open sessions with `end`. A user banned before keeps the earlier date.
    async fn account_ban(&self, user: UserId, end: End) -> Stored<Option<BanOutcome>>;

    /// Lifts a ban. Sessions that it ended stay ended.
    async fn account_unban(&self, user: UserId, at: Timestamp) -> Stored<Option<User>>;

    /// Makes a user staff, or no longer staff.
    async fn account_set_staff(&self, user: UserId, staff: bool, at: Timestamp) -> Stored<Option<User>>;

    /// Replaces the hash of an unchanged password by one with newer parameters, if the credential is still
    /// the one of this version. Sessions are not touched.
    async fn account_rehash(&self, user: UserId, version: i64, hash: crate::user::PasswordHash) -> Stored<()>;
}

/// What came of opening a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The session is open.
    Opened(Box<Session>),
    /// The user is gone, banned, or has another password by now: whatever was checked no longer holds.
    Overtaken,
}

/// All that one request needs to know, from one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The session with its user, whatever its state; `None` where the key fits no row.
    pub bearer: Option<Bearer>,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

/// Sessions. Expired and ended ones are invisible to every method but [`Sessions::session_authority`].
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session for a user who proved themselves with the credential of this version: unless the user
    /// is gone, banned, or has changed the password meanwhile. A session that owes no factor completes a login,
    /// and so clears the account's failure budget in the same transaction.
    async fn session_open(&self, user: UserId, credential_version: i64, session: NewSession) -> Stored<Opened>;

    /// Opens a session on the word of another one: as long as `by` is itself still open and its user not
    /// banned. Staff scopes are refused (`Overtaken`) once the user is no longer staff.
    async fn session_open_from(&self, user: UserId, by: SessionUuid, session: NewSession) -> Stored<Opened>;

    /// The session behind a credential with its user, and the switches: in one consistent read.
    async fn session_authority(&self, key: Option<SessionKey>) -> Stored<Authority>;

    /// One live session of a user.
    async fn session_find(&self, user: UserId, id: SessionId, now: Timestamp) -> Stored<Option<Session>>;

    /// A page of a user's live sessions, newest first.
    async fn session_page(&self, user: UserId, page: PageRequest, now: Timestamp) -> Stored<Page<Session>>;

    /// Ends one live session of a user. `false` if there is none of this id (any more).
    async fn session_end(&self, user: UserId, id: SessionId, end: End) -> Stored<bool>;

    /// Ends those of a user's live sessions that are named; returns how many this call ended.
    async fn session_end_some(&self, user: UserId, ids: &[SessionId], end: End) -> Stored<u64>;

    /// Ends all live sessions of a user; returns how many this call ended.
    async fn session_end_all(&self, user: UserId, end: End) -> Stored<u64>;

    /// Ends all live sessions of a user but one; returns how many this call ended.
    async fn session_end_others(&self, user: UserId, keep: SessionUuid, end: End) -> Stored<u64>;

    /// Writes when sessions were last used. A time that is not at least a minute after the stored one is
    /// left out, so that a session is written at most once a minute, however many replicas there are.
    async fn session_record_uses(&self, uses: &[(SessionUuid, Timestamp)]) -> Stored<()>;
}

/// Kill switches.
#[async_trait]
pub trait KillSwitches: Send + Sync {
    /// Which switches are on.
    async fn switches(&self) -> Stored<SwitchSet>;

    /// Turns a switch on or off; returns which are on afterwards.
    async fn switch_set(&self, switch: KillSwitch, on: bool, by: Actor, at: Timestamp) -> Stored<SwitchSet>;
}

/// Whose budget an attempt is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BudgetKey {
    /// An account's.
    Account(UserId),
    /// That of a name which belongs to nobody, by its keyed hash.
    UnknownName([u8; 32]),
}

/// Failure budgets. Each call commits by itself: a failure is counted whatever happens to the request.
#[async_trait]
pub trait FailureBudgets: Send + Sync {
    /// Charges an attempt, if it may be made now.
    async fn budget_charge(&self, key: &BudgetKey, now: Timestamp) -> Stored<Charge>;

    /// Takes a charge back.
    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()>;

    /// Forgets all failures.
    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()>;
}

/// A signing key as it is stored: the private part is encrypted by who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The key id in token headers.
    pub kid: String,
    /// The private JWK as a compact JWE (RFC 7516).
    pub sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Signing keys, shared by all replicas.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// All keys, newest first.
    async fn signing_keys(&self) -> Stored<Vec<SigningKeyRecord>>;

    /// Stores a first key unless there is one already; returns all keys, newest first. Of several replicas
    /// that start at once, one's key is stored.
    async fn signing_key_first(&self, key: SigningKeyRecord) -> Stored<Vec<SigningKeyRecord>>;
}

/// Everything that is stored, behind one handle.
#[async_trait]
pub trait Storage: Accounts + Sessions + KillSwitches + FailureBudgets + SigningKeys {
    /// Whether the database answers.
    async fn ping(&self) -> Stored<()>;
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
