//! Rows as the tables hold them, and their conversion from and to the domain.

mod audit;
mod budget;
mod challenge;
mod change;
mod event;
mod factor;
mod failed_logins;
mod import;
mod link;
mod service;
mod switch;
mod webhook;

use diesel::prelude::*;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::import::ImportedAccount;
use thunderhead_domain::ports::SigningKeyRecord;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{End, Grant, NewSession, Origin, PolicyBounds, Session, SessionName, State};
use thunderhead_domain::switch::{KillSwitch, SwitchSet};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{EmailAddress, NewAccount, User, Username};
use uuid::Uuid;

use crate::error::DataError;
use crate::schema::{ended_generations, sessions, signing_keys, users};
use crate::text;
use crate::unreadable::{self, Keyed, RowKey, noted};

pub(crate) use audit::{AuditRow, NewAuditRow, RecordedSession, RecordedUser};
pub(crate) use budget::{BudgetRow, ClearedBudgets};
pub(crate) use challenge::ChallengeRow;
pub(crate) use change::{ChangedPartition, NewChange, Numbered, ReadChange};
pub(crate) use event::{EventRow, FeedStateRow, NumberedRow, THE_ONE};
pub(crate) use factor::{FactorRow, factor_keys, imported_code, webauthn_key};
pub(crate) use failed_logins::FailedLoginsRow;
pub(crate) use import::{ImportedSessionRow, MemoryKind, MemoryRow, VerificationKeyRow};
pub(crate) use link::{ExpiredLinkRow, NewLinkRow};
pub(crate) use service::ServiceRow;
pub(crate) use switch::SwitchRow;
pub(crate) use webhook::{ProgressColumns, WebhookRow};

/// The version of the first password.
pub(crate) const FIRST_CREDENTIAL: i64 = 1;

/// A user without the password's hash, which most operations have no business with.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub(crate) struct UserRow {
    pub(crate) id: i64,
    pub(crate) uuid: Vec<u8>,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) credential_version: i64,
    pub(crate) staff: bool,
    pub(crate) has_second_factor: bool,
    pub(crate) has_password: bool,
    pub(crate) verified_at: Option<i64>,
    pub(crate) banned_at: Option<i64>,
    created_at: i64,
    pub(crate) updated_at: i64,
    /// The generation of their sessions that counts.
    pub(crate) session_generation: i64,
    /// Counts what opens, ends or prolongs sessions.
    pub(crate) session_changes: i64,
}

#[derive(Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(crate) struct NewUserRow {
    pub(crate) id: i64,
    pub(crate) uuid: Vec<u8>,
    username: String,
    pub(crate) username_key: String,
    email: String,
    pub(crate) email_key: String,
    password_hash: String,
    credential_version: i64,
    staff: bool,
    has_second_factor: bool,
    has_password: bool,
    verified_at: Option<i64>,
    banned_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

/// To be inserted, an absent value is NULL, never a default: so the statement is prepared once.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub(crate) struct SessionRow {
    pub(crate) uuid: Vec<u8>,
    pub(crate) user_id: i64,
    pub(crate) id: i64,
    pub(crate) opaque_digest: Option<Vec<u8>>,
    pub(crate) name: String,
    pub(crate) permission_flags: Option<i64>,
    pub(crate) expires_at: i64,
    pub(crate) used_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) dialect: String,
    pub(crate) client_ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) authentications: String,
    pub(crate) second_factor_pending: bool,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_by: Option<String>,
    pub(crate) end_reason: Option<String>,
    pub(crate) generation: i64,
}

/// How all sessions of a generation ended.
#[derive(Queryable, Selectable)]
#[diesel(table_name = ended_generations)]
pub(crate) struct GenerationEndRow {
    ended_at: i64,
    ended_by: String,
    end_reason: String,
}

/// What an open session counts as, by the number that the database gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenSessionKind {
    Full = 0,
    Scoped = 1,
    /// A full session whose second factor is pending.
    Pending = 2,
}

