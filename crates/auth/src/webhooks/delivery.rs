//! Which endpoints there is something for, and the delivery to each, by one replica at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::{FeedPage, StorageError, Stored, WebhookSender};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{Webhook, WebhookId, WebhookLease, WebhookState};

use super::message::{EventRendering, query};
use super::run::{Run, RunContext};
use crate::environment::Environment;
use crate::feed::EventFeed;
use crate::metrics;
use crate::tokens::keys::EncryptionKeys;

/// How many events are read at once.
const PAGE: u32 = 100;
/// How long a replica has an endpoint for itself, in milliseconds: longer than an attempt and writing what came of it. Others
/// count it from when they see it, by their own clock.
const LEASE_MILLIS: i64 = 60_000;
/// How long what was read in vain is kept in memory alone, in milliseconds. Events that are not for an endpoint move its
/// place in the feed too, lest retention overtakes it.
const MOVE_MILLIS: i64 = 600_000;

/// What delivers webhooks.
pub struct WebhookDelivery {
    environment: Environment,
    feed: Arc<EventFeed>,
    keys: EncryptionKeys,
    sender: Arc<dyn WebhookSender>,
    render: EventRendering,
    stopping: AtomicBool,
    served: Mutex<HashMap<WebhookId, Served>>,
}

/// What this process knows of an endpoint beside what is stored.
#[derive(Clone, Copy, Default)]
struct Served {
    /// Whether it is being delivered to here.
    busy: bool,
    lease: Option<WebhookLease>,
    /// The lease that somebody has, by when it is to end, and since when it has been the same.
    seen: Option<(Timestamp, Timestamp)>,
    passed: Option<Passed>,
}

/// Events that were not for an endpoint.
#[derive(Clone, Copy)]
struct Passed {
    /// What they come after, as it is stored.
    stored: EventCursor,
    last: EventCursor,
    /// Since when the last one is ahead of what is stored.
    since: Timestamp,
}

/// What there is to do.
#[derive(Debug)]
pub struct DueWebhooks {
    /// Whether there is any endpoint that may get something.
    pub any: bool,
    /// Those that there may be something for, at this moment.
    pub due: Vec<Webhook>,
}

impl WebhookDelivery {
    pub(crate) fn new(
        environment: Environment,
        feed: Arc<EventFeed>,
        keys: EncryptionKeys,
        sender: Arc<dyn WebhookSender>,
        render: EventRendering,
    ) -> Self {
        let (stopping, served) = (AtomicBool::new(false), Mutex::default());
        Self { environment, feed, keys, sender, render, stopping, served }
    }

