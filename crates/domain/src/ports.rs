//! What the domain needs from outside: storage, the clock and the random source.
//!
//! Each storage method is one operation that is atomic in the adapter. No connection or transaction crosses a
//! trait. What is not there is `Ok(None)` or a variant of the outcome; `Err` is a fault of the storage itself.

use std::error::Error;

use async_trait::async_trait;

use crate::audit::{AuditFilter, AuditRecord, Deed};
use crate::budget::{Charge, Receipt};
use crate::challenge::{Challenge, ChallengeId, NewChallenge};
use crate::factor::{Factor, FactorChoice, FactorId, FactorKeys, FactorUse, NewFactor, RightAnswer};
use crate::id::{SessionId, SessionUuid, UserId, UserUuid};
use crate::judgement::Bearer;
use crate::service::{Service, ServiceName};
use crate::session::{EndReason, NewSession, Session, SessionKey, TokenDigest};
use crate::switch::{KillSwitch, SwitchSet};
use crate::time::Timestamp;
use crate::user::{Credential, EmailAddress, NewAccount, PasswordHash, User, Username};
use crate::warrant::{Refusal, Warrant};

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

/// The result of something that is done on somebody's word. A [`Refusal`] leaves everything as it was.
pub type Warranted<T> = Stored<Result<T, Refusal>>;

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
    /// The e-mail address, without regard to case.
    Email(EmailAddress),
    /// The identity id of the Kratos dialect.
    Uuid(UserUuid),
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

/// What came of a change that ends sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ousted {
    /// The user as they are now.
    pub user: User,
    /// How many sessions the change ended.
    pub sessions_ended: u64,
}

/// Accounts and their credentials. A change that is none (a ban of a banned user) leaves no audit record and
/// keeps the earlier date. A user who is not there is [`Refusal::Gone`], or `None`.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account. The id is the first free millisecond from `account.at` on.
    async fn account_create(&self, account: NewAccount, deed: Deed) -> Stored<AccountCreated>;

    /// Makes an account and its first session in one transaction, on the new user's own word.
    async fn account_register(&self, account: NewAccount, session: NewSession) -> Stored<Registered>;

    /// The user of this name or id.
    async fn account_find(&self, name: AccountName) -> Stored<Option<User>>;

    /// The user of this name or id, with what a password is checked against.
    async fn account_credential(&self, name: AccountName) -> Stored<Option<(User, Credential)>>;

    /// A page of all users, newest first.
    async fn account_page(&self, page: PageRequest) -> Stored<Page<User>>;

    /// Gives a user another name. Another spelling of the own name is a change; the same spelling is none.
    async fn account_rename(&self, user: UserId, name: Username, warrant: Warrant) -> Warranted<User>;

    /// Gives a user another address, which is then not verified. The same address is no change.
    async fn account_readdress(&self, user: UserId, email: EmailAddress, warrant: Warrant) -> Warranted<User>;

    /// Sets a user's password: moves the credential's version, ends all open sessions but the one that the warrant
    /// is of ([`EndReason::PasswordChanged`](crate::session::EndReason)), and clears the failure budget.
    async fn account_set_password(&self, user: UserId, hash: PasswordHash, warrant: Warrant) -> Warranted<Ousted>;

    /// Replaces the hash of an unchanged password by one with newer parameters, if the credential is still
    /// the one of this version. Sessions are not touched, and nothing is recorded.
    async fn account_rehash(&self, user: UserId, version: i64, hash: PasswordHash) -> Stored<()>;

    /// Says whether a user's address was found to be theirs.
    async fn account_set_verified(&self, user: UserId, verified: bool, warrant: Warrant) -> Warranted<User>;

    /// Bans a user and ends all their open sessions.
    async fn account_ban(&self, user: UserId, reason: Option<String>, warrant: Warrant) -> Warranted<Ousted>;

    /// Lifts a ban. Sessions that it ended stay ended.
    async fn account_unban(&self, user: UserId, warrant: Warrant) -> Warranted<User>;

    /// Makes a user staff, or no longer staff. On another user's word, who is made staff must have a second factor.
    async fn account_set_staff(&self, user: UserId, staff: bool, warrant: Warrant) -> Warranted<User>;

    /// Deletes a user with their sessions, factors and failure budget.
    async fn account_delete(&self, user: UserId, warrant: Warrant) -> Warranted<()>;

    /// The same with those users that are named; returns how many there were.
    async fn account_delete_some(&self, users: &[UserId], warrant: Warrant) -> Warranted<u64>;
}

