//! What is read for an endpoint, and what is sent to it.

use thunderhead_domain::event::{EventCursor, EventData};
use thunderhead_domain::ports::{FeedQuery, WebhookMessage};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{Webhook, WebhookUrl};

use super::secret::Signers;

/// `data` of an event as JSON.
pub type EventRendering = fn(&EventData) -> Result<String, serde_json::Error>;

/// What is read for an endpoint.
pub(super) const fn query(webhook: &Webhook, after: EventCursor, limit: u32) -> FeedQuery {
    FeedQuery { after: Some(after), types: webhook.types, limit, personal: webhook.personal }
}

/// The body. Names of types and moments are JSON as they are.
pub(super) fn body(event_type: &str, at: Timestamp, data: &str) -> String {
    format!(r#"{{"type":"{event_type}","timestamp":"{at}","data":{data}}}"#)
}

/// A body with its signature.
pub(super) fn signed(signers: &Signers, id: String, url: WebhookUrl, at: Timestamp, body: String) -> WebhookMessage {
    let signature = signers.sign(&id, at, &body);
    WebhookMessage { url, id, at, signature, body }
}
