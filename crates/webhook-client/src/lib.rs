//! Posts webhooks (Standard Webhooks 1.0): one request over one new connection, to an address that was checked. There is no
//! redirect to follow and no proxy to find here, so nothing leads anywhere else.

mod connect;
mod exchange;
mod resolve;
mod tls;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use thunderhead_domain::ports::{WebhookAnswer, WebhookMessage, WebhookSendError, WebhookSender};
use tokio::time::timeout;
use url::Url;

use self::resolve::{Resolver, SystemResolver};
use self::tls::Tls;

/// How long an attempt may take, from the question for an address to the head of the answer.
const ATTEMPT: Duration = Duration::from_secs(15);

/// Posts webhooks to addresses that the system resolves, by certificates that the system trusts.
pub struct WebhookClient {
    resolver: Arc<dyn Resolver>,
    tls: Tls,
    attempt: Duration,
}

impl Default for WebhookClient {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), tls: Tls::default(), attempt: ATTEMPT }
    }
}

impl WebhookClient {
    /// The same with less patience.
    #[must_use]
    pub fn with_patience(self, attempt: Duration) -> Self {
        Self { attempt, ..self }
    }

    async fn attempt(&self, message: &WebhookMessage) -> Result<WebhookAnswer, WebhookSendError> {
        let url = Url::parse(message.url.as_str()).map_err(|_| WebhookSendError::Url)?;
        let addresses = resolve::checked(&*self.resolver, &url).await?;
        let stream = connect::first(&addresses).await?;
        match url.scheme() {
            "https" => exchange::run(TokioIo::new(self.tls.over(stream, &url).await?), &url, message).await,
            _ => exchange::run(TokioIo::new(stream), &url, message).await,
        }
    }
}

#[async_trait]
impl WebhookSender for WebhookClient {
    async fn send(&self, message: WebhookMessage) -> Result<WebhookAnswer, WebhookSendError> {
        timeout(self.attempt, self.attempt(&message)).await.unwrap_or(Err(WebhookSendError::TimedOut))
    }
}
