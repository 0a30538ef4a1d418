//! What the operator does with endpoints, and what staff see of them.

use std::sync::Arc;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::event::EventTypes;
use thunderhead_domain::ports::{FeedPage, StorageError, WebhookAdded, WebhookAnswer, WebhookSendError, WebhookSender};
use thunderhead_domain::session::Actor;
use thunderhead_domain::webhook::{
    InvalidWebhookName, MOST_WEBHOOKS, PreviousSecret, StopReason, Webhook, WebhookId, WebhookName, WebhookProgress,
    WebhookSecrets, WebhookState,
};

use super::message::{body, query, signed};
use super::secret::{Signers, WebhookSecret};
use super::url::{InvalidWebhookUrl, parse_webhook_url};
use crate::environment::{Environment, random_uuid};
use crate::feed::EventFeed;
use crate::tokens::keys::{EncryptionKeys, SigningKeyError};

/// How long a secret that was replaced still signs, in seconds: a day, in which the receiver gets the new one.
const OVERLAP_SECONDS: i64 = 86_400;
/// The type of what is sent to try an endpoint; no event has it.
const TEST_TYPE: &str = "webhook.test";

/// An endpoint that the operator adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookForm {
    /// The name.
    pub name: String,
    /// The URL.
    pub url: String,
    /// Which events it gets.
    pub types: EventTypes,
    /// Whether it gets personal data with them.
    pub personal: bool,
}

/// An endpoint, and how many events of whatever type it has still to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookStatus {
    /// The endpoint.
    pub webhook: Webhook,
    /// How many; `None` where its place in the feed is gone.
    pub behind: Option<u64>,
}

