//! Records of the audit trail as events of the feed.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::event::{Event, EventActor, EventCursor, EventData, EventDetail, EventType, PersonalData};
use thunderhead_domain::factor::FactorKind;
use thunderhead_domain::id::{SessionId, SessionUuid, UserId, UserUuid};
use thunderhead_domain::ports::FeedStatus;
use thunderhead_domain::session::EndReason;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;

use super::uuid;
use crate::error::DataError;
use crate::schema::{audit, feed_state};
use crate::text;
use crate::unreadable::{Keyed, RowKey};

/// The id of the one row.
pub(crate) const THE_ONE: i32 = 1;

/// How far the feed has come.
#[derive(Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = feed_state)]
pub(crate) struct FeedStateRow {
    pub(crate) latest: i64,
    pub(crate) latest_nonce: i64,
    pub(crate) pruned_to: i64,
    pub(crate) pruned_nonce: i64,
}

impl FeedStateRow {
    /// The place before the first event that is kept.
    pub(crate) const fn first(self) -> EventCursor {
        EventCursor { number: self.pruned_to, nonce: self.pruned_nonce }
    }

    pub(crate) const fn latest(self) -> EventCursor {
        EventCursor { number: self.latest, nonce: self.latest_nonce }
    }

    pub(crate) const fn status(self, pending: bool) -> FeedStatus {
        FeedStatus { first: self.first(), latest: self.latest(), pending }
    }
}

/// The place in the feed of a record that was deleted.
#[derive(QueryableByName)]
pub(crate) struct NumberedRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) feed_number: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) feed_nonce: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
pub(crate) struct EventRow {
    number: i64,
    feed_number: Option<i64>,
    feed_nonce: Option<i64>,
    at: i64,
    actor: String,
    client_ip: Option<String>,
    kind: String,
    user_id: Option<i64>,
    user_uuid: Option<Vec<u8>>,
    session_uuid: Option<Vec<u8>>,
    session_id: Option<i64>,
    session_expires_at: Option<i64>,
    kept_session_uuid: Option<Vec<u8>>,
    detail: Option<String>,
    new_device: bool,
}

impl EventRow {
    /// Its place in the feed.
    pub(crate) fn cursor(&self) -> EventCursor {
        EventCursor { number: self.feed_number.unwrap_or(0), nonce: self.feed_nonce.unwrap_or(0) }
    }

    /// The session whose user agent is personal data of the event, if there is one.
    pub(crate) fn opened_session(&self) -> Option<&[u8]> {
        let opened = self.kind == AuditKind::LoggedIn.name() || self.kind == AuditKind::ScopedSessionIssued.name();
        self.session_uuid.as_deref().filter(|_| opened)
    }

    /// The same with the user's uuid where the record does not have it.
    pub(crate) fn with_user_uuid(self, uuid: Option<Vec<u8>>) -> Self {
        Self { user_uuid: self.user_uuid.or(uuid), ..self }
    }

    /// What is personal in it.
    pub(crate) fn personal(&self, username: Option<String>, user_agent: Option<String>) -> PersonalData {
        let deleted = self.kind == AuditKind::AccountDeleted.name();
        PersonalData {
            client_ip: text::address("audit.client_ip", self.client_ip.as_deref()).ok().flatten(),
            actor: text::actor("audit.actor", &self.actor).ok().and_then(|actor| actor.user()),
            username: if deleted { self.detail.clone() } else { username },
            user_agent,
        }
    }
}

impl Keyed for EventRow {
    fn key(&self) -> RowKey {
        RowKey::Number(self.number)
    }
}

impl TryFrom<EventRow> for Event {
    type Error = DataError;

    fn try_from(row: EventRow) -> Result<Self, DataError> {
        let kind: AuditKind = row.kind.parse().map_err(|_| DataError::Column("audit.kind"))?;
        let event_type = EventType::of(kind).ok_or(DataError::Column("audit.kind"))?;
        let (user, by) = (row.user_id.map(UserId::from_number), text::actor("audit.actor", &row.actor)?);
        let detail = if row.new_device {
            EventDetail::NewDevice
        } else {
            detail(kind, row.detail.as_deref().unwrap_or_default())
        };
        let reason = match detail {
            EventDetail::End(why) => Some(why),
            EventDetail::None
            | EventDetail::Switch(..)
            | EventDetail::Factor(_)
            | EventDetail::Staff(_)
            | EventDetail::NewDevice => None,
        };
        let read = |column, bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| uuid(column, bytes)).transpose();
        Ok(Self {
            cursor: row.cursor(),
            event_type,
            at: Timestamp::from_unix_millis(row.at),
            data: EventData {
                user,
                user_uuid: read("audit.user_uuid", &row.user_uuid)?.map(UserUuid),
                session: read("audit.session_uuid", &row.session_uuid)?.map(SessionUuid),
                session_id: row.session_id.map(SessionId::from_number),
                expires_at: row.session_expires_at.map(Timestamp::from_unix_millis),
                kept_session: read("audit.kept_session_uuid", &row.kept_session_uuid)?.map(SessionUuid),
                by: EventActor::of(by, user, reason),
                detail,
                personal: None,
            },
        })
    }
}

/// What a record's detail says. A reason that this version does not know is left out: that something has ended is what
/// matters.
fn detail(kind: AuditKind, text: &str) -> EventDetail {
    let found = match kind {
        // Where they are very many, their number stands before.
        AuditKind::SessionEnded | AuditKind::SessionsEnded => {
            text.rsplit(' ').next().and_then(EndReason::from_name).map(EventDetail::End)
        }
        AuditKind::SwitchOn => KillSwitch::from_name(text).map(|switch| EventDetail::Switch(switch, true)),
        AuditKind::SwitchOff => KillSwitch::from_name(text).map(|switch| EventDetail::Switch(switch, false)),
        // The name behind it is the user's own business.
        AuditKind::FactorAdded | AuditKind::FactorRemoved => {
            text.split(' ').next().and_then(FactorKind::from_name).map(EventDetail::Factor)
        }
        AuditKind::StaffGranted => Some(EventDetail::Staff(true)),
        AuditKind::StaffRevoked => Some(EventDetail::Staff(false)),
        _ => None,
    };
    found.unwrap_or(EventDetail::None)
}
