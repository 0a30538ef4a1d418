//! What the scenarios are made of: accounts, sessions and moments.

use std::future::Future;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::challenge::{Challenge, ChallengeId, ChallengePurpose, NewChallenge};
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::device::AgentName;
use thunderhead_domain::factor::{
    BACKUP_CODES, Factor, FactorId, FactorKeys, FactorMaterial, FactorName, FactorUse, NewFactor, OtherSessions,
    PasskeyAnswer, RightAnswer,
};
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::link::NewLink;
use thunderhead_domain::ports::{
    AccountCreated, AccountName, Enrolled, Page, PageRequest, PageStart, SessionFilter, StepUp, Storage,
};
use thunderhead_domain::session::{
    Actor, Authentication, BeyondCap, Dialect, EndReason, Grant, Method, NewSession, Origin, Session, SessionCap,
    SessionName, TokenDigest,
};
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, NewAccount, PasswordCredential, PasswordHash, User, Username};
use thunderhead_testkit::TestDatabase;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many sessions a user may have, where that does not matter.
pub(crate) const CAP: SessionCap = SessionCap { most: 1_000, beyond: BeyondCap::EndOldest };

/// A cap of so many, beyond which the oldest ends.
pub(crate) const fn up_to(most: u32) -> SessionCap {
    SessionCap { most, beyond: BeyondCap::EndOldest }
}

/// What becomes of other sessions where that does not matter.
pub(crate) const STAY: OtherSessions = OtherSessions::Stay;

/// The version of a new account's credential.
pub(crate) const FIRST_CREDENTIAL: i64 = 1;

/// So many milliseconds after the moment at which the scenarios begin.
pub(crate) const fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + millis)
}

pub(crate) fn account(name: &str) -> NewAccount {
    let number = name.bytes().fold(0_u128, |sum, byte| sum * 256 + u128::from(byte));
    NewAccount {
        uuid: UserUuid(Uuid::from_u128(number)),
        username: Username::try_from(name.to_owned()).unwrap(),
        email: EmailAddress::from_checked(format!("{name}@example.org")),
        password: PasswordHash::new(format!("hash of {name}")),
        has_password: true,
        staff: false,
        at: at(0),
    }
}

/// Makes an account that is not taken.
pub(crate) async fn user(storage: &dyn Storage, name: &str) -> User {
    created(storage.account_create(account(name), action(0)).await.unwrap())
}

pub(crate) fn created(outcome: AccountCreated) -> User {
    match outcome {
        AccountCreated::Created(user) => user,
        AccountCreated::Taken => panic!("the name or the address is taken"),
    }
}

pub(crate) fn uuid(number: u128) -> SessionUuid {
    SessionUuid(Uuid::from_u128(number))
}

/// A session that lasts an hour.
pub(crate) fn session(number: u128) -> NewSession {
    NewSession {
        uuid: uuid(number),
        opaque: None,
        name: SessionName::try_from(format!("session {number}")).unwrap(),
        grant: Grant::Full,
        at: at(0),
        expires_at: at(3_600_000),
        origin: Origin {
            dialect: Dialect::Current,
            client_ip: "2001:db8::1".parse().ok(),
            user_agent: Some("Browser/1.0 (ß)".into()),
        },
        authentications: vec![Authentication { method: Method::Password, at: at(-5) }],
        second_factor_pending: false,
        cap: CAP,
        clears: None,
        agent: Some(AgentName::made_of("Browser")),
    }
}

/// A factor that is shown by the client of these sessions.
pub(crate) fn stepping_up(user: UserId, used: FactorUse) -> StepUp {
    StepUp { used, agent: AgentName::made_of("Browser"), cap: CAP, clears: BudgetKey::Account(user) }
}

/// Opens a session with the first credential.
pub(crate) async fn open(storage: &dyn Storage, user: UserId, session: NewSession) -> Session {
    storage.session_open(user, FIRST_CREDENTIAL, None, session).await.unwrap().unwrap()
}

