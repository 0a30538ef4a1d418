//! Sending what the layer has collected: in batches, beside the requests, none of which ever waits for it. What finds no
//! room, or does not arrive after some attempts, is lost and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::rt;
use anyhow::Context;
use hyper::body::Bytes;
use thunderhead_domain::ports::Random;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::collector::{Collector, SendError};
use super::layer::{FinishedSpan, SpanLayer};
use super::message::{self, Resource};
use crate::config::Config;
use crate::system::{SystemClock, SystemRandom};

/// How many spans wait at most: those of some hundred requests a second, while a collector is restarted.
const MOST_WAITING: usize = 8_192;
/// How many are sent at once.
const BATCH: usize = 512;
/// How often is looked for what waits.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it is waited after each failed attempt but the last.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How long the last spans may take, before the process ends.
const LAST: Duration = Duration::from_millis(1_500);
/// How often it is said that spans are lost.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// What waits to be sent, and where.
pub(crate) struct SpanQueue {
    spans: mpsc::Receiver<FinishedSpan>,
    lost: Arc<AtomicU64>,
    collector: Collector,
    resource: Resource,
}

/// What traces need, if the settings ask for them.
///
/// # Errors
/// Where a collector cannot be asked over TLS.
pub(crate) fn set_up(config: &Config) -> anyhow::Result<Option<(SpanLayer, SpanQueue)>> {
    let Some(settings) = &config.traces else { return Ok(None) };
    let collector = Collector::at(settings.endpoint.as_str()).context("`otlp.endpoint`")?;
    let (sender, spans) = mpsc::channel(MOST_WAITING);
    let (clock, random, lost) = (Arc::new(SystemClock), Arc::new(SystemRandom), Arc::<AtomicU64>::default());
    let mut instance = [0; 16];
    random.fill(&mut instance);
    let resource = Resource {
        instance: format!("{:032x}", u128::from_be_bytes(instance)),
        address: config.http.public_url.as_ref().map(|url| url.host().to_owned()),
    };
    let layer = SpanLayer::new(sender, Arc::clone(&lost), clock, random, settings.one_in);
    Ok(Some((layer, SpanQueue { spans, lost, collector, resource })))
}

/// Sends until it is stopped.
pub(crate) struct SpanExporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl SpanExporter {
    /// Begins, on this thread's runtime.
    pub(crate) fn start(queue: SpanQueue) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: rt::spawn(export(queue, stopped)) }
    }

    /// Sends what waits, as far as there is time for it.
    pub(crate) async fn stop(self) {
        self.stop.send(()).ok();
        if timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last spans were not sent in time");
        }
    }
}

async fn export(mut queue: SpanQueue, mut stopped: oneshot::Receiver<()>) {
    let mut complaints = Complaints::default();
    loop {
        if queue.spans.len() < BATCH {
            tokio::select! {
                _ = &mut stopped => break,
                () = sleep(INTERVAL) => {}
            }
        }
        let Some((count, body)) = queue.batch() else { continue };
        let is_over = tokio::select! {
            _ = &mut stopped => None,
            outcome = queue.deliver(&body) => Some(outcome),
        };
        let Some(outcome) = is_over else {
            drop(queue.collector.post(body).await);
            break;
        };
        complaints.note(&queue.lost, count, outcome);
    }
    while let Some((_, body)) = queue.batch() {
        drop(queue.collector.post(body).await);
    }
}

impl SpanQueue {
    /// Some of what waits, and how many they are.
    fn batch(&mut self) -> Option<(u64, Bytes)> {
        let mut batch = vec![];
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        (count > 0).then(|| (count, message::body(&self.resource, &batch).into()))
    }

    /// Tries it as often as it may help.
    async fn deliver(&self, body: &Bytes) -> Result<(), SendError> {
        for wait in WAITS {
            match self.collector.post(body.clone()).await {
                Err(error) if error.may_pass() => sleep(wait).await,
                outcome => return outcome,
            }
        }
        self.collector.post(body.clone()).await
    }
}

/// Tells what is lost, once in a while.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    fn note(&mut self, lost: &AtomicU64, count: u64, outcome: Result<(), SendError>) {
        let why = outcome.err();
        if why.is_some() {
            lost.fetch_add(count, Ordering::Relaxed);
        }
        let is_due = self.last.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL);
        if !is_due || lost.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.last = Some(Instant::now());
        let lost = lost.swap(0, Ordering::Relaxed);
        match why {
            Some(error) => {
                tracing::warn!(lost, error = &error as &dyn std::error::Error, "spans do not reach the collector");
            }
            None => tracing::warn!(lost, "more spans than the collector takes in time"),
        }
    }
}
