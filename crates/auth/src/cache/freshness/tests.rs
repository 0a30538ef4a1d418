//! Which read answers for which request.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use thunderhead_domain::ports::{ChangeNumber, Invalidation, PartitionCursor};

use super::*;

/// A database that reads when a test says so.
#[derive(Default)]
struct Driven(Mutex<Option<Box<dyn ChangeRounds>>>);

impl Driven {
    fn rounds(&self) -> Box<dyn ChangeRounds> {
        self.0.lock().unwrap().take().expect("somebody waits")
    }

    fn nobody_waits(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

#[async_trait]
impl Changes for Driven {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        Ok(changes(known))
    }

    fn read_in_rounds(&self, rounds: Box<dyn ChangeRounds>) {
        let others = self.0.lock().unwrap().replace(rounds);
        assert!(others.is_none(), "one read at a time");
    }
}

fn changes(known: &ChangeCursor) -> Invalidations {
    Invalidations { latest: after(known), invalidations: vec![Invalidation::Switches] }
}

/// The next change, whose nonce can be foreseen.
fn after(known: &ChangeCursor) -> ChangeCursor {
    let number = known.changes() + 1;
    ChangeCursor::from_iter([PartitionCursor { number: ChangeNumber(number), nonce: number * 7 }])
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }
}

/// Longer than any test, and never waited for.
const PATIENCE: Duration = Duration::from_secs(600);
const SETTINGS: CacheSettings =
    CacheSettings { bytes: 0, max_staleness_millis: 0, longest_spacing: Duration::ZERO, deadline: PATIENCE };

fn driven(settings: CacheSettings) -> (Arc<Driven>, Arc<Freshness>) {
    let changes = Arc::new(Driven::default());
    let cache = Arc::new(SessionCache::new(1_000_000));
    let freshness = Freshness::new(Arc::clone(&changes) as _, Arc::new(Standing), cache, settings);
    (changes, Arc::new(freshness))
}

/// A request that waits, unless it has been answered for.
struct Asked(Pin<Box<dyn Future<Output = Result<(), StorageError>>>>);

impl Asked {
    /// Asks.
    fn of(freshness: &Arc<Freshness>) -> Self {
        let freshness = Arc::clone(freshness);
        let mut asked = Self(Box::pin(async move { freshness.assure().await }));
        assert_eq!(asked.answer(), None);
        asked
    }

    /// Whether it was answered for, if that is known.
    fn answer(&mut self) -> Option<bool> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer.is_ok()),
            Poll::Pending => None,
        }
    }
}

