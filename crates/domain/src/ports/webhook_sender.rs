//! How a webhook is sent.

use std::net::IpAddr;

use async_trait::async_trait;

use crate::time::Timestamp;
use crate::webhook::WebhookUrl;

/// One event on its way to an endpoint, signed (Standard Webhooks 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Where to.
    pub url: WebhookUrl,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub at: Timestamp,
    /// `webhook-signature`.
    pub signature: String,
    /// The body, which is JSON.
    pub body: String,
}

/// What an endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The status.
    pub status: u16,
    /// After how many seconds it wants to be asked again, if it said so.
    pub retry_after: Option<i64>,
}

/// Why an endpoint did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSendError {
    /// It has no URL that webhooks may go to.
    #[error("the URL is no https URL, and no http URL of this machine")]
    Url,
    /// Its name has no address.
    #[error("the name cannot be resolved: {0}")]
    Unresolved(String),
    /// Nothing is posted to such an address ([`address`](crate::webhook::address)).
    #[error("the address {0} is refused")]
    Refused(IpAddr),
    /// Without TLS, nothing leaves this machine.
    #[error("the address {0} is not this machine's, and the URL is http")]
    NotLoopback(IpAddr),
    /// No connection could be made.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Its certificate, or its TLS, is not as it must be.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The connection broke, or what came was no answer.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
}

/// What posts webhooks.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Posts one, once: follows no redirect, and comes to an end in bounded time.
    async fn send(&self, message: WebhookMessage) -> Result<WebhookAnswer, WebhookSendError>;
}
