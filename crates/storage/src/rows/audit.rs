//! Records of the audit trail as rows.

use diesel::prelude::*;
use thunderhead_domain::audit::{ActionContext, AuditCursor, AuditKind, AuditRecord};
use thunderhead_domain::event::EventType;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use super::{SessionRow, UserRow, uuid};
use crate::error::DataError;
use crate::schema::{audit, sessions};
use crate::text;
use crate::unreadable::{Keyed, RowKey};

/// The number in the feed of what is still to be numbered.
const PENDING: i64 = 0;

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
pub(crate) struct AuditRow {
    number: i64,
    at: i64,
    actor: String,
    client_ip: Option<String>,
    kind: String,
    user_id: Option<i64>,
    session_uuid: Option<Vec<u8>>,
    detail: Option<String>,
    new_device: bool,
}

/// A record to be inserted; the database numbers it. An absent value is NULL, never a default, so that SQLite too
/// takes many rows in one statement.
#[derive(Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
pub(crate) struct NewAuditRow {
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) client_ip: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) user_id: Option<i64>,
    pub(crate) session_uuid: Option<Vec<u8>>,
    pub(crate) detail: Option<String>,
    pub(crate) feed_number: Option<i64>,
    pub(crate) user_uuid: Option<Vec<u8>>,
    pub(crate) session_id: Option<i64>,
    pub(crate) session_expires_at: Option<i64>,
    pub(crate) kept_session_uuid: Option<Vec<u8>>,
    pub(crate) new_device: bool,
}

/// Whom a record is about, with what other services know them by, where that is at hand: where it is not, it is looked
/// up when they are told.
#[derive(Clone)]
pub(crate) struct RecordedUser {
    id: i64,
    uuid: Option<Vec<u8>>,
}

impl RecordedUser {
    /// A user whose uuid is at hand.
    pub(crate) fn known_by(user: UserId, uuid: &[u8]) -> Self {
        Self { id: user.number(), uuid: Some(uuid.to_vec()) }
    }
}

impl From<UserId> for RecordedUser {
    fn from(user: UserId) -> Self {
        Self { id: user.number(), uuid: None }
    }
}

impl From<&User> for RecordedUser {
    fn from(user: &User) -> Self {
        Self { id: user.id.number(), uuid: Some(user.uuid.0.as_bytes().to_vec()) }
    }
}

impl From<&UserRow> for RecordedUser {
    fn from(row: &UserRow) -> Self {
        Self { id: row.id, uuid: Some(row.uuid.clone()) }
    }
}

/// Which session a record is about.
#[derive(Queryable)]
pub(crate) struct RecordedSession {
    uuid: Vec<u8>,
    id: i64,
    expires_at: i64,
}

impl RecordedSession {
    /// What is read for it.
    pub(crate) const COLUMNS: (sessions::uuid, sessions::id, sessions::expires_at) =
        (sessions::uuid, sessions::id, sessions::expires_at);
}

impl From<&SessionRow> for RecordedSession {
    fn from(row: &SessionRow) -> Self {
        Self { uuid: row.uuid.clone(), id: row.id, expires_at: row.expires_at }
    }
}

impl From<&Session> for RecordedSession {
    fn from(session: &Session) -> Self {
        let Session { uuid, id, expires_at, .. } = session;
        Self { uuid: uuid.0.as_bytes().to_vec(), id: id.number(), expires_at: expires_at.unix_millis() }
    }
}

impl NewAuditRow {
    /// A record of what was done to nobody in particular.
    pub(crate) fn new(action: &ActionContext, kind: AuditKind, detail: Option<String>) -> Self {
        Self {
            at: action.at.unix_millis(),
            actor: text::actor_text(action.by),
            client_ip: action.client_ip.map(text::address_text),
            kind: kind.name(),
            user_id: None,
            session_uuid: None,
            detail,
            feed_number: EventType::of(kind).map(|_| PENDING),
            user_uuid: None,
            session_id: None,
            session_expires_at: None,
            kept_session_uuid: None,
            new_device: false,
        }
    }

    pub(crate) fn of_user(self, user: RecordedUser) -> Self {
        Self { user_id: Some(user.id), user_uuid: user.uuid, ..self }
    }

    pub(crate) fn of_session(self, session: RecordedSession) -> Self {
        let RecordedSession { uuid, id, expires_at } = session;
        Self { session_uuid: Some(uuid), session_id: Some(id), session_expires_at: Some(expires_at), ..self }
    }

    /// The record of the end of all sessions but one.
    pub(crate) fn keeping(self, kept: Option<&[u8]>) -> Self {
        Self { kept_session_uuid: kept.map(<[u8]>::to_vec), ..self }
    }
}

impl AuditRow {
    pub(crate) const fn cursor(&self) -> AuditCursor {
        AuditCursor { at: Timestamp::from_unix_millis(self.at), number: self.number }
    }
}

impl Keyed for AuditRow {
    fn key(&self) -> RowKey {
        RowKey::Number(self.number)
    }
}

impl TryFrom<AuditRow> for AuditRecord {
    type Error = DataError;

    fn try_from(row: AuditRow) -> Result<Self, DataError> {
        let session = row.session_uuid.map(|bytes| uuid("audit.session_uuid", &bytes)).transpose()?;
        Ok(Self {
            number: row.number,
            action: ActionContext {
                at: Timestamp::from_unix_millis(row.at),
                by: text::actor("audit.actor", &row.actor)?,
                client_ip: text::address("audit.client_ip", row.client_ip.as_deref())?,
            },
            kind: row.kind.parse().map_err(|_| DataError::Column("audit.kind"))?,
            user: row.user_id.map(UserId::from_number),
            session: session.map(SessionUuid),
            detail: row.detail,
            new_device: row.new_device,
        })
    }
}
