//! One run of deliveries to one endpoint, under one lease.

use std::sync::atomic::{AtomicBool, Ordering};

use thunderhead_domain::event::{Event, EventCursor};
use thunderhead_domain::ports::{FeedPage, Stored, WebhookAnswer, WebhookMessage, WebhookSendError, WebhookSender};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{StopReason, Webhook, WebhookFailure, WebhookLease, WebhookProgress, WebhookState};

use super::message::{EventRendering, body, query, signed};
use super::schedule::next_attempt;
use super::secret::Signers;
use crate::environment::Environment;
use crate::feed::EventFeed;
use crate::metrics::WebhookOutcome;
use crate::tokens::keys::EncryptionKeys;

/// How often the place in the feed is written while one event after the other is taken, in milliseconds: so many are
/// delivered once more at most when the process is killed.
const SAVE_MILLIS: i64 = 1_000;
/// The most that is kept of what went wrong, in characters.
const LONGEST_FAILURE: usize = 200;

/// What a run works with.
pub(super) struct RunContext<'a> {
    pub(super) environment: &'a Environment,
    pub(super) feed: &'a EventFeed,
    pub(super) keys: &'a EncryptionKeys,
    pub(super) sender: &'a dyn WebhookSender,
    pub(super) render: EventRendering,
    pub(super) stopping: &'a AtomicBool,
    pub(super) lease_millis: i64,
    pub(super) page: u32,
}

/// What came of an attempt.
enum Attempt {
    Taken,
    Gone,
    Failed { what: String, retry_after: Option<i64> },
}

/// Whether there is more to do under this lease.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

pub(super) struct Run<'a> {
    context: RunContext<'a>,
    lease: WebhookLease,
    webhook: &'a Webhook,
    progress: WebhookProgress,
    saved_at: Timestamp,
}

impl<'a> Run<'a> {
    /// Goes on from a place in the feed, up to which nothing was for the endpoint.
    pub(super) fn new(
        context: RunContext<'a>,
        lease: WebhookLease,
        webhook: &'a Webhook,
        position: EventCursor,
    ) -> Self {
        let (saved_at, mut progress) = (context.environment.now(), webhook.progress.clone());
        progress.cursor = position;
        Self { context, lease, webhook, progress, saved_at }
    }

    pub(super) async fn finish(mut self) -> Stored<()> {
        loop {
            match self.context.feed.read(query(self.webhook, self.progress.cursor, self.context.page)).await? {
                FeedPage::Gone { .. } => {
                    let what = "the events that follow are not kept any more, or a backup was restored".to_owned();
                    self.stop(StopReason::CursorGone, what).await?;
                    return Ok(());
                }
                FeedPage::Page { items, next, more } => {
                    for event in &items {
                        if self.deliver(event).await? == Next::End {
                            return Ok(());
                        }
                    }
                    self.progress.cursor = next;
                    if !more {
                        self.save(None).await?;
                        return Ok(());
                    }
                    if self.keep().await? == Next::End {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn deliver(&mut self, event: &Event) -> Stored<Next> {
        // Who was paused for longer than the lease may not disturb who has it now.
        if self.now() >= self.leased_until() {
            return Ok(Next::End);
        }
        match self.attempt(event).await {
            Attempt::Taken => {
                WebhookOutcome::Delivered.counter().increment(1);
                self.progress.cursor = event.cursor;
                self.progress.state = WebhookState::Delivering;
                self.progress.succeeded_at = Some(self.now());
                self.keep().await
            }
            Attempt::Gone => {
                WebhookOutcome::Gone.counter().increment(1);
                self.stop(StopReason::Gone, "answered 410".to_owned()).await?;
                Ok(Next::End)
            }
            Attempt::Failed { what, retry_after } => {
                WebhookOutcome::Failed.counter().increment(1);
                self.postpone(event, what, retry_after).await?;
                Ok(Next::End)
            }
        }
    }

    async fn attempt(&self, event: &Event) -> Attempt {
        let message = match self.message(event) {
            Ok(message) => message,
            Err(what) => return Attempt::Failed { what, retry_after: None },
        };
        match self.context.sender.send(message).await {
            Ok(WebhookAnswer { status: 200..=299, .. }) => Attempt::Taken,
            Ok(WebhookAnswer { status: 410, .. }) => Attempt::Gone,
            Ok(WebhookAnswer { status: status @ 300..=399, retry_after }) => {
                Attempt::Failed { what: format!("answered {status}: redirects are not followed"), retry_after }
            }
            Ok(WebhookAnswer { status, retry_after }) => {
                Attempt::Failed { what: format!("answered {status}"), retry_after }
            }
            Err(error) => Attempt::Failed { what: failure(&error), retry_after: None },
        }
    }

    fn message(&self, event: &Event) -> Result<WebhookMessage, String> {
        let now = self.now();
        let Webhook { id, url, secrets, .. } = self.webhook;
        let signers = Signers::open(secrets, *id, self.context.keys, now).map_err(|error| error.to_string())?;
        let data = (self.context.render)(&event.data).map_err(|error| error.to_string())?;
        let body = body(event.event_type.name(), event.at, &data);
        Ok(signed(&signers, event.cursor.to_string(), url.clone(), now, body))
    }

    /// Writes how far the endpoint has got, where that is due.
    async fn keep(&mut self) -> Stored<Next> {
        let now = self.now();
        if self.context.stopping.load(Ordering::Relaxed) {
            self.save(None).await?;
            return Ok(Next::End);
        }
        if now.millis_since(self.saved_at) < SAVE_MILLIS {
            return Ok(Next::GoOn);
        }
        let still_ours = self.save(Some(now.plus_millis(self.context.lease_millis))).await?;
        self.saved_at = now;
        Ok(if still_ours { Next::GoOn } else { Next::End })
    }

    async fn postpone(&mut self, event: &Event, what: String, retry_after: Option<i64>) -> Stored<()> {
        let failed = match self.progress.state {
            WebhookState::Retrying { attempts, .. } => attempts.saturating_add(1),
            WebhookState::Delivering | WebhookState::Stopped { .. } => 1,
        };
        let (now, random) = (self.now(), &*self.context.environment.random);
        let Some(next_at) = next_attempt(failed, now, retry_after, random) else {
            return self.stop(StopReason::Attempts, what).await;
        };
        let (webhook, id) = (&self.webhook.name, event.cursor);
        tracing::warn!(%webhook, %id, attempts = failed, %next_at, what, "an event was not delivered");
        self.progress.state = WebhookState::Retrying { attempts: failed, next_at };
        self.progress.failure = Some(WebhookFailure { at: now, what });
        self.save(None).await.map(drop)
    }

    async fn stop(&mut self, why: StopReason, what: String) -> Stored<()> {
        let at = self.now();
        tracing::error!(webhook = %self.webhook.name, why = why.name(), what, "nothing is delivered to it any more");
        self.progress.state = WebhookState::Stopped { at, why };
        self.progress.failure = Some(WebhookFailure { at, what });
        self.save(None).await.map(drop)
    }

    /// Whether the endpoint is still this replica's.
    async fn save(&self, until: Option<Timestamp>) -> Stored<bool> {
        self.context.environment.storage.webhook_save(self.lease, self.progress.clone(), until).await
    }

    fn leased_until(&self) -> Timestamp {
        self.saved_at.plus_millis(self.context.lease_millis)
    }

    fn now(&self) -> Timestamp {
        self.context.environment.now()
    }
}

/// What went wrong, in words of bounded length.
fn failure(error: &WebhookSendError) -> String {
    error.to_string().chars().take(LONGEST_FAILURE).collect()
}