pub(crate) fn digest(byte: u8) -> TokenDigest {
    TokenDigest([byte; 32])
}

/// A link of this digest that is good for a minute.
pub(crate) fn link(user: UserId, byte: u8) -> NewLink {
    NewLink { digest: digest(byte), user, expires_at: at(60_000) }
}

/// Why sessions end where the reason does not matter.
pub(crate) const WHY: EndReason = EndReason::Operator;

/// The operator doing something, at a moment.
pub(crate) fn action(millis: i64) -> ActionContext {
    ActionContext { at: at(millis), by: Actor::CommandLine, client_ip: None }
}

/// Somebody doing something from an address, at a moment.
pub(crate) fn action_of(by: Actor, millis: i64) -> ActionContext {
    ActionContext { at: at(millis), by, client_ip: "192.0.2.7".parse().ok() }
}

/// What the session of this number asks for, whose user has shown something besides, at a moment.
pub(crate) fn asked_by(user: UserId, number: u128, evidence: Evidence, millis: i64) -> ChangeAuthorization {
    let preconditions = Preconditions { user, session: uuid(number), staff: None, evidence };
    ChangeAuthorization { action: action_of(Actor::User(user), millis), preconditions: Some(preconditions) }
}

/// What the session of this number asks for alone.
pub(crate) fn plain(user: UserId, number: u128, millis: i64) -> ChangeAuthorization {
    asked_by(user, number, Evidence::Nothing, millis)
}

/// That an authorization does not hold any more.
pub(crate) fn stale_change<T>(failed: PreconditionFailed) -> Result<T, Refusal> {
    Err(Refusal::Stale(failed))
}

pub(crate) fn challenge_id(number: u128) -> ChallengeId {
    ChallengeId(Uuid::from_u128(number))
}

/// A challenge of a login that can be answered for five minutes.
pub(crate) fn challenge(user: UserId, number: u128) -> NewChallenge {
    NewChallenge {
        id: challenge_id(number),
        user,
        purpose: ChallengePurpose::Login,
        credential_version: FIRST_CREDENTIAL,
        state: None,
        budget: BudgetKey::Account(user),
        at: at(0),
        expires_at: at(300_000),
    }
}

/// A challenge that must be there.
pub(crate) async fn found(storage: &dyn Storage, number: u128) -> Challenge {
    storage.challenge_find(challenge_id(number)).await.unwrap().unwrap()
}

pub(crate) fn factor_id(number: u128) -> FactorId {
    FactorId(Uuid::from_u128(number))
}

/// The step of the code that a TOTP factor was confirmed with.
pub(crate) const FIRST_STEP: i64 = 100;

pub(crate) fn totp(number: u128) -> NewFactor {
    let material = FactorMaterial::Totp { sealed: format!("sealed {number}"), last_step: FIRST_STEP };
    NewFactor { id: factor_id(number), name: FactorName::try_from(format!("factor {number}")).unwrap(), material }
}

pub(crate) fn webauthn(number: u128, sign_count: u32) -> NewFactor {
    let credential = format!("credential {number}");
    let credential_id = number.to_be_bytes().to_vec();
    NewFactor { material: FactorMaterial::Webauthn { credential_id, credential, sign_count }, ..totp(number) }
}

pub(crate) fn passkey(number: u128, sign_count: u32, synced: bool) -> NewFactor {
    let credential = format!("credential {number}");
    let credential_id = number.to_be_bytes().to_vec();
    NewFactor { material: FactorMaterial::Passkey { credential_id, credential, sign_count, synced }, ..totp(number) }
}

/// As many backup codes as there are at a time, by their digests.
pub(crate) fn codes(first: u8) -> Vec<TokenDigest> {
    (first..).take(BACKUP_CODES).map(digest).collect()
}

