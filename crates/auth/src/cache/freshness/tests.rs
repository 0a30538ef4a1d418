//! Which read answers for which request.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use thunderhead_domain::ports::{ChangeCursor, ChangeNumber, Invalidation, Invalidations, Stored};
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
    async fn changes_since(&self, known: ChangeCursor) -> Stored<Invalidations> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.leave.acquire().await.unwrap().forget();
        match self.away {
            true => Err(StorageError::Outage("away".into())),
            false => Ok(Invalidations { latest: after(known), invalidations: vec![Invalidation::Switches] }),
        }
    }
}

/// The next change, whose nonce can be foreseen.
const fn after(ChangeCursor { number, nonce }: ChangeCursor) -> ChangeCursor {
    ChangeCursor { number: ChangeNumber(number.0 + 1), nonce: nonce + 7 }
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
        assert_eq!(freshness.cache.latest_change(), after(after(ChangeCursor::default())));
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
