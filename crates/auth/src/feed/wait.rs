//! Waiting for events: while anybody does, one for all of them looks whether there are any.

use std::future::ready;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use thunderhead_domain::event::EventCursor;
use thunderhead_domain::ports::{CommitStamp, FeedPage, FeedQuery, StorageError};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::instrument;

use super::EventFeed;

/// How long after a look the next one begins.
const SPACING: Duration = Duration::from_millis(50);
/// How many may wait in one process at a time.
const MOST_WAITING: usize = 1_000;

/// Why nobody waits.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// So many wait already.
    #[error("too many wait for events")]
    TooMany,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the last look has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// There was none yet.
    Nothing,
    Latest(EventCursor),
    /// The database did not answer.
    Outage,
}

#[derive(Default)]
struct State {
    waiting: usize,
    /// Whether somebody looks for them.
    watching: bool,
}

/// A page that was read when a look had seen this, for all who ask the same.
struct SharedPage {
    seen: Seen,
    query: FeedQuery,
    page: Arc<FeedPage>,
}

/// Who waits.
pub(super) struct Waiters {
    state: std::sync::Mutex<State>,
    seen: watch::Sender<Seen>,
    shared: Mutex<Option<SharedPage>>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { state: std::sync::Mutex::default(), seen: watch::Sender::new(Seen::Nothing), shared: Mutex::default() }
    }
}

impl Waiters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more wait, unless so many do; says whether somebody has to begin to look for them.
    fn enter(&self) -> Option<bool> {
        let mut state = self.state();
        if state.waiting >= MOST_WAITING {
            return None;
        }
        state.waiting += 1;
        Some(!mem::replace(&mut state.watching, true))
    }

    fn leave(&self) {
        self.state().waiting -= 1;
    }

    /// Whether nobody waits any more, and so nobody looks.
    fn are_gone(&self) -> bool {
        let mut state = self.state();
        state.watching = state.waiting > 0;
        if !state.watching {
            self.tell(Seen::Nothing);
        }
        !state.watching
    }

    fn tell(&self, seen: Seen) {
        self.seen.send_if_modified(|known| mem::replace(known, seen) != seen);
    }
}

/// Somebody who waits.
struct Waiter<'a> {
    feed: &'a EventFeed,
    seen: watch::Receiver<Seen>,
}

impl Waiter<'_> {
    /// Waits until there is something else than the event at this place to be seen.
    async fn something_else_than(&mut self, place: EventCursor) -> Seen {
        // It is sent by the feed itself, which is there for as long as this.
        while self.seen.changed().await.is_ok() {
            let seen = *self.seen.borrow_and_update();
            if seen != Seen::Nothing && seen != Seen::Latest(place) {
                return seen;
            }
        }
        Seen::Nothing
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.feed.waiters.leave();
    }
}

/// Who looks, as long as somebody waits. Dropped half-way – its runtime was shut down – it leaves that to the next.
struct Watch {
    feed: Arc<EventFeed>,
    done: bool,
}

impl Watch {
    async fn look_on(mut self) {
        let mut known_up_to = None;
        loop {
            sleep(SPACING).await;
            self.done = self.feed.waiters.are_gone();
            if self.done {
                return;
            }
            self.feed.look(&mut known_up_to).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            self.feed.waiters.state().watching = false;
        }
    }
}

impl EventFeed {
    /// The events after a place; where there are none, this waits for some. An empty page says that the time is over, or that
    /// `stop` has come to its end.
    ///
    /// # Errors
    /// Where the database is away, or too many wait.
    #[instrument(level = "debug", skip_all)]
    pub async fn wait(
        self: &Arc<Self>,
        mut query: FeedQuery,
        patience: Duration,
        stop: impl Future<Output = ()>,
    ) -> Result<Arc<FeedPage>, WaitError> {
        let (mut over, mut stop) = (pin!(sleep_until(Instant::now() + patience)), pin!(stop));
        // From here on it is heard of what comes after the first read.
        let mut waiter = self.join().ok_or(WaitError::TooMany)?;
        let mut page = Arc::new(self.read(query).await?);
        loop {
            let (next, more) = match &*page {
                FeedPage::Page { items, next, more } if items.is_empty() => (*next, *more),
                FeedPage::Page { .. } | FeedPage::Gone { .. } => return Ok(page),
            };
            query.after = Some(next);
            let seen = tokio::select! {
                biased;
                () = &mut stop => return Ok(page),
                () = &mut over => return Ok(page),
                () = ready(()), if more => Seen::Nothing,
                seen = waiter.something_else_than(next) => seen,
            };
            page = match seen {
                Seen::Latest(_) => self.read_shared(seen, query).await?,
                Seen::Nothing | Seen::Outage => Arc::new(self.read(query).await?),
            };
        }
    }

    fn join(self: &Arc<Self>) -> Option<Waiter<'_>> {
        if self.waiters.enter()? {
            tokio::spawn(Watch { feed: Arc::clone(self), done: false }.look_on());
        }
        Some(Waiter { feed: self, seen: self.waiters.seen.subscribe() })
    }

    /// Looks once for all. Where it is seen from outside that nothing was committed since the last time, that is enough.
    async fn look(&self, known_up_to: &mut Option<CommitStamp>) {
        let stamp = self.environment.storage.commit_stamp();
        if stamp.is_some() && stamp == *known_up_to {
            return;
        }
        match self.number().await {
            Ok(status) => {
                *known_up_to = stamp.filter(|_| !status.pending);
                self.waiters.tell(Seen::Latest(status.latest));
            }
            Err(error) => {
                *known_up_to = None;
                tracing::debug!(error = &error as &dyn std::error::Error, "there was no look for events");
                self.waiters.tell(Seen::Outage);
            }
        }
    }

    /// Reads what a look has found. Those who ask the same share one read.
    async fn read_shared(&self, seen: Seen, query: FeedQuery) -> Result<Arc<FeedPage>, StorageError> {
        let mut shared = self.waiters.shared.lock().await;
        if let Some(known) = shared.as_ref().filter(|known| known.seen == seen && known.query == query) {
            return Ok(Arc::clone(&known.page));
        }
        let page = Arc::new(self.environment.storage.feed_page(query).await?);
        *shared = Some(SharedPage { seen, query, page: Arc::clone(&page) });
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_may_wait_and_one_looks_for_all_of_them() {
        let waiters = Waiters::default();
        assert_eq!(waiters.enter(), Some(true));
        assert!((1..MOST_WAITING).all(|_| waiters.enter() == Some(false)));
        assert_eq!(waiters.enter(), None);
        waiters.leave();
        assert_eq!((waiters.enter(), waiters.enter()), (Some(false), None));
        (0..MOST_WAITING).for_each(|_| waiters.leave());
        assert!(waiters.are_gone());
        assert_eq!(waiters.enter(), Some(true));
        assert!(!waiters.are_gone());
    }

    #[test]
    fn what_was_seen_is_told_once() {
        let waiters = Waiters::default();
        let mut seen = waiters.seen.subscribe();
        let latest = Seen::Latest(EventCursor { number: 1, nonce: 2 });
        for (told, changed) in [(latest, true), (latest, false), (Seen::Outage, true), (Seen::Outage, false)] {
            waiters.tell(told);
            assert_eq!(seen.has_changed().unwrap(), changed, "{told:?}");
            seen.mark_unchanged();
        }
    }
}