/// Enrols a factor as the operator, with backup codes where it is the first.
pub(crate) async fn enrol(storage: &dyn Storage, user: UserId, factor: NewFactor, codes: Vec<TokenDigest>) -> Enrolled {
    storage.factor_add(user, factor, codes, STAY, action(0).into()).await.unwrap().unwrap()
}

/// A code of a TOTP factor.
pub(crate) fn step(factor: u128, step: i64) -> FactorUse {
    FactorUse::Totp { factor: factor_id(factor), step }
}

/// A right answer to a challenge.
pub(crate) fn answer(challenge: u128, used: FactorUse) -> RightAnswer {
    RightAnswer { challenge: challenge_id(challenge), used }
}

/// A passkey's right answer to a challenge that is good for five minutes, with what the key counts now.
pub(crate) fn passkey_answer(challenge: u128, factor: u128, sign_count: u32) -> PasskeyAnswer {
    let used = FactorUse::Webauthn { factor: factor_id(factor), sign_count, credential: format!("moved {factor}") };
    PasskeyAnswer { challenge: challenge_id(challenge), expires_at: at(300_000), used }
}

/// How much of an account's failure budget was used before an attempt that is charged now.
pub(crate) async fn used_budget(storage: &dyn Storage, user: UserId) -> u32 {
    used(storage, &BudgetKey::Account(user)).await
}

/// The same of any budget.
pub(crate) async fn used(storage: &dyn Storage, key: &BudgetKey) -> u32 {
    match storage.budget_charge(key, action(0)).await.unwrap() {
        Charge::Admitted(receipt) => receipt.before.map_or(0, |used| used.failures),
        Charge::Wait(_) => panic!("the budget is used up"),
    }
}

/// All that is stored of some users and challenges, to be compared with what it was before.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    accounts: Vec<Option<(User, PasswordCredential)>>,
    factors: Vec<(Page<Factor>, FactorKeys)>,
    challenges: Vec<Option<Challenge>>,
    sessions: Vec<AuthenticatedSession>,
    switches: SwitchSet,
    trail: Vec<AuditRecord>,
}

impl Picture {
    pub(crate) async fn take(storage: &dyn Storage, users: &[UserId], challenges: &[u128]) -> Self {
        let mut picture = Self {
            accounts: Vec::new(),
            factors: Vec::new(),
            challenges: Vec::new(),
            sessions: storage.session_list(SessionFilter::default(), PageStart::Skip(0), 1_000, at(0)).await.unwrap(),
            switches: storage.switches().await.unwrap(),
            trail: trail(storage).await,
        };
        for user in users {
            picture.accounts.push(storage.account_credential(AccountName::Id(*user)).await.unwrap());
            let page = storage.factor_page(*user, first(1_000)).await.unwrap();
            picture.factors.push((page, keys(storage, *user).await));
        }
        for number in challenges {
            picture.challenges.push(storage.challenge_find(challenge_id(*number)).await.unwrap());
        }
        picture
    }
}

/// What a user's answers are checked against, in a settled order.
pub(crate) async fn keys(storage: &dyn Storage, user: UserId) -> FactorKeys {
    let mut keys = storage.factor_keys(user).await.unwrap();
    keys.totp.sort_by_key(|key| key.factor);
    keys.webauthn.sort_by_key(|key| key.factor);
    keys.backup.own.sort_by_key(|code| code.0);
    keys.backup.imported.sort_by(|left, right| left.key().cmp(right.key()));
    let mut left = storage.backup_codes_left(user).await.unwrap();
    left.own.sort_by_key(|code| code.0);
    left.imported.sort_by(|left, right| left.key().cmp(right.key()));
    assert_eq!(left, keys.backup);
    keys
}

/// The whole audit trail, oldest first.
pub(crate) async fn trail(storage: &dyn Storage) -> Vec<AuditRecord> {
    let mut page = storage.audit_page(AuditFilter::default(), first(100_000)).await.unwrap();
    assert_eq!(page.count, page.items.len() as u64);
    page.items.sort_by_key(|record| record.number);
    page.items
}

