//! What is done regularly beside the requests, on every replica. A database that is away is tried again.

mod backlog;
mod retention;
mod webhooks;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use thunderhead_auth::Auth;
use thunderhead_domain::ports::{Clock, Storage};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::config::{Config, RetentionPeriods};

/// How often the times of last use, and failed logins, are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last of them may take, before the process ends.
const LAST_FLUSH: Duration = Duration::from_millis(1_500);
/// How often there is a look for new signing keys: well before they begin to sign.
const KEY_INTERVAL: Duration = Duration::from_secs(10);
/// How often the database is asked for what is measured of it: whether it takes changes, and which kill switches are on.
const MEASURE_INTERVAL: Duration = Duration::from_secs(15);
/// How often failed logins become records.
const RECORD_INTERVAL: Duration = Duration::from_secs(60);
/// How often there is a look at what requests have left to be finished.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);
/// How often there is a look at what is past its retention.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The tasks of one process.
pub(crate) struct Tasks {
    work: Arc<Work>,
    handles: Vec<JoinHandle<()>>,
    webhooks: JoinHandle<()>,
}

/// What the tasks do, and with what.
struct Work {
    auth: Arc<Auth>,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    retention: RetentionPeriods,
}

impl Tasks {
    /// Starts all of them on this thread's runtime.
    pub(crate) fn start(config: &Config, auth: Arc<Auth>, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Self {
        let work = Work { auth, storage, clock, retention: config.retention };
        let work = Arc::new(work);
        let mut handles = vec![
            every(FLUSH_INTERVAL, &work, Work::flush),
            every(KEY_INTERVAL, &work, Work::refresh_keys),
            every(RECORD_INTERVAL, &work, Work::record_failed_logins),
            every(RETENTION_INTERVAL, &work, Work::prune),
            every(BACKLOG_INTERVAL, &work, Work::finish),
        ];
        if config.metrics_listen.is_some() {
            handles.push(every(MEASURE_INTERVAL, &work, Work::measure));
        }
        let webhooks = rt::spawn(webhooks::deliver(Arc::clone(&work.auth)));
        Self { work, handles, webhooks }
    }

    /// Ends them, and writes what is noted in memory.
    pub(crate) async fn stop(self) {
        self.handles.iter().for_each(JoinHandle::abort);
        let webhooks = webhooks::stop(&self.work.auth, self.webhooks);
        tokio::join!(webhooks, self.work.flush_at_last());
    }
}

impl Work {
    async fn flush_at_last(&self) {
        if timeout(LAST_FLUSH, self.flush()).await.is_err() {
            tracing::warn!("times of last use or failed logins were not written in time");
        }
    }

    async fn flush(&self) {
        if let Err(error) = self.auth.flush_failures().await {
            tracing::warn!(error = &error as &dyn Error, "failed logins were not counted");
        }
        if let Err(error) = self.auth.lookup.flush_uses().await {
            tracing::warn!(error = &error as &dyn Error, "the times of last use were not written");
        }
        if let Err(error) = self.auth.services.flush_uses().await {
            tracing::warn!(error = &error as &dyn Error, "when services last asked was not written");
        }
    }

    async fn refresh_keys(&self) {
        if let Err(error) = self.auth.tokens.refresh_keys().await {
            tracing::warn!(error = &error as &dyn Error, "the signing keys were not refreshed");
        }
    }

    /// Keeps the measurements of the database true, whoever else asks or does not.
    async fn measure(&self) {
        self.auth.write_check.takes_changes().await;
        if let Err(error) = self.auth.switches.measure().await {
            tracing::warn!(error = &error as &dyn Error, "the kill switches were not measured");
        }
    }

    async fn record_failed_logins(&self) {
        retention::record_failed_logins(&*self.storage, self.clock.now()).await;
    }

    async fn prune(&self) {
        retention::prune(&*self.storage, self.retention, self.clock.now()).await;
    }

    async fn finish(&self) {
        backlog::finish(&*self.storage, &*self.clock).await;
    }
}

/// Does something at once and then regularly. What took longer than the period is not made up for.
fn every(period: Duration, work: &Arc<Work>, task: impl AsyncFn(&Work) + 'static) -> JoinHandle<()> {
    let work = Arc::clone(work);
    rt::spawn(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            task(&work).await;
        }
    })
}

/// How much longer than a batch the rest after it takes.
const REST: u32 = 3;

/// Lets others have the database for longer than a batch took: so no more than a quarter of a processor is busy with
/// this, and the slower everything is, the more room there is.
async fn rest(begun: Instant) {
    sleep(begun.elapsed() * REST).await;
}
