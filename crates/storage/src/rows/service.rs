//! Services as rows.

use diesel::prelude::*;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::service::{EventAccess, Service, ServiceName};
use thunderhead_domain::session::TokenDigest;
use thunderhead_domain::time::Timestamp;

use crate::error::DataError;
use crate::schema::services;
use crate::unreadable::{Keyed, RowKey};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = services)]
pub(crate) struct ServiceRow {
    name: String,
    secret_digest: Vec<u8>,
    created_at: i64,
    revoked_at: Option<i64>,
    asked_at: Option<i64>,
    reads_events: bool,
    reads_personal: bool,
}

impl ServiceRow {
    pub(crate) fn new(name: &ServiceName, secret: TokenDigest, events: EventAccess, action: &ActionContext) -> Self {
        Self {
            name: name.as_str().to_owned(),
            secret_digest: secret.0.to_vec(),
            created_at: action.at.unix_millis(),
            revoked_at: None,
            asked_at: None,
            reads_events: events != EventAccess::Denied,
            reads_personal: events == EventAccess::Personal,
        }
    }
}

impl Keyed for ServiceRow {
    fn key(&self) -> RowKey {
        RowKey::Text(self.name.clone())
    }
}

impl TryFrom<ServiceRow> for Service {
    type Error = DataError;

    fn try_from(row: ServiceRow) -> Result<Self, DataError> {
        let digest = row.secret_digest.try_into().map_err(|_| DataError::Column("services.secret_digest"))?;
        Ok(Self {
            name: ServiceName::existing(row.name).map_err(|_| DataError::Column("services.name"))?,
            secret: TokenDigest(digest),
            events: match (row.reads_events, row.reads_personal) {
                (false, _) => EventAccess::Denied,
                (true, false) => EventAccess::Plain,
                (true, true) => EventAccess::Personal,
            },
            created_at: Timestamp::from_unix_millis(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_unix_millis),
            asked_at: row.asked_at.map(Timestamp::from_unix_millis),
        })
    }
}