/// Why something was not done with an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] InvalidWebhookName),
    /// The URL cannot be one.
    #[error(transparent)]
    Url(#[from] InvalidWebhookUrl),
    /// There is one of this name.
    #[error("the webhook name {0} is taken")]
    Taken(WebhookName),
    /// There are as many as there may be.
    #[error("there are {MOST_WEBHOOKS} webhooks, which is the most there may be")]
    TooMany,
    /// There is none of this name.
    #[error("there is no webhook {0}")]
    Unknown(WebhookName),
    /// Somebody else has just given it another secret.
    #[error("the secret of {0} was changed meanwhile: try again")]
    Changed(WebhookName),
    /// It did not answer what was sent to try it.
    #[error("it did not arrive: {0}")]
    Unsent(#[from] WebhookSendError),
    /// A secret could not be encrypted or decrypted.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Endpoints, for who manages them.
pub struct WebhookManager {
    environment: Environment,
    feed: Arc<EventFeed>,
}

impl WebhookManager {
    pub(crate) const fn new(environment: Environment, feed: Arc<EventFeed>) -> Self {
        Self { environment, feed }
    }

    /// All endpoints, by name, for staff.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn list_for(&self, _staff: &StaffPrincipal) -> Result<Vec<WebhookStatus>, StorageError> {
        self.statuses().await
    }

    /// All endpoints, by name.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn list(&self) -> Result<Vec<WebhookStatus>, WebhookError> {
        Ok(self.statuses().await?)
    }

    async fn statuses(&self) -> Result<Vec<WebhookStatus>, StorageError> {
        let all = self.environment.storage.webhook_list().await?;
        if all.is_empty() {
            return Ok(vec![]);
        }
        let latest = self.feed.latest().await?;
        let status = |webhook: Webhook| {
            let behind = match webhook.progress.state {
                WebhookState::Stopped { why: StopReason::CursorGone, .. } => None,
                WebhookState::Delivering | WebhookState::Retrying { .. } | WebhookState::Stopped { .. } => {
                    Some(latest.number.saturating_sub(webhook.progress.cursor.number).max(0).unsigned_abs())
                }
            };
            WebhookStatus { webhook, behind }
        };
        Ok(all.into_iter().map(status).collect())
    }

    /// Adds an endpoint, which gets what happens from now on; returns its secret, to be shown once.
    ///
    /// # Errors
    /// [`WebhookError`]: nothing was added.
    pub async fn add(&self, keys: &EncryptionKeys, form: WebhookForm) -> Result<WebhookSecret, WebhookError> {
        let WebhookForm { name, url, types, personal } = form;
        let (name, url) = (WebhookName::try_from(name)?, parse_webhook_url(&url)?);
        let id = WebhookId(self.environment.new_uuid());
        let secret = WebhookSecret::generate(&*self.environment.random);
        let webhook = Webhook {
            id,
            name: name.clone(),
            url,
            types,
            personal,
            secrets: WebhookSecrets { sealed: secret.seal(id, keys)?, previous: None },
            created_at: self.environment.now(),
            progress: WebhookProgress::from(self.feed.latest().await?),
            leased_until: None,
        };
        match self.environment.storage.webhook_add(webhook, self.action()).await? {
            WebhookAdded::Added => Ok(secret),
            WebhookAdded::Taken => Err(WebhookError::Taken(name)),
            WebhookAdded::TooMany => Err(WebhookError::TooMany),
        }
    }

    /// Forgets an endpoint, with its secrets.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], or where the database is away.
    pub async fn remove(&self, name: &str) -> Result<(), WebhookError> {
        let name = WebhookName::try_from(name.to_owned())?;
        if self.environment.storage.webhook_remove(&name, self.action()).await? {
            Ok(())
        } else {
            Err(WebhookError::Unknown(name))
        }
    }

    /// Gives an endpoint another secret, and returns it, to be shown once, with what is known of the one before: for a
    /// day, both sign.
    ///
    /// # Errors
    /// [`WebhookError`]: the secret is the same as before.
    pub async fn rotate(
        &self,
        keys: &EncryptionKeys,
        name: &str,
    ) -> Result<(WebhookSecret, PreviousSecret), WebhookError> {
        let webhook = self.known(name).await?;
        let sealed = webhook.secrets.sealed;
        // One that nobody can open could not sign: better told now.
        WebhookSecret::open(&sealed, webhook.id, keys)?;
        let secret = WebhookSecret::generate(&*self.environment.random);
        let until = self.environment.now().plus_seconds(OVERLAP_SECONDS);
        let previous = PreviousSecret { sealed: sealed.clone(), until };
        let secrets = WebhookSecrets { sealed: secret.seal(webhook.id, keys)?, previous: Some(previous.clone()) };
        if self.environment.storage.webhook_rotate(webhook.id, &sealed, secrets, self.action()).await? {
            Ok((secret, previous))
        } else {
            Err(WebhookError::Changed(webhook.name))
        }
    }

    /// Has an endpoint tried again at once, whatever stopped it: from where it is, or where that is gone, from the first
    /// event that is kept. Returns it as it was.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], or where the database is away.
    pub async fn resend(&self, name: &str) -> Result<Webhook, WebhookError> {
        let webhook = self.known(name).await?;
        let from = match self.feed.read(query(&webhook, webhook.progress.cursor, 1)).await? {
            FeedPage::Gone { first } => Some(first),
            FeedPage::Page { .. } => None,
        };
        if self.environment.storage.webhook_resume(webhook.id, from, self.action()).await? {
            Ok(webhook)
        } else {
            Err(WebhookError::Unknown(webhook.name))
        }
    }

    /// Sends something to try an endpoint, from here and at once; returns what it answered.
    ///
    /// # Errors
    /// [`WebhookError::Unsent`] where it did not answer.
    pub async fn test(
        &self,
        keys: &EncryptionKeys,
        sender: &dyn WebhookSender,
        name: &str,
    ) -> Result<WebhookAnswer, WebhookError> {
        let webhook = self.known(name).await?;
        let now = self.environment.now();
        let signers = Signers::open(&webhook.secrets, webhook.id, keys, now)?;
        let id = format!("test_{}", random_uuid(&*self.environment.random).simple());
        Ok(sender.send(signed(&signers, id, webhook.url, now, body(TEST_TYPE, now, "{}"))).await?)
    }

    async fn known(&self, name: &str) -> Result<Webhook, WebhookError> {
        let name = WebhookName::try_from(name.to_owned())?;
        self.environment.storage.webhook_find(&name).await?.ok_or(WebhookError::Unknown(name))
    }

    fn action(&self) -> ActionContext {
        ActionContext { at: self.environment.now(), by: Actor::CommandLine, client_ip: None }
    }
}
