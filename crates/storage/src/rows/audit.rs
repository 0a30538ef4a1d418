//! Records of the audit trail as rows.

use diesel::prelude::*;
use thunderhead_domain::audit::{ActionContext, AuditCursor, AuditKind, AuditRecord};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::time::Timestamp;

use super::uuid;
use crate::error::DataError;
use crate::schema::audit;
use crate::text;
use crate::unreadable::{Keyed, RowKey};

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
}

/// A record to be inserted; the database numbers it. An absent value is NULL, never a default, so that SQLite too
/// takes many rows in one statement.
#[derive(Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
pub(crate) struct NewAuditRow {
    at: i64,
    actor: String,
    client_ip: Option<String>,
    kind: &'static str,
    user_id: Option<i64>,
    session_uuid: Option<Vec<u8>>,
    detail: Option<String>,
}

impl NewAuditRow {
    pub(crate) fn new(
        action: &ActionContext,
        kind: AuditKind,
        user: Option<UserId>,
        session: Option<SessionUuid>,
        detail: Option<String>,
    ) -> Self {
        Self {
            at: action.at.unix_millis(),
            actor: text::actor_text(action.by),
            client_ip: action.client_ip.map(text::address_text),
            kind: kind.name(),
            user_id: user.map(UserId::number),
            session_uuid: session.map(|uuid| uuid.0.as_bytes().to_vec()),
            detail,
        }
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
        })
    }
}
