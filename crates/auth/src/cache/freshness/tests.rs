//! Which read answers for which request.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use thunderhead_domain::ports::{ChangeCursor, ChangeNumber, Invalidation, Invalidations, PartitionCursor, Stored};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use super::*;

/// A database whose every read waits for leave.
struct Gated {
    begun: AtomicU32,
    leave: Semaphore,
    away: bool,
}

#[async_trait]
impl Changes for Gated {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.leave.acquire().await.unwrap().forget();
        match self.away {
            true => Err(StorageError::Outage("away".into())),
            false => Ok(Invalidations { latest: after(known), invalidations: vec![Invalidation::Switches] }),
        }
    }
}

/// The next change, whose nonce can be foreseen.
fn after(known: &ChangeCursor) -> ChangeCursor {
    let number = known.changes() + 1;
    ChangeCursor::from_iter([PartitionCursor { number: ChangeNumber(number), nonce: number * 7 }])
}

struct SessionStatus;

impl Clock for SessionStatus {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }
}

/// Longer than any test, and never waited for.
const PATIENCE: Duration = Duration::from_secs(600);

fn gated(away: bool, deadline: Duration, max_staleness_millis: i64) -> (Arc<Gated>, Arc<Freshness>) {
    let changes = Arc::new(Gated { begun: AtomicU32::new(0), leave: Semaphore::new(0), away });
    let cache = Arc::new(SessionCache::new(1_000_000));
    let freshness =
        Freshness::new(Arc::clone(&changes) as _, Arc::new(SessionStatus), cache, deadline, max_staleness_millis);
    (changes, Arc::new(freshness))
}

fn ask(freshness: &Arc<Freshness>) -> JoinHandle<Result<(), StorageError>> {
    let freshness = Arc::clone(freshness);
    tokio::spawn(async move { freshness.assure().await })
}

/// Lets everything happen that can happen by now.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_request_is_answered_for_by_a_read_that_began_after_it_and_shares_that_with_others() {
    runtime().block_on(async {
        let (changes, freshness) = gated(false, PATIENCE, 0);
        let first = ask(&freshness);
        settle().await;
        let later = [ask(&freshness), ask(&freshness), ask(&freshness)];
        settle().await;
        assert_eq!(changes.begun.load(Ordering::Relaxed), 1, "one read at a time");
        changes.leave.add_permits(1);
        first.await.unwrap().unwrap();
        settle().await;
        assert!(later.iter().all(|asked| !asked.is_finished()), "the read under way began before they asked");
        assert_eq!(changes.begun.load(Ordering::Relaxed), 2);
        changes.leave.add_permits(1);
        for asked in later {
            asked.await.unwrap().unwrap();
        }
        settle().await;
        assert_eq!(changes.begun.load(Ordering::Relaxed), 2, "nobody waits, nobody reads");
        assert_eq!(freshness.cache.latest_change(), after(&after(&ChangeCursor::default())));
    });
}

#[test]
fn who_leaves_takes_no_read_along() {
    runtime().block_on(async {
        let (changes, freshness) = gated(false, PATIENCE, 0);
        let leaver = ask(&freshness);
        settle().await;
        let stayer = ask(&freshness);
        leaver.abort();
        changes.leave.add_permits(2);
        stayer.await.unwrap().unwrap();
    });
}

