//! Endpoints of webhooks, as they are stored.

use async_trait::async_trait;

use super::Stored;
use crate::audit::ActionContext;
use crate::event::EventCursor;
use crate::time::Timestamp;
use crate::webhook::{Webhook, WebhookId, WebhookLease, WebhookName, WebhookProgress, WebhookSecrets};

/// What came of adding an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookAdded {
    /// It was added.
    Added,
    /// There is one of this name.
    Taken,
    /// There are as many as there may be.
    TooMany,
}

/// Endpoints of webhooks. What the operator changes leaves a record.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Adds an endpoint, unless there are [`MOST_WEBHOOKS`](crate::webhook::MOST_WEBHOOKS).
    async fn webhook_add(&self, webhook: Webhook, action: ActionContext) -> Stored<WebhookAdded>;

    /// The endpoint of this name.
    async fn webhook_find(&self, name: &WebhookName) -> Stored<Option<Webhook>>;

    /// All endpoints, by name.
    async fn webhook_list(&self) -> Stored<Vec<Webhook>>;

    /// Forgets an endpoint; `false` where there is none of this name.
    async fn webhook_remove(&self, name: &WebhookName, action: ActionContext) -> Stored<bool>;

    /// Gives an endpoint other secrets, where it still has this one; `false` where it has not.
    async fn webhook_rotate(
        &self,
        id: WebhookId,
        sealed: &str,
        secrets: WebhookSecrets,
        action: ActionContext,
    ) -> Stored<bool>;

    /// Has an endpoint tried again at once, from a place on where one is given, else from its own. Who has it leased
    /// loses it. `false` where it is gone.
    async fn webhook_resume(&self, id: WebhookId, from: Option<EventCursor>, action: ActionContext) -> Stored<bool>;

    /// Leases an endpoint, unless nothing is to be sent to it at this moment, or somebody else has it. `over` is the lease
    /// that was seen to be over, by when it was to end: so nobody's clock is compared with another's.
    async fn webhook_lease(
        &self,
        id: WebhookId,
        over: Option<Timestamp>,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<Option<(WebhookLease, Webhook)>>;

    /// Writes how far an endpoint has got, and keeps it until a moment, or gives it back. `false` where the lease was
    /// lost: nothing is written then.
    async fn webhook_save(
        &self,
        lease: WebhookLease,
        progress: WebhookProgress,
        until: Option<Timestamp>,
    ) -> Stored<bool>;

    /// Gives an endpoint back, as it is; nothing where the lease was lost.
    async fn webhook_release(&self, lease: WebhookLease) -> Stored<()>;
}
