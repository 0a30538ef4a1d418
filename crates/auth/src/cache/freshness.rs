//! The freshness read: before anything that is cached is used, the database is asked what has changed. The read
//! begins after the request has arrived, so whatever was answered before then is seen.
//!
//! Where it is seen from outside that nothing was committed since the last read, that is enough, and no request waits.
//! Elsewhere one read is under way at a time. Requests that arrive meanwhile share the next, so that the database is asked
//! once a round trip, however many requests there are.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::Counter;
use thunderhead_domain::ports::{Changes, Clock, CommitStamp, StorageError};
use thunderhead_domain::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::cache::session_cache::SessionCache;
use crate::metrics::freshness_reads;

/// How often others are let go first before a read begins.
const MOST_TURNS: usize = 16;

/// There was no read yet.
const NEVER: i64 = i64::MIN;

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
    /// A state of the database up to which all changes are known.
    known_up_to: RwLock<Option<CommitStamp>>,
    /// When the last read that succeeded began, in milliseconds.
    read_at: AtomicI64,
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
        let (state, known_up_to, read_at) = (Mutex::default(), RwLock::default(), AtomicI64::new(NEVER));
        let reads = freshness_reads();
        Self { changes, clock, cache, deadline, max_staleness_millis, state, known_up_to, read_at, reads }
    }

    /// Waits until the memory knows all changes that were committed before this was called.
    ///
    /// # Errors
    /// Where the database is away or does not answer within the deadline.
    pub(crate) async fn assure(self: &Arc<Self>) -> Result<(), StorageError> {
        if self.max_staleness_millis > 0 && self.is_fresh_enough() {
            return Ok(());
        }
        if let Some(state) = self.changes.commit_stamp()
            && self.knows_all_at_once(state)
        {
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
        (self.read_at(), self.max_staleness_millis)
    }

    fn read_at(&self) -> Option<Timestamp> {
        let millis = self.read_at.load(Ordering::Relaxed);
        (millis != NEVER).then(|| Timestamp::from_unix_millis(millis))
    }

    fn is_fresh_enough(&self) -> bool {
        let now = self.clock.now();
        let age = self.read_at().map(|read_at| now.millis_since(read_at));
        // A clock that was set back proves nothing.
        age.is_some_and(|age| (0..=self.max_staleness_millis).contains(&age))
    }

    /// Whether the memory knows all changes up to this state of the database, as far as that can be told without waiting.
    fn knows_all_at_once(&self, state: CommitStamp) -> bool {
        let began = self.clock.now();
        let known = self.is_known_up_to(state) || self.changes.is_latest(&self.cache.latest_change());
        if known {
            self.reads.increment(1);
            self.note(Some(state), began);
        }
        known
    }

    fn is_known_up_to(&self, state: CommitStamp) -> bool {
        *self.known_up_to.read().unwrap_or_else(PoisonError::into_inner) == Some(state)
    }

    /// Notes that all changes are known up to a state, if that was seen, and when the question for them was asked.
    fn note(&self, state: Option<CommitStamp>, began: Timestamp) {
        let began = began.unix_millis();
        // Many threads look at either, so it is written where it is another alone.
        if self.read_at.load(Ordering::Relaxed) != began {
            self.read_at.store(began, Ordering::Relaxed);
        }
        if let Some(state) = state.filter(|state| !self.is_known_up_to(*state)) {
            *self.known_up_to.write().unwrap_or_else(PoisonError::into_inner) = Some(state);
        }
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

    /// Has the memory learn what has changed. The state is looked at before the database is asked: what is read is of that
    /// state or a later one.
    async fn read(&self) -> Result<(), StorageError> {
        self.reads.increment(1);
        let began = self.clock.now();
        let state = self.changes.commit_stamp();
        if !state.is_some_and(|state| self.is_known_up_to(state)) {
            let known = self.cache.latest_change();
            if !self.changes.is_latest(&known) {
                let invalidations = self.changes.changes_since(&known).await?;
                self.cache.apply(&invalidations);
            }
        }
        self.note(state, began);
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