/// Whether nobody has to wait.
fn is_sure_at_once(freshness: &Freshness) -> bool {
    freshness.is_sure_at_once(freshness.clock.now())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn a_request_is_answered_for_by_a_read_that_began_after_it_and_shares_that_with_others() {
    block_on(async {
        let (database, freshness) = driven(SETTINGS);
        let mut before = [Asked::of(&freshness), Asked::of(&freshness)];
        let mut rounds = database.rounds();
        let known = rounds.begin().unwrap();
        let mut later = [Asked::of(&freshness), Asked::of(&freshness), Asked::of(&freshness)];
        rounds.end(Ok(changes(&known)));
        assert!(before.iter_mut().all(|asked| asked.answer() == Some(true)));
        assert!(later.iter_mut().all(|asked| asked.answer().is_none()), "that read began before they asked");
        let known = rounds.begin().unwrap();
        assert_eq!(known, after(&ChangeCursor::default()));
        rounds.end(Ok(changes(&known)));
        assert!(later.iter_mut().all(|asked| asked.answer() == Some(true)));
        assert!(rounds.begin().is_none(), "nobody waits, nobody reads");
        assert_eq!(freshness.cache.latest_change(), after(&known));
        drop(rounds);
        assert!(database.nobody_waits());
        let mut last = Asked::of(&freshness);
        let mut rounds = database.rounds();
        let known = rounds.begin().unwrap();
        rounds.end(Ok(changes(&known)));
        assert_eq!(last.answer(), Some(true));
    });
}

#[test]
fn who_leaves_takes_no_read_along() {
    block_on(async {
        let (database, freshness) = driven(SETTINGS);
        let leaver = Asked::of(&freshness);
        let mut stayer = Asked::of(&freshness);
        drop(leaver);
        let mut rounds = database.rounds();
        let known = rounds.begin().unwrap();
        rounds.end(Ok(changes(&known)));
        assert_eq!(stayer.answer(), Some(true));
    });
}

#[test]
fn a_read_that_is_given_up_is_an_outage_for_all_who_wait_and_for_nobody_else() {
    block_on(async {
        let (database, freshness) = driven(SETTINGS);
        for has_begun in [false, true] {
            let mut waiting = vec![Asked::of(&freshness)];
            let mut rounds = database.rounds();
            if has_begun {
                rounds.begin().unwrap();
                waiting.push(Asked::of(&freshness));
            }
            drop(rounds);
            assert!(waiting.iter_mut().all(|asked| asked.answer() == Some(false)), "{has_begun}");
        }
        let mut asked = Asked::of(&freshness);
        let mut rounds = database.rounds();
        let known = rounds.begin().unwrap();
        rounds.end(Ok(changes(&known)));
        assert_eq!(asked.answer(), Some(true));
    });
}

#[test]
fn a_read_that_fails_or_takes_too_long_is_an_outage() {
    block_on(async {
        let (database, freshness) = driven(SETTINGS);
        let mut asked = Asked::of(&freshness);
        let mut rounds = database.rounds();
        rounds.begin().unwrap();
        rounds.end(Err(StorageError::Outage("away".into())));
        assert_eq!(asked.answer(), Some(false));
        let (_, freshness) = driven(CacheSettings { deadline: Duration::ZERO, ..SETTINGS });
        assert!(matches!(freshness.assure().await, Err(StorageError::Outage(_))));
    });
}

#[test]
fn a_read_answers_for_those_who_may_be_stale_until_it_is_too_old() {
    block_on(async {
        let (database, freshness) = driven(CacheSettings { max_staleness_millis: 100, ..SETTINGS });
        let mut first = Asked::of(&freshness);
        let mut rounds = database.rounds();
        let known = rounds.begin().unwrap();
        rounds.end(Ok(changes(&known)));
        assert_eq!(first.answer(), Some(true));
        assert!(is_sure_at_once(&freshness));
        freshness.read_at.fetch_sub(101, Ordering::Relaxed);
        assert!(!is_sure_at_once(&freshness));
    });
}

#[test]
fn the_more_requests_share_a_read_the_later_the_next_begins_and_one_alone_waits_for_nothing() {
    let longest = Duration::from_micros(500);
    let spacings: Vec<_> = [0, 1, 2, 5, 9, 10, usize::MAX].map(|requests| spacing(longest, requests)).to_vec();
    let micros: Vec<_> = spacings.iter().map(|spacing| spacing.as_nanos() as f64 / 1_000.0).collect();
    assert_eq!(micros, [0.0, 0.0, 62.5, 250.0, 500.0, 500.0, 500.0]);
    block_on(async {
        let (database, freshness) = driven(CacheSettings { longest_spacing: PATIENCE, ..SETTINGS });
        let alone = Asked::of(&freshness);
        let mut rounds = database.rounds();
        let began = Instant::now();
        let known = rounds.begin().unwrap();
        rounds.end(Ok(changes(&known)));
        let _two = [Asked::of(&freshness), Asked::of(&freshness)];
        let known = rounds.begin().unwrap();
        let _next = Asked::of(&freshness);
        rounds.end(Ok(changes(&known)));
        let pause = |after| freshness.state().pause(began + after);
        assert!(pause(Duration::ZERO) >= PATIENCE / MANY, "two of them");
        assert_eq!(pause(PATIENCE), Duration::ZERO, "that is over");
        drop(alone);
        freshness.state().next = None;
        assert_eq!(pause(Duration::ZERO), Duration::ZERO, "nobody waits");
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
    /// Whether nothing can be read at once.
    busy: AtomicBool,
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

    fn since(&self, known: &ChangeCursor) -> Invalidations {
        let latest = self.latest();
        let invalidations = if latest == *known { vec![] } else { vec![Invalidation::Switches] };
        Invalidations { latest, invalidations }
    }

    /// How often it was asked for changes at once, and otherwise.
    fn asked(&self) -> (u32, u32) {
        (self.asked.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Changes for Visible {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        Ok(self.since(known))
    }

    fn read_in_rounds(&self, mut rounds: Box<dyn ChangeRounds>) {
        while let Some(known) = rounds.begin() {
            self.read.fetch_add(1, Ordering::Relaxed);
            rounds.end(Ok(self.since(&known)));
        }
    }

    fn changes_at_once(&self, known: &ChangeCursor) -> Option<Invalidations> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let changes = self.since(known);
        if self.changes_next.swap(false, Ordering::Relaxed) {
            self.commit(1);
        }
        Some(changes).filter(|_| !self.busy.load(Ordering::Relaxed))
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
    (Arc::clone(&changes), Arc::new(Freshness::new(changes, clock, cache, SETTINGS)))
}

#[test]
fn where_it_is_seen_that_nothing_was_committed_nothing_is_asked_and_nobody_waits() {
    let (changes, freshness) = visible();
    assert_eq!(freshness.asked_at().0, None);
    let mut last = None;
    for _ in 0..3 {
        assert!(is_sure_at_once(&freshness));
        let (asked_at, _) = freshness.asked_at();
        assert!(asked_at > last, "it counts as a question");
        last = asked_at;
    }
    assert_eq!(changes.asked(), (1, 0));
    // Nothing but a login was committed.
    changes.commit(0);
    for _ in 0..3 {
        assert!(is_sure_at_once(&freshness));
    }
    assert_eq!(changes.asked(), (2, 0));
}

#[test]
fn a_change_that_is_seen_is_learnt_before_anybody_is_answered() {
    block_on(async {
        let (changes, freshness) = visible();
        freshness.assure().await.unwrap();
        for busy in [false, true] {
            changes.busy.store(busy, Ordering::Relaxed);
            changes.commit(1);
            assert_eq!(is_sure_at_once(&freshness), !busy);
            freshness.assure().await.unwrap();
            assert_eq!((freshness.cache.latest_change(), changes.asked().1), (changes.latest(), busy.into()));
            assert!(is_sure_at_once(&freshness));
        }
    });
}

#[test]
fn what_is_committed_while_it_is_asked_is_asked_for_again() {
    let (changes, freshness) = visible();
    changes.changes_next.store(true, Ordering::Relaxed);
    assert!(is_sure_at_once(&freshness), "it began before the change");
    assert_ne!(freshness.cache.latest_change(), changes.latest());
    assert!(is_sure_at_once(&freshness));
    assert_eq!(freshness.cache.latest_change(), changes.latest());
}

#[test]
fn where_nothing_is_seen_it_is_asked_each_time() {
    block_on(async {
        let (changes, freshness) = visible();
        freshness.assure().await.unwrap();
        changes.commits.store(0, Ordering::Relaxed);
        for _ in 0..3 {
            freshness.assure().await.unwrap();
        }
        assert_eq!(changes.asked(), (1, 3));
        changes.latest.store(1, Ordering::Relaxed);
        freshness.assure().await.unwrap();
        assert_eq!(freshness.cache.latest_change(), changes.latest());
    });
}