/// All that one request needs to know, from one read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The session with its user, whatever its state; `None` where the key fits no row.
    pub bearer: Option<Bearer>,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

/// Which sessions a walk passes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Not this one.
    pub except: Option<SessionUuid>,
    /// Only those that are live, or only those that are not. A banned user's are not.
    pub active: Option<bool>,
}

/// A place in the order in which sessions are walked: by creation time from the newest on, and among those of one
/// moment by id and uuid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionMark {
    /// When the session there was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: SessionId,
    /// Its uuid.
    pub uuid: SessionUuid,
}

impl From<&Session> for SessionMark {
    fn from(session: &Session) -> Self {
        Self { created_at: session.created_at, id: session.id, uuid: session.uuid }
    }
}

/// Where a page of a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStart {
    /// After so many sessions.
    Skip(u64),
    /// After this place, whatever was opened or ended meanwhile.
    After(SessionMark),
}

/// Sessions. Expired and ended ones are invisible to every method but
/// [`Sessions::session_authority`], [`Sessions::session_find_any`] and [`Sessions::session_walk`].
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session for a user who proved themselves with the credential of this version, and with an answer to a
    /// challenge where they have a second factor, which is spent: unless the user is gone, banned, or has changed
    /// the password meanwhile. A session that owes no factor completes a login, and so clears the account's failure
    /// budget in the same transaction.
    async fn session_open(
        &self,
        user: UserId,
        credential_version: i64,
        answer: Option<RightAnswer>,
        session: NewSession,
    ) -> Warranted<Session>;

    /// Opens a session on the word of another one of the same user. Staff scopes are refused once the user is no
    /// longer staff.
    async fn session_open_from(&self, user: UserId, session: NewSession, warrant: Warrant) -> Warranted<Session>;

    /// The session behind a credential with its user, and the switches: in one consistent read.
    async fn session_authority(&self, key: Option<SessionKey>) -> Stored<Authority>;

    /// One live session of a user.
    async fn session_find(&self, user: UserId, id: SessionId, now: Timestamp) -> Stored<Option<Session>>;

    /// A page of a user's live sessions, newest first.
    async fn session_page(&self, user: UserId, page: PageRequest, now: Timestamp) -> Stored<Page<Session>>;

    /// A page of everybody's live sessions, newest first.
    async fn session_page_everywhere(&self, page: PageRequest, now: Timestamp) -> Stored<Page<Session>>;

    /// A page of the sessions that a filter lets pass, whatever their state, with their users.
    async fn session_walk(
        &self,
        filter: SessionFilter,
        start: WalkStart,
        limit: u32,
        now: Timestamp,
    ) -> Stored<Vec<Bearer>>;

    /// How many sessions a filter lets pass.
    async fn session_count(&self, filter: SessionFilter, now: Timestamp) -> Stored<u64>;

    /// Raises an open session by a second factor, which is spent: from then on it owes none. A completed login clears
    /// the account's failure budget in the same transaction.
    async fn session_raise(
        &self,
        user: UserId,
        session: SessionUuid,
        used: FactorUse,
        deed: Deed,
    ) -> Warranted<Session>;

    /// Lets a live session last until a moment, if that is later than it would: unless its token says itself when it
    /// expires. `None` where there is none that is live.
    async fn session_extend(&self, session: SessionUuid, until: Timestamp, deed: Deed) -> Stored<Option<Session>>;

    /// A session by its uuid, whatever its state.
    async fn session_find_any(&self, uuid: SessionUuid) -> Stored<Option<Session>>;

    /// Ends one live session of a user. `false` if there is none of this id (any more).
    async fn session_end(&self, user: UserId, id: SessionId, why: EndReason, deed: Deed) -> Stored<bool>;

    /// Ends those of a user's live sessions that are named; returns how many this call ended.
    async fn session_end_some(&self, user: UserId, ids: &[SessionId], why: EndReason, deed: Deed) -> Stored<u64>;

    /// Ends all live sessions of a user; returns how many this call ended.
    async fn session_end_all(&self, user: UserId, why: EndReason, deed: Deed) -> Stored<u64>;

    /// Ends all live sessions of a user but one; returns how many this call ended.
    async fn session_end_others(&self, user: UserId, keep: SessionUuid, why: EndReason, deed: Deed) -> Stored<u64>;

    /// Ends everybody's live sessions that were made before a moment, in batches; returns how many. For "a
    /// backup was restored". Leaves one record.
    async fn session_end_everywhere(&self, before: Timestamp, why: EndReason, deed: Deed) -> Stored<u64>;

    /// Writes when sessions were last used. A time that is not at least a minute after the stored one is
    /// left out, so that a session is written at most once a minute, however many replicas there are.
    async fn session_record_uses(&self, uses: &[(SessionUuid, Timestamp)]) -> Stored<()>;
}

