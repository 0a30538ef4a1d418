//! The freshness read: before anything that is cached is used, the database is asked what has changed. The read
//! begins after the request has arrived, so whatever was answered before then is seen.
//!
//! Where it is seen from outside that nothing was committed since the last read, that is enough, and no request waits.
//! Elsewhere one read is under way at a time. Requests that arrive meanwhile share the next, so that the database is asked
//! once a round trip, however many requests there are; and where many share a read, the next begins a little later, so that
//! still more do ([`spacing`]). The thread that reads wakes those who wait.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::Counter;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeRounds, Changes, Clock, CommitStamp, Invalidations, StorageError, Stored,
};
use thunderhead_domain::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::cache::session_cache::SessionCache;
use crate::metrics::freshness_reads;
use crate::settings::CacheSettings;
use crate::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use crate::sync::{Mutex, MutexGuard, OnceLock, RwLock};

/// From so many others on that shared a read the next one is spaced as far as it may be.
const MANY: u32 = 8;

/// There was no read yet.
const NEVER: i64 = i64::MIN;

/// Why nobody knows what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not known what has changed")]
struct Unsure;

/// A read that requests wait for.
#[derive(Default)]
struct Round {
    outcome: OnceLock<Result<(), Unsure>>,
    over: Notify,
    /// Whether it was told that it takes too long.
    told: AtomicBool,
}

impl Round {
    fn end(&self, outcome: Result<(), Unsure>) {
        // It ends once: only who has taken it out of the state ends it.
        self.outcome.set(outcome).ok();
        self.over.notify_waiters();
    }

    async fn outcome(&self) -> Result<(), Unsure> {
        loop {
            let over = self.over.notified();
            if let Some(outcome) = self.outcome.get() {
                return *outcome;
            }
            over.await;
        }
    }

    /// Somebody does not wait any longer.
    fn tell_late(&self) -> Unsure {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("{Unsure}: the database does not answer");
        }
        Unsure
    }
}

#[derive(Default)]
struct State {
    /// Whether somebody is reading, and will go on to the next round.
    reading: bool,
    /// The round that begins when the one under way is over.
    next: Option<Arc<Round>>,
    /// When the last one began, and how far the next is to be from it.
    last: Option<(Instant, Duration)>,
}

impl State {
    /// How long the next round is to wait for others, where somebody waits for it.
    fn pause(&self, now: Instant) -> Duration {
        match (&self.next, self.last) {
            (Some(_), Some((began, spacing))) => spacing.saturating_sub(now.saturating_duration_since(began)),
            _ => Duration::ZERO,
        }
    }
}

/// How far from each other two rounds begin of which the first has answered for so many requests: where that was one alone,
/// nobody would gain anything by a pause.
fn spacing(longest: Duration, requests: usize) -> Duration {
    let others = u32::try_from(requests.saturating_sub(1)).unwrap_or(MANY);
    longest * others.min(MANY) / MANY
}