/// How many records of a kind there are.
pub(crate) async fn recorded(storage: &dyn Storage, kind: AuditKind) -> u64 {
    storage.audit_page(AuditFilter { kind: Some(kind), ..AuditFilter::default() }, first(0)).await.unwrap().count
}

pub(crate) fn first(limit: u32) -> PageRequest {
    PageRequest { limit, offset: 0 }
}

/// The numbers of a user's live sessions, newest first.
pub(crate) async fn live(storage: &dyn Storage, user: UserId) -> Vec<u128> {
    let page = storage.session_page(user, first(1_000), at(0)).await.unwrap();
    assert_eq!(page.count, page.items.len() as u64);
    page.items.into_iter().map(|session| session.uuid.0.as_u128()).collect()
}

/// The numbers of everybody's live sessions, newest first.
pub(crate) async fn live_everywhere(storage: &dyn Storage, millis: i64) -> Vec<u128> {
    let filter = SessionFilter { active: Some(true), ..SessionFilter::default() };
    let list = storage.session_list(filter, PageStart::Skip(0), 100_000, at(millis)).await.unwrap();
    assert_eq!(storage.session_count(filter, at(millis)).await.unwrap(), list.len() as u64);
    list.into_iter().map(|found| found.session.uuid.0.as_u128()).collect()
}

/// Runs futures at once, and returns their results in no particular order.
pub(crate) async fn at_once<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    futures.into_iter().collect::<JoinSet<T>>().join_all().await
}

/// A connection past the storage, to do to the database what the storage never does.
pub(crate) enum Intruder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Intruder {
    pub(crate) fn new(database: &TestDatabase) -> Self {
        match database.url().sqlite_path() {
            Some(path) => Self::Sqlite(SqliteConnection::establish(path.to_str().unwrap()).unwrap()),
            None => Self::Postgres(PgConnection::establish(database.url_text()).unwrap()),
        }
    }

    pub(crate) fn run(&mut self, statements: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statements),
            Self::Postgres(connection) => connection.batch_execute(statements),
        }
        .unwrap();
    }

    /// Adds sessions of a user that are all alike, numbered from 1,000,000 on: far faster than to open them.
    pub(crate) fn add_sessions(&mut self, user: UserId, count: u32) {
        let uuid = match self {
            Self::Sqlite(_) => "unhex(printf('%032x', 1000000 + n))",
            Self::Postgres(_) => "decode(lpad(to_hex(1000000 + n), 32, '0'), 'hex')",
        };
        self.run(&format!(
            "{} INSERT INTO sessions (uuid, user_id, id, name, expires_at, created_at, updated_at, dialect, authentications, second_factor_pending)
                SELECT {uuid}, {}, n, 'x', {}, {}, 0, 'current', '', FALSE FROM series",
            series(count),
            user.number(),
            at(3_600_000).unix_millis(),
            at(0).unix_millis(),
        ));
    }

    /// Adds as many rows as given, of which each is made of its number `n`, counted from 1.
    pub(crate) fn add(&mut self, count: u32, into: &str, row: &str) {
        self.run(&format!("{} INSERT INTO {into} SELECT {row} FROM series", series(count)));
    }

    /// Holds a user's row, as a transaction elsewhere does that never ends.
    pub(crate) fn lock(&mut self, user: UserId) {
        match self {
            Self::Sqlite(_) => self.run("BEGIN IMMEDIATE"),
            Self::Postgres(_) => {
                self.run(&format!("BEGIN; SELECT 1 FROM users WHERE id = {} FOR UPDATE", user.number()));
            }
        }
    }
}

/// The beginning of a statement that knows the numbers from 1 on.
fn series(count: u32) -> String {
    format!("WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count})")
}
