//! Endpoints of webhooks as rows.

use diesel::prelude::*;
use thunderhead_domain::event::EventCursor;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{
    PreviousSecret, StopReason, Webhook, WebhookFailure, WebhookId, WebhookName, WebhookProgress, WebhookSecrets,
    WebhookState, WebhookUrl,
};
use uuid::Uuid;

use crate::error::DataError;
use crate::schema::webhooks;
use crate::unreadable::{Keyed, RowKey};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = webhooks)]
pub(crate) struct WebhookRow {
    id: Vec<u8>,
    name: String,
    url: String,
    types: String,
    personal: bool,
    sealed: String,
    previous_sealed: Option<String>,
    previous_until: Option<i64>,
    created_at: i64,
    #[diesel(embed)]
    progress: ProgressColumns,
    pub(crate) lease: i64,
    leased_until: Option<i64>,
}

/// How far an endpoint has got, all of which is written at once.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true)]
pub(crate) struct ProgressColumns {
    cursor: String,
    attempts: i64,
    next_attempt_at: Option<i64>,
    stopped_at: Option<i64>,
    stopped_why: Option<String>,
    succeeded_at: Option<i64>,
    failed_at: Option<i64>,
    failure: Option<String>,
}

impl From<&WebhookProgress> for ProgressColumns {
    fn from(progress: &WebhookProgress) -> Self {
        let WebhookProgress { cursor, state, succeeded_at, failure } = progress;
        let (attempts, next_attempt_at, stopped) = match *state {
            WebhookState::Delivering => (0, None, None),
            WebhookState::Retrying { attempts, next_at } => (attempts.into(), Some(next_at), None),
            WebhookState::Stopped { at, why } => (0, None, Some((at, why))),
        };
        Self {
            cursor: cursor.to_string(),
            attempts,
            next_attempt_at: next_attempt_at.map(Timestamp::unix_millis),
            stopped_at: stopped.map(|(at, _)| at.unix_millis()),
            stopped_why: stopped.map(|(_, why)| why.name().to_owned()),
            succeeded_at: succeeded_at.map(Timestamp::unix_millis),
            failed_at: failure.as_ref().map(|failure| failure.at.unix_millis()),
            failure: failure.as_ref().map(|failure| failure.what.clone()),
        }
    }
}

impl From<&Webhook> for WebhookRow {
    fn from(webhook: &Webhook) -> Self {
        let WebhookSecrets { sealed, previous } = &webhook.secrets;
        Self {
            id: webhook.id.0.as_bytes().to_vec(),
            name: webhook.name.to_string(),
            url: webhook.url.as_str().to_owned(),
            types: webhook.types.to_string(),
            personal: webhook.personal,
            sealed: sealed.clone(),
            previous_sealed: previous.as_ref().map(|previous| previous.sealed.clone()),
            previous_until: previous.as_ref().map(|previous| previous.until.unix_millis()),
            created_at: webhook.created_at.unix_millis(),
            progress: (&webhook.progress).into(),
            lease: 0,
            leased_until: None,
        }
    }
}

impl Keyed for WebhookRow {
    fn key(&self) -> RowKey {
        RowKey::Text(self.name.clone())
    }
}

impl TryFrom<ProgressColumns> for WebhookProgress {
    type Error = DataError;

    fn try_from(row: ProgressColumns) -> Result<Self, DataError> {
        let moment = Timestamp::from_unix_millis;
        let state = match (row.stopped_at, row.next_attempt_at) {
            (Some(at), _) => {
                let why = row.stopped_why.as_deref().and_then(StopReason::from_name);
                WebhookState::Stopped { at: moment(at), why: why.ok_or(DataError::Column("webhooks.stopped_why"))? }
            }
            (None, Some(next)) => WebhookState::Retrying {
                attempts: row.attempts.try_into().map_err(|_| DataError::Column("webhooks.attempts"))?,
                next_at: moment(next),
            },
            (None, None) => WebhookState::Delivering,
        };
        Ok(Self {
            cursor: row.cursor.parse::<EventCursor>().map_err(|_| DataError::Column("webhooks.cursor"))?,
            state,
            succeeded_at: row.succeeded_at.map(moment),
            failure: row.failed_at.zip(row.failure).map(|(at, what)| WebhookFailure { at: moment(at), what }),
        })
    }
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = DataError;

    fn try_from(row: WebhookRow) -> Result<Self, DataError> {
        let moment = Timestamp::from_unix_millis;
        let previous = row.previous_sealed.zip(row.previous_until);
        Ok(Self {
            id: WebhookId(Uuid::from_slice(&row.id).map_err(|_| DataError::Column("webhooks.id"))?),
            name: WebhookName::try_from(row.name).map_err(|_| DataError::Column("webhooks.name"))?,
            url: WebhookUrl::from_checked(row.url),
            types: row.types.parse().map_err(|_| DataError::Column("webhooks.types"))?,
            personal: row.personal,
            secrets: WebhookSecrets {
                sealed: row.sealed,
                previous: previous.map(|(sealed, until)| PreviousSecret { sealed, until: moment(until) }),
            },
            created_at: moment(row.created_at),
            progress: row.progress.try_into()?,
            leased_until: row.leased_until.map(moment),
        })
    }
}