impl OpenSessionKind {
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::Scoped, Self::Pending];

    /// What a session is going to count as.
    pub(crate) const fn of(session: &NewSession) -> Self {
        match session.grant {
            Grant::Scoped(_) => Self::Scoped,
            Grant::Full if session.second_factor_pending => Self::Pending,
            Grant::Full => Self::Full,
        }
    }

    pub(crate) const fn number(self) -> i64 {
        self as i64
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
pub(crate) struct SigningKeyRow {
    kid: String,
    sealed: String,
    created_at: i64,
    signs_from: i64,
}

/// The columns that end a session.
#[derive(AsChangeset)]
#[diesel(table_name = sessions)]
pub(crate) struct SessionEnd {
    ended_at: i64,
    ended_by: String,
    end_reason: &'static str,
    updated_at: i64,
}

impl From<&End> for SessionEnd {
    fn from(end: &End) -> Self {
        let at = end.at.unix_millis();
        let (ended_by, end_reason) = (text::actor_text(end.by), end.why.name());
        Self { ended_at: at, ended_by, end_reason, updated_at: at }
    }
}

/// How all sessions of a generation ended, to be inserted.
#[derive(Insertable)]
#[diesel(table_name = ended_generations)]
pub(crate) struct NewGenerationEndRow {
    user_id: i64,
    generation: i64,
    ended_at: i64,
    ended_by: String,
    end_reason: &'static str,
}

impl SessionEnd {
    /// The same end, of a generation of a user's sessions.
    pub(crate) fn of_generation(self, user_id: i64, generation: i64) -> NewGenerationEndRow {
        let Self { ended_at, ended_by, end_reason, .. } = self;
        NewGenerationEndRow { user_id, generation, ended_at, ended_by, end_reason }
    }
}

impl NewUserRow {
    pub(crate) fn new(account: &NewAccount) -> Self {
        let at = account.at.unix_millis();
        Self {
            id: UserId::at(account.at).number(),
            uuid: account.uuid.0.as_bytes().to_vec(),
            username: account.username.as_str().to_owned(),
            username_key: account.username.key(),
            email: account.email.as_str().to_owned(),
            email_key: account.email.key(),
            password_hash: account.password.expose().to_owned(),
            credential_version: FIRST_CREDENTIAL,
            staff: account.staff,
            has_second_factor: false,
            has_password: account.has_password,
            verified_at: None,
            banned_at: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// An account that comes from elsewhere, under this name.
    pub(crate) fn imported(account: &ImportedAccount, username: &Username, has_second_factor: bool) -> Self {
        Self {
            id: account.id.unwrap_or_else(|| UserId::at(account.created_at)).number(),
            uuid: account.uuid.0.as_bytes().to_vec(),
            username: username.as_str().to_owned(),
            username_key: username.key(),
            email: account.email.as_str().to_owned(),
            email_key: account.email.key(),
            password_hash: account.password.expose().to_owned(),
            credential_version: FIRST_CREDENTIAL,
            staff: account.staff,
            has_second_factor,
            has_password: account.has_password,
            verified_at: account.verified_at.map(Timestamp::unix_millis),
            banned_at: account.banned_at.map(Timestamp::unix_millis),
            created_at: account.created_at.unix_millis(),
            updated_at: account.updated_at.unix_millis(),
        }
    }
}

impl From<NewUserRow> for UserRow {
    fn from(new: NewUserRow) -> Self {
        Self {
            id: new.id,
            uuid: new.uuid,
            username: new.username,
            email: new.email,
            credential_version: new.credential_version,
            staff: new.staff,
            has_second_factor: new.has_second_factor,
            has_password: new.has_password,
            verified_at: new.verified_at,
            banned_at: new.banned_at,
            created_at: new.created_at,
            updated_at: new.updated_at,
            session_generation: 0,
            session_changes: 0,
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = DataError;

    fn try_from(row: UserRow) -> Result<Self, DataError> {
        Ok(Self {
            id: UserId::from_number(row.id),
            uuid: UserUuid(uuid("users.uuid", &row.uuid)?),
            username: Username::existing(row.username).map_err(|_| DataError::Column("users.username"))?,
            email: EmailAddress::from_checked(row.email),
            staff: row.staff,
            has_second_factor: row.has_second_factor,
            has_password: row.has_password,
            verified_at: row.verified_at.map(Timestamp::from_unix_millis),
            banned_at: row.banned_at.map(Timestamp::from_unix_millis),
            created_at: Timestamp::from_unix_millis(row.created_at),
            updated_at: Timestamp::from_unix_millis(row.updated_at),
        })
    }
}

impl SessionRow {
    /// A session that is opened in the generation of its user that counts.
    pub(crate) fn new(user: UserId, generation: i64, id: SessionId, session: &NewSession) -> Self {
        let at = session.at.unix_millis();
        Self {
            uuid: session.uuid.0.as_bytes().to_vec(),
            user_id: user.number(),
            id: id.number(),
            opaque_digest: session.opaque.map(|digest| digest.0.to_vec()),
            name: session.name.as_str().to_owned(),
            permission_flags: match session.grant {
                Grant::Full => None,
                Grant::Scoped(scopes) => Some(scopes.flags()),
            },
            expires_at: session.expires_at.unix_millis(),
            used_at: None,
            created_at: at,
            updated_at: at,
            dialect: session.origin.dialect.name().to_owned(),
            client_ip: session.origin.client_ip.map(text::address_text),
            user_agent: session.origin.user_agent.as_deref().map(str::to_owned),
            authentications: text::authentications_text(&session.authentications),
            second_factor_pending: session.second_factor_pending,
            ended_at: None,
            ended_by: None,
            end_reason: None,
            generation,
        }
    }

    /// The session of a row that was found among those of the generation that counts.
    pub(crate) fn of_current(self) -> Result<Session, DataError> {
        match self.own_state() {
            Ok(state) => self.in_state(state),
            Err(error) => Err(noted(error, &self.key())),
        }
    }

    /// The session of any row, given the generation that counts, and how the row's own ended if that is not yet in all
    /// of its rows.
    pub(crate) fn among(mut self, current: i64, end: Option<GenerationEndRow>) -> Result<Session, DataError> {
        if self.ended_at.is_some() || self.generation == current {
            return self.of_current();
        }
        let end = end.filter(|end| end.ended_at < self.expires_at);
        let Some(GenerationEndRow { ended_at, ended_by, end_reason }) = end else {
            return self.in_state(State::Expired);
        };
        self.updated_at = ended_at;
        let state = ended(ended_at, &ended_by, &end_reason)?;
        self.in_state(state)
    }

    /// Whether somebody has ended it, or its generation, given the one that counts.
    pub(crate) const fn is_over_in(&self, current: i64) -> bool {
        self.ended_at.is_some() || self.generation != current
    }

    fn own_state(&self) -> Result<State, DataError> {
        match (self.ended_at, self.ended_by.as_deref(), self.end_reason.as_deref()) {
            (None, None, None) => Ok(State::Open),
            (Some(at), Some(_), Some(_)) if at == self.expires_at => Ok(State::Expired),
            (Some(at), Some(by), Some(why)) => ended(at, by, why),
            _ => Err(DataError::Column("sessions.ended_at")),
        }
    }

    fn in_state(self, state: State) -> Result<Session, DataError> {
        let key = self.key();
        self.session(state).map_err(|error| noted(error, &key))
    }

    fn session(self, state: State) -> Result<Session, DataError> {
        let row = self;
        Ok(Session {
            uuid: SessionUuid(uuid("sessions.uuid", &row.uuid)?),
            id: SessionId::from_number(row.id),
            user: UserId::from_number(row.user_id),
            state,
            // Older ones may hold what is not printable.
            name: SessionName::made_of(&row.name),
            grant: grant(row.permission_flags)?,
            expires_at: Timestamp::from_unix_millis(row.expires_at),
            used_at: row.used_at.map(Timestamp::from_unix_millis),
            created_at: Timestamp::from_unix_millis(row.created_at),
            updated_at: Timestamp::from_unix_millis(row.updated_at),
            origin: Origin {
                dialect: text::dialect(&row.dialect)?,
                client_ip: text::address("sessions.client_ip", row.client_ip.as_deref())?,
                user_agent: row.user_agent.map(String::into_boxed_str),
            },
            authentications: text::authentications(&row.authentications)?,
            second_factor_pending: row.second_factor_pending,
            bounds: PolicyBounds::default(),
        })
    }
}

impl Keyed for UserRow {
    fn key(&self) -> RowKey {
        RowKey::Number(self.id)
    }
}

impl Keyed for SessionRow {
    fn key(&self) -> RowKey {
        RowKey::uuid(&self.uuid)
    }
}

impl From<SigningKeyRecord> for SigningKeyRow {
    fn from(key: SigningKeyRecord) -> Self {
        let (created_at, signs_from) = (key.created_at.unix_millis(), key.signs_from.unix_millis());
        Self { kid: key.kid, sealed: key.sealed, created_at, signs_from }
    }
}

impl From<SigningKeyRow> for SigningKeyRecord {
    fn from(row: SigningKeyRow) -> Self {
        let [created_at, signs_from] = [row.created_at, row.signs_from].map(Timestamp::from_unix_millis);
        Self { kid: row.kid, sealed: row.sealed, created_at, signs_from }
    }
}

/// The switches whose bits add up to this; no row, no bits. Bits of switches that this version does not know shut none
/// of its endpoints.
pub(crate) fn switch_set(bits: Option<i64>) -> SwitchSet {
    let bits = bits.unwrap_or(0);
    let unknown = bits >> KillSwitch::TABLE.len();
    if unknown != 0 {
        unreadable::note("kill_switches.bit", &RowKey::Number(unknown << KillSwitch::TABLE.len()));
    }
    let all = KillSwitch::TABLE.into_iter().map(|(switch, _)| switch);
    all.filter(|switch| bits >> switch.id() & 1 == 1).collect()
}

/// An offset as databases take it, with room to add a limit: anything near the largest is past the end.
pub(crate) fn skip(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

fn uuid(column: &'static str, bytes: &[u8]) -> Result<Uuid, DataError> {
    Uuid::from_slice(bytes).map_err(|_| DataError::Column(column))
}

/// Flags that cannot be read are a defect: never an unscoped session.
fn grant(flags: Option<i64>) -> Result<Grant, DataError> {
    let Some(flags) = flags else { return Ok(Grant::Full) };
    ScopeSet::from_stored(flags).map(Grant::Scoped).map_err(|_| DataError::Column("sessions.permission_flags"))
}

fn ended(at: i64, by: &str, why: &str) -> Result<State, DataError> {
    let at = Timestamp::from_unix_millis(at);
    Ok(State::Ended(End { at, by: text::actor("sessions.ended_by", by)?, why: text::end_reason(why)? }))
}