/// Sees to it that a memory knows all changes from before a request.
pub(crate) struct Freshness {
    changes: Arc<dyn Changes>,
    clock: Arc<dyn Clock>,
    cache: Arc<SessionCache>,
    deadline: Duration,
    longest_spacing: Duration,
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
        settings: CacheSettings,
    ) -> Self {
        let CacheSettings { deadline, longest_spacing, max_staleness_millis, .. } = settings;
        Self {
            changes,
            clock,
            cache,
            deadline,
            longest_spacing,
            max_staleness_millis,
            state: Mutex::default(),
            known_up_to: RwLock::default(),
            read_at: AtomicI64::new(NEVER),
            reads: freshness_reads(),
        }
    }

    /// Whether the memory is found to know all changes that were committed before this was called, without waiting for
    /// anything. The time is one from before, too.
    pub(crate) fn is_sure_at_once(&self, now: Timestamp) -> bool {
        if self.max_staleness_millis > 0 && self.is_fresh_enough(now) {
            return true;
        }
        self.changes.commit_stamp().is_some_and(|state| self.knows_all_at_once(state, now))
    }

    /// Waits until the memory knows all changes that were committed before this was called.
    ///
    /// # Errors
    /// Where the database is away or does not answer within the deadline.
    pub(crate) async fn assure(self: &Arc<Self>) -> Result<(), StorageError> {
        if self.is_sure_at_once(self.clock.now()) {
            return Ok(());
        }
        let round = self.join();
        let waiting = timeout(self.deadline, round.outcome()).instrument(tracing::debug_span!("assure"));
        let outcome = waiting.await.unwrap_or_else(|_| Err(round.tell_late()));
        outcome.map_err(|unsure| StorageError::Outage(unsure.into()))
    }

    /// When the last question that was answered was asked, and for how many milliseconds an answer does.
    pub(crate) fn asked_at(&self) -> (Option<Timestamp>, i64) {
        (self.read_at(), self.max_staleness_millis)
    }

    fn read_at(&self) -> Option<Timestamp> {
        let millis = self.read_at.load(Ordering::Relaxed);
        (millis != NEVER).then(|| Timestamp::from_unix_millis(millis))
    }

    fn is_fresh_enough(&self, now: Timestamp) -> bool {
        let age = self.read_at().map(|read_at| now.millis_since(read_at));
        // A clock that was set back proves nothing.
        age.is_some_and(|age| (0..=self.max_staleness_millis).contains(&age))
    }

    /// Whether the memory knows all changes up to this state of the database, as far as that can be told without waiting.
    fn knows_all_at_once(&self, state: CommitStamp, began: Timestamp) -> bool {
        let known = self.is_known_up_to(state) || self.learns_at_once();
        if known {
            self.reads.increment(1);
            self.note(Some(state), began);
        }
        known
    }

    /// Has the memory learn what has changed, where that can be told without waiting. Several threads may at once: a change
    /// that is learnt twice does no harm.
    fn learns_at_once(&self) -> bool {
        let changes = self.changes.changes_at_once(&self.cache.latest_change());
        changes.map(|changes| self.cache.apply(&changes)).is_some()
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
        let round = Arc::clone(state.next.get_or_insert_default());
        if !state.reading {
            state.reading = true;
            drop(state);
            self.changes.read_in_rounds(Box::new(Rounds { freshness: Arc::clone(self), under_way: None, done: false }));
        }
        round
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads that are made as long as somebody waits for one.
struct Rounds {
    freshness: Arc<Freshness>,
    under_way: Option<UnderWay>,
    /// Whether nobody waits any more.
    done: bool,
}

struct UnderWay {
    round: Arc<Round>,
    began: Timestamp,
    /// What was seen of the database before it was asked: what is read is of that state or a later one.
    state: Option<CommitStamp>,
}

impl Rounds {
    /// Lets more requests arrive, where many do: the fewer rounds, the less they cost.
    fn wait_for_others(&self) {
        loop {
            let pause = self.freshness.state().pause(Instant::now());
            if pause.is_zero() {
                return;
            }
            thread::park_timeout(pause);
        }
    }
}

impl ChangeRounds for Rounds {
    /// Who asks from here on is answered by the round after this one.
    fn begin(&mut self) -> Option<ChangeCursor> {
        self.wait_for_others();
        let Freshness { clock, changes, cache, longest_spacing, reads, .. } = &*self.freshness;
        let round = {
            let mut state = self.freshness.state();
            let round = state.next.take();
            state.reading = round.is_some();
            self.done = !state.reading;
            let round = round?;
            // But for this, each request that waits for it has it.
            let requests = Arc::strong_count(&round) - 1;
            state.last = Some((Instant::now(), spacing(*longest_spacing, requests)));
            round
        };
        reads.increment(1);
        self.under_way = Some(UnderWay { round, began: clock.now(), state: changes.commit_stamp() });
        Some(cache.latest_change())
    }

    fn end(&mut self, changes: Stored<Invalidations>) {
        let Some(UnderWay { round, began, state }) = self.under_way.take() else { return };
        let outcome = match changes {
            Ok(changes) => {
                self.freshness.cache.apply(&changes);
                self.freshness.note(state, began);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "{Unsure}");
                Err(Unsure)
            }
        };
        round.end(outcome);
    }
}

impl Drop for Rounds {
    /// Where it did not come to its end, nobody may wait for it.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let next = {
            let mut state = self.freshness.state();
            state.reading = false;
            state.next.take()
        };
        let under_way = self.under_way.take().map(|under_way| under_way.round);
        for round in [under_way, next].into_iter().flatten() {
            round.end(Err(Unsure));
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests;