/// The number of a change. Numbers have no gaps, and follow the order in which changes were committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeNumber(pub i64);

/// What a change may have changed, of all that a request is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// A user, or sessions of theirs.
    User(UserId),
    /// The kill switches.
    Switches,
    /// Anything.
    Everything,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The number of the latest change.
    pub latest: ChangeNumber,
    /// What the changes concern.
    pub concerns: Vec<Concern>,
}

/// The changes by which replicas know what they must not remember any longer. Every operation that changes a user, an
/// open session or a switch leaves one in the same transaction; opening a session does not, nor does recording its
/// use.
#[async_trait]
pub trait Changes: Send + Sync {
    /// What has changed since the change of this number. Whoever missed too much is told
    /// [`Concern::Everything`].
    async fn changes_since(&self, number: ChangeNumber) -> Stored<News>;
}

/// Kill switches.
#[async_trait]
pub trait KillSwitches: Send + Sync {
    /// Which switches are on.
    async fn switches(&self) -> Stored<SwitchSet>;

    /// Turns a switch on or off; returns which are on afterwards.
    async fn switch_set(&self, switch: KillSwitch, on: bool, warrant: Warrant) -> Warranted<SwitchSet>;

    /// Turns all switches off.
    async fn switch_clear(&self, warrant: Warrant) -> Warranted<SwitchSet>;
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
    /// Charges an attempt, if it may be made now. One at an account whose budget is used up leaves a record.
    async fn budget_charge(&self, key: &BudgetKey, deed: Deed) -> Stored<Charge>;

    /// Takes a charge back.
    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()>;

    /// Forgets all failures.
    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()>;
}

/// What came of charging an answer to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeCharge {
    /// The answer may be judged, and counts as wrong until it is spent or refunded.
    Admitted(Receipt),
    /// The account's budget is used up for this many milliseconds; the challenge was not charged.
    Wait(i64),
    /// The challenge cannot be answered any more; nothing was charged.
    Closed,
}

/// Challenges. Each call commits by itself: a wrong answer is counted whatever happens to the request.
#[async_trait]
pub trait Challenges: Send + Sync {
    /// Remembers a challenge.
    async fn challenge_create(&self, challenge: NewChallenge) -> Stored<()>;

    /// Remembers a challenge that somebody with a session asks for.
    async fn challenge_create_for(&self, challenge: NewChallenge, warrant: Warrant) -> Warranted<()>;

    /// The challenge of this id, whatever its state.
    async fn challenge_find(&self, id: ChallengeId) -> Stored<Option<Challenge>>;

    /// Charges an answer, to the challenge and to its user's failure budget, before it is judged.
    async fn challenge_charge(&self, id: ChallengeId, deed: Deed) -> Stored<ChallengeCharge>;

    /// Takes a charge back, of an answer that was right and led to nothing.
    async fn challenge_refund(&self, id: ChallengeId, receipt: Receipt) -> Stored<()>;
}

/// What came of enrolling a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The factor.
    pub factor: Factor,
    /// Whether it is the user's first: then the backup codes were stored with it.
    pub first: bool,
}

/// Second factors and backup codes.
#[async_trait]
pub trait Factors: Send + Sync {
    /// One factor of a user.
    async fn factor_find(&self, user: UserId, id: FactorId) -> Stored<Option<Factor>>;

    /// A page of a user's factors, newest first.
    async fn factor_page(&self, user: UserId, page: PageRequest) -> Stored<Page<Factor>>;

    /// What a user's answers are checked against.
    async fn factor_keys(&self, user: UserId) -> Stored<FactorKeys>;

    /// Enrols a factor; with the first one the codes are stored, too.
    async fn factor_add(
        &self,
        user: UserId,
        factor: NewFactor,
        codes: Vec<TokenDigest>,
        warrant: Warrant,
    ) -> Warranted<Enrolled>;

    /// Removes factors of a user, and with the last one the backup codes; returns how many.
    async fn factor_remove(&self, user: UserId, which: FactorChoice, warrant: Warrant) -> Warranted<u64>;