    /// The endpoints that there may be something for, and nobody is delivering to. Where there is none that may get
    /// anything, that is one read.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn due(&self) -> Stored<DueWebhooks> {
        let mut all = self.environment.storage.webhook_list().await?;
        metrics::webhooks(&all);
        self.served().retain(|id, served| served.busy || all.iter().any(|webhook| webhook.id == *id));
        all.retain(|webhook| !matches!(webhook.progress.state, WebhookState::Stopped { .. }));
        if all.is_empty() {
            metrics::webhook_events_behind(0);
            return Ok(DueWebhooks { any: false, due: all });
        }
        let latest = self.feed.latest().await?;
        let behind = |webhook: &Webhook| latest.number.saturating_sub(self.position(webhook).number);
        metrics::webhook_events_behind(all.iter().map(behind).max().unwrap_or(0));
        let now = self.environment.now();
        all.retain(|webhook| {
            let free = self.is_free(webhook, now);
            free && webhook.progress.state.is_due(now)
                && self.position(webhook) != latest
                && !self.served().get(&webhook.id).is_some_and(|served| served.busy)
        });
        Ok(DueWebhooks { any: true, due: all })
    }

    /// Delivers to an endpoint what there is for it, until an attempt fails, somebody else has it, or the server stops.
    ///
    /// # Errors
    /// Where the database is away: what was not noted is delivered once more.
    pub async fn deliver(&self, webhook: Webhook) -> Stored<()> {
        let Some(_busy) = self.begin(webhook.id) else { return Ok(()) };
        if !self.has_something(&webhook).await? {
            return Ok(());
        }
        let Some((lease, webhook)) = self.lease(&webhook).await? else { return Ok(()) };
        let context = RunContext {
            environment: &self.environment,
            feed: &self.feed,
            keys: &self.keys,
            sender: &*self.sender,
            render: self.render,
            stopping: &self.stopping,
            lease_millis: LEASE_MILLIS,
            page: PAGE,
        };
        let position = self.position(&webhook);
        let outcome = Run::new(context, lease, &webhook, position).finish().await;
        if outcome.is_err() {
            self.environment.storage.webhook_release(lease).await?;
        }
        outcome
    }

    /// Has deliveries end after the attempt that is under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether they are to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The endpoints that this process has for itself.
    pub fn leases(&self) -> Vec<WebhookLease> {
        self.served().values().filter_map(|served| served.lease).collect()
    }

    /// Gives endpoints back to whoever comes first, where deliveries were cut short.
    ///
    /// # Errors
    /// Where the database is away: others wait until the leases are over.
    pub async fn give_back(&self, leases: Vec<WebhookLease>) -> Stored<()> {
        for lease in leases {
            self.environment.storage.webhook_release(lease).await?;
        }
        Ok(())
    }

    async fn lease(&self, webhook: &Webhook) -> Stored<Option<(WebhookLease, Webhook)>> {
        let (storage, now) = (&self.environment.storage, self.environment.now());
        let (over, until) = (webhook.leased_until, now.plus_millis(LEASE_MILLIS));
        let leased = storage.webhook_lease(webhook.id, over, now, until).await?;
        if let (Some((lease, _)), Some(served)) = (&leased, self.served().get_mut(&webhook.id)) {
            served.lease = Some(*lease);
        }
        Ok(leased)
    }

    /// Whether nobody has an endpoint, or who had it has not said anything for as long as a lease lasts.
    fn is_free(&self, webhook: &Webhook, now: Timestamp) -> bool {
        let Some(until) = webhook.leased_until else { return true };
        let mut served = self.served();
        let seen = &mut served.entry(webhook.id).or_default().seen;
        match *seen {
            Some((same, since)) if same == until => now.millis_since(since) >= LEASE_MILLIS,
            _ => {
                *seen = Some((until, now));
                false
            }
        }
    }

    /// Whether something is worth a lease: an event for the endpoint, a place in the feed that is gone, or a place that
    /// was not written for long.
    async fn has_something(&self, webhook: &Webhook) -> Result<bool, StorageError> {
        let now = self.environment.now();
        loop {
            let after = self.position(webhook);
            match self.feed.read(query(webhook, after, 1)).await? {
                FeedPage::Page { items, next, more } if items.is_empty() => {
                    let long = self.pass(webhook, next, now);
                    if long || !more {
                        return Ok(long);
                    }
                }
                FeedPage::Page { .. } | FeedPage::Gone { .. } => return Ok(true),
            }
        }
    }

    /// Notes that nothing was for an endpoint up to an event; says whether that should be written by now.
    fn pass(&self, webhook: &Webhook, last: EventCursor, now: Timestamp) -> bool {
        let stored = webhook.progress.cursor;
        let mut served = self.served();
        let passed = &mut served.entry(webhook.id).or_default().passed;
        let since = passed.filter(|passed| passed.stored == stored).map_or(now, |passed| passed.since);
        *passed = Some(Passed { stored, last, since });
        now.millis_since(since) >= MOVE_MILLIS
    }

    /// Up to where everything was delivered, or was not for this endpoint.
    fn position(&self, webhook: &Webhook) -> EventCursor {
        let stored = webhook.progress.cursor;
        let passed = self.served().get(&webhook.id).and_then(|served| served.passed);
        passed.filter(|passed| passed.stored == stored).map_or(stored, |passed| passed.last)
    }

    fn begin(&self, id: WebhookId) -> Option<Busy<'_>> {
        let mut served = self.served();
        let served = served.entry(id).or_default();
        if served.busy || self.is_stopping() {
            return None;
        }
        served.busy = true;
        Some(Busy { delivery: self, id })
    }

    fn served(&self) -> MutexGuard<'_, HashMap<WebhookId, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an endpoint from being delivered to twice at once in one process.
struct Busy<'a> {
    delivery: &'a WebhookDelivery,
    id: WebhookId,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(served) = self.delivery.served().get_mut(&self.id) {
            (served.busy, served.lease) = (false, None);
        }
    }
}