#[test]
fn a_read_that_is_abandoned_with_its_runtime_is_made_anew() {
    let (changes, freshness) = gated(false, PATIENCE, 0);
    let abandoned = runtime();
    abandoned.block_on(async {
        ask(&freshness);
        settle().await;
    });
    runtime().block_on(async {
        let waiting = ask(&freshness);
        settle().await;
        abandoned.shutdown_background();
        changes.leave.add_permits(1);
        waiting.await.unwrap().unwrap();
        assert_eq!(changes.begun.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_read_that_fails_or_takes_too_long_is_an_outage() {
    runtime().block_on(async {
        let (changes, freshness) = gated(true, PATIENCE, 0);
        changes.leave.add_permits(1);
        assert!(matches!(freshness.assure().await, Err(StorageError::Outage(_))));
        let (_, freshness) = gated(false, Duration::ZERO, 0);
        assert!(matches!(freshness.assure().await, Err(StorageError::Outage(_))));
    });
}

#[test]
fn a_read_answers_for_those_who_may_be_stale_until_it_is_too_old() {
    runtime().block_on(async {
        for (max_staleness_millis, reads) in [(0, 3), (100, 1)] {
            let (changes, freshness) = gated(false, PATIENCE, max_staleness_millis);
            changes.leave.add_permits(3);
            for _ in 0..3 {
                freshness.assure().await.unwrap();
            }
            assert_eq!(changes.begun.load(Ordering::Relaxed), reads);
        }
    });
}

/// A database that is seen from outside, and counts how often it is asked all the same.
#[derive(Default)]
struct Visible {
    /// What is seen, unless it is 0.
    commits: AtomicU64,
    latest: AtomicI64,
    asked: AtomicU32,
    read: AtomicU32,
    /// Whether something is changed as soon as the next question was answered.
    changes_next: AtomicBool,
}

impl Visible {
    fn commit(&self, changes: i64) {
        self.latest.fetch_add(changes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    fn latest(&self) -> ChangeCursor {
        let number = ChangeNumber(self.latest.load(Ordering::Relaxed));
        ChangeCursor::from_iter([PartitionCursor { number, nonce: 0 }])
    }

    /// How often it was asked whether a change is the latest, and for those since.
    fn asked(&self) -> (u32, u32) {
        (self.asked.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Changes for Visible {
    async fn changes_since(&self, _: &ChangeCursor) -> Stored<Invalidations> {
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(Invalidations { latest: self.latest(), invalidations: vec![Invalidation::Switches] })
    }

    fn is_latest(&self, known: &ChangeCursor) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_latest = self.latest() == *known;
        if self.changes_next.swap(false, Ordering::Relaxed) {
            self.commit(1);
        }
        is_latest
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        let commits = self.commits.load(Ordering::Relaxed);
        (commits != 0).then_some(CommitStamp([commits; 7]))
    }
}

/// A second passes with each look.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// One whose latest change is known.
fn visible() -> (Arc<Visible>, Arc<Freshness>) {
    let changes = Arc::new(Visible::default());
    changes.commit(0);
    let cache = Arc::new(SessionCache::new(1_000_000));
    cache.apply(&Invalidations { latest: changes.latest(), invalidations: vec![Invalidation::Everything] });
    let clock = Arc::new(Ticking(AtomicI64::new(1_800_000_000)));
    (Arc::clone(&changes), Arc::new(Freshness::new(changes, clock, cache, PATIENCE, 0)))
}

/// Whether it is known without waiting for anything.
fn is_known_at_once(freshness: &Arc<Freshness>) -> bool {
    let asked = std::pin::pin!(freshness.assure());
    matches!(asked.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

#[test]
fn where_it_is_seen_that_nothing_was_committed_nothing_is_asked_and_nobody_waits() {
    let (changes, freshness) = visible();
    assert_eq!(freshness.asked_at().0, None);
    let mut last = None;
    for _ in 0..3 {
        assert!(is_known_at_once(&freshness));
        let (asked_at, _) = freshness.asked_at();
        assert!(asked_at > last, "it counts as a question");
        last = asked_at;
    }
    assert_eq!(changes.asked(), (1, 0));
    // Nothing but a login was committed.
    changes.commit(0);
    for _ in 0..3 {
        assert!(is_known_at_once(&freshness));
    }
    assert_eq!(changes.asked(), (2, 0));
}

#[test]
fn a_change_that_is_seen_is_learnt_before_anybody_is_answered() {
    runtime().block_on(async {
        let (changes, freshness) = visible();
        freshness.assure().await.unwrap();
        changes.commit(1);
        freshness.assure().await.unwrap();
        assert_eq!((freshness.cache.latest_change(), changes.asked().1), (changes.latest(), 1));
        assert!(is_known_at_once(&freshness));
    });
}

#[test]
fn what_is_committed_while_it_is_asked_is_asked_for_again() {
    runtime().block_on(async {
        let (changes, freshness) = visible();
        changes.changes_next.store(true, Ordering::Relaxed);
        assert!(is_known_at_once(&freshness), "it began before the change");
        freshness.assure().await.unwrap();
        assert_eq!(freshness.cache.latest_change(), changes.latest());
    });
}

#[test]
fn where_nothing_is_seen_it_is_asked_each_time() {
    runtime().block_on(async {
        let (changes, freshness) = visible();
        freshness.assure().await.unwrap();
        changes.commits.store(0, Ordering::Relaxed);
        for _ in 0..3 {
            freshness.assure().await.unwrap();
        }
        assert_eq!(changes.asked().0, 4);
        changes.latest.store(1, Ordering::Relaxed);
        freshness.assure().await.unwrap();
        assert_eq!(freshness.cache.latest_change(), changes.latest());
    });
}