    /// Replaces a user's backup codes. Who has no factor has none ([`Refusal::FactorMissing`]).
    async fn backup_codes_renew(&self, user: UserId, codes: Vec<TokenDigest>, warrant: Warrant) -> Warranted<()>;
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
    /// From when on tokens are signed with it: late enough for everybody to have learnt of it.
    pub signs_from: Timestamp,
}

/// Signing keys, shared by all replicas.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// All keys, newest first.
    async fn signing_keys(&self) -> Stored<Vec<SigningKeyRecord>>;

    /// Stores a first key unless there is one already; returns all keys, newest first. Of several replicas
    /// that start at once, one's key is stored.
    async fn signing_key_first(&self, key: SigningKeyRecord) -> Stored<Vec<SigningKeyRecord>>;

    /// Stores a further key; returns all keys, newest first.
    async fn signing_key_add(&self, key: SigningKeyRecord, deed: Deed) -> Stored<Vec<SigningKeyRecord>>;
}

/// A row that holds something encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedRow {
    /// A signing key, by its id.
    SigningKey(String),
    /// The secret of a TOTP factor.
    Factor(FactorId),
}

impl SealedRow {
    /// The name of the row that what it holds is bound to when it is encrypted.
    pub fn context(&self) -> String {
        match self {
            Self::SigningKey(kid) => format!("signing-key:{kid}"),
            Self::Factor(id) => format!("factor:{id}"),
        }
    }
}

/// Something encrypted, and the row it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedText {
    /// Where it is.
    pub row: SealedRow,
    /// What is there.
    pub sealed: String,
}

/// The same secret, encrypted anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// What is there until now.
    pub old: SealedText,
    /// What is to be there instead.
    pub new: String,
}

/// Everything in the database that is encrypted under the server's encryption key, so that the key can be changed.
#[async_trait]
pub trait SealedTexts: Send + Sync {
    /// All of it.
    async fn sealed_texts(&self) -> Stored<Vec<SealedText>>;

    /// Replaces texts in those rows that still hold the old ones; returns how many did. Leaves one record.
    async fn sealed_replace(&self, texts: Vec<Resealed>, deed: Deed) -> Stored<u64>;
}

/// Other services that may ask whose token something is (`spec/services.md`).
#[async_trait]
pub trait Services: Send + Sync {
    /// Makes a service known; `false` where the name is taken, also by one that was revoked.
    async fn service_create(&self, name: ServiceName, secret: TokenDigest, deed: Deed) -> Stored<bool>;

    /// The service of this name, whether revoked or not.
    async fn service_find(&self, name: &ServiceName) -> Stored<Option<Service>>;

    /// All services, by name.
    async fn service_list(&self) -> Stored<Vec<Service>>;

    /// Revokes a service; `false` where there is none of this name (any more).
    async fn service_revoke(&self, name: &ServiceName, deed: Deed) -> Stored<bool>;
}

/// The audit trail. Changes leave their records by themselves.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// A page of the records that fit, newest first.
    async fn audit_page(&self, filter: AuditFilter, page: PageRequest) -> Stored<Page<AuditRecord>>;
}

/// Forgetting what is over for long enough. Each call deletes a small batch, by itself or beside other replicas
/// that do the same, and returns how much that was: 0 when there is nothing left.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Sessions that ended, or expired, before this moment.
    async fn prune_sessions(&self, before: Timestamp) -> Stored<u64>;

    /// Audit records from before this moment.
    async fn prune_audit(&self, before: Timestamp) -> Stored<u64>;

    /// Failure budgets of names that belong to nobody, whose last failure was before this moment. Those of accounts
    /// stay until a success clears them.
    async fn prune_budgets(&self, before: Timestamp) -> Stored<u64>;

    /// Challenges that could not be answered any more before this moment.
    async fn prune_challenges(&self, before: Timestamp) -> Stored<u64>;

    /// Signing keys that a newer one took over from before `retired_before`, as long as no session that is still
    /// live at `now` was opened before then: every token that they signed has run out.
    async fn prune_signing_keys(&self, retired_before: Timestamp, now: Timestamp) -> Stored<u64>;
}

/// Everything that is stored, behind one handle.
#[async_trait]
pub trait Storage:
    Accounts
    + Sessions
    + Changes
    + KillSwitches
    + FailureBudgets
    + Challenges
    + Factors
    + SigningKeys
    + SealedTexts
    + Services
    + AuditTrail
    + Retention
{
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
