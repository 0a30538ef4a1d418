//! The freshness read: before anything that is cached is used, the database is asked what has changed. The read
//! begins after the request has arrived, so whatever was answered before then is seen.
//!
//! One read is under way at a time. Requests that arrive meanwhile share the next, so that the database is asked once a
//! round trip, however many requests there are.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use metrics::Counter;
use thunderhead_domain::ports::{Changes, Clock, StorageError};
use thunderhead_domain::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::cache::session_cache::SessionCache;
use crate::metrics::freshness_reads;

/// How often others are let go first before a read begins.
const MOST_TURNS: usize = 16;

/// Why nobody knows what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not known what has changed")]
struct Unsure;

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Read,
    Failed,
    /// Who made it is gone: somebody else must.
    Abandoned,
}

/// A read that requests wait for.
struct Round {
    /// By when it is over, however it ends: the patience of the first who waits for it.
    until: Instant,
    outcome: OnceLock<Outcome>,
    over: Notify,
}

impl Round {
    fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, outcome: OnceLock::new(), over: Notify::new() }
    }

    fn end(&self, outcome: Outcome) {
        // It ends once: only who has taken it out of the state ends it.
        self.outcome.set(outcome).ok();
        self.over.notify_waiters();
    }

    async fn outcome(&self) -> Outcome {
        loop {
            let over = self.over.notified();
            if let Some(outcome) = self.outcome.get() {
                return *outcome;
            }
            over.await;
        }
    }
}

#[derive(Default)]
struct State {
    /// Whether somebody is reading, and will go on to the next round.
    reading: bool,
    /// The round that begins when the one under way is over.
    next: Option<Arc<Round>>,
    /// When the last read that succeeded began.
    read_at: Option<Timestamp>,
}

/// Sees to it that a memory knows all changes from before a request.
pub(crate) struct Freshness {
    changes: Arc<dyn Changes>,
    clock: Arc<dyn Clock>,
    cache: Arc<SessionCache>,
    deadline: Duration,
    /// How old a read may be when a request arrives: 0 is what keeps the promise.
    max_staleness_millis: i64,
    state: Mutex<State>,
    reads: Counter,
}

impl Freshness {
    pub(crate) fn new(
        changes: Arc<dyn Changes>,
        clock: Arc<dyn Clock>,
        cache: Arc<SessionCache>,
        deadline: Duration,
        max_staleness_millis: i64,
    ) -> Self {
        let reads = freshness_reads();
        Self { changes, clock, cache, deadline, max_staleness_millis, state: Mutex::default(), reads }
    }

    /// Waits until the memory knows all changes that were committed before this was called.
    ///
    /// # Errors
    /// Where the database is away or does not answer within the deadline.
    pub(crate) async fn assure(self: &Arc<Self>) -> Result<(), StorageError> {
        if self.max_staleness_millis > 0 && self.is_fresh_enough() {
            return Ok(());
        }
        loop {
            match self.join().outcome().await {
                Outcome::Read => return Ok(()),
                Outcome::Failed => return Err(StorageError::Outage(Unsure.into())),
                Outcome::Abandoned => {}
            }
        }
    }

    /// When the last question that was answered was asked, and for how many milliseconds an answer does.
    pub(crate) fn asked_at(&self) -> (Option<Timestamp>, i64) {
        (self.state().read_at, self.max_staleness_millis)
    }

    fn is_fresh_enough(&self) -> bool {
        let now = self.clock.now();
        let age = self.state().read_at.map(|read_at| now.millis_since(read_at));
        // A clock that was set back proves nothing.
        age.is_some_and(|age| (0..=self.max_staleness_millis).contains(&age))
    }

    /// The next round; where nobody is reading, it begins at once.
    fn join(self: &Arc<Self>) -> Arc<Round> {
        let mut state = self.state();
        let round = Arc::clone(state.next.get_or_insert_with(|| Arc::new(Round::new(self.deadline))));
        if !state.reading {
            state.reading = true;
            let reader = Reader { freshness: Arc::clone(self), round: None, done: false };
            drop(state);
            // Not on the request's own path: who asks may leave, and others wait for the same read.
            tokio::spawn(reader.read_on());
        }
        round
    }

    /// Has the memory learn what has changed.
    async fn read(&self) -> Result<(), StorageError> {
        self.reads.increment(1);
        let began = self.clock.now();
        let known = self.cache.latest_change();
        if !self.changes.is_latest(known) {
            let invalidations = self.changes.changes_since(known).await?;
            self.cache.apply(&invalidations);
        }
        self.state().read_at = Some(began);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who reads, as long as somebody waits for it. Dropped half-way – its runtime was shut down – it leaves the rest to
/// others.
struct Reader {
    freshness: Arc<Freshness>,
    /// The round under way.
    round: Option<Arc<Round>>,
    /// Whether nobody waits any more.
    done: bool,
}

impl Reader {
    async fn read_on(mut self) {
        loop {
            self.wait_for_others().await;
            let Some(until) = self.begin_round() else { return };
            let outcome = match timeout_at(until, self.freshness.read()).await {
                Ok(Ok(())) => Outcome::Read,
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "{Unsure}");
                    Outcome::Failed
                }
                Err(_) => {
                    tracing::warn!("{Unsure}: the database does not answer");
                    Outcome::Failed
                }
            };
            if let Some(round) = self.round.take() {
                round.end(outcome);
            }
        }
    }

    /// Lets everybody ask who can by now, before the round begins: the fewer rounds, the less they cost. While more and
    /// more do, the processor is busy with them, and the read would gain nothing by beginning earlier.
    async fn wait_for_others(&self) {
        let mut waiting = 0;
        for _ in 0..MOST_TURNS {
            yield_now().await;
            let now = self.freshness.state().next.as_ref().map_or(0, Arc::strong_count);
            if now == waiting {
                return;
            }
            waiting = now;
        }
    }

    /// Takes the next round, if anybody waits for it; returns by when it has to be over.
    fn begin_round(&mut self) -> Option<Instant> {
        let mut state = self.freshness.state();
        self.round = state.next.take();
        state.reading = self.round.is_some();
        self.done = !state.reading;
        self.round.as_ref().map(|round| round.until)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let next = {
            let mut state = self.freshness.state();
            state.reading = false;
            state.next.take()
        };
        for round in [self.round.take(), next].into_iter().flatten() {
            round.end(Outcome::Abandoned);
        }
    }
}

#[cfg(test)]
mod tests;
