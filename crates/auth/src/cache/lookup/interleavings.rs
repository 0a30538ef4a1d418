//! Session checks while the sessions end, in every order: a check that begins after the end was answered accepts nothing
//! (`docs/ARCHITECTURE.md`, *Fast and never stale*). Each wrong order is found.

use async_trait::async_trait;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Mutex, MutexGuard};
use thunderhead_domain::ports::{
    ChangeCursor, ChangeNumber, ChangeRounds, Changes, Clock, CommitStamp, Invalidation, Invalidations, PartitionCursor,
};
use thunderhead_testkit::sample;

use super::*;
use crate::sync::{block_on, explore, spawn};

const USER: UserId = UserId::from_number(1);
/// Two sessions of the user: one is cached from the beginning, the other is not.
const WARM: TokenDigest = TokenDigest([1; 32]);
const COLD: TokenDigest = TokenDigest([2; 32]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    /// What is read is cached as of the changes that are known after it was read.
    FilledBeforeLearning,
    /// Changes are read before the round begins, so that it answers for requests that arrived later.
    ReadBeforeTheRound,
    /// Changes are read of a state from before the one that was seen from outside.
    ReadBeforeTheStamp,
}

#[derive(Clone, Copy)]
struct Rows {
    /// Whether the sessions are open.
    open: bool,
    /// The number of the latest change.
    latest: i64,
}

impl Rows {
    fn since(self, known: &ChangeCursor) -> Invalidations {
        let latest = cursor(self.latest);
        let invalidations = if latest == *known { vec![] } else { vec![Invalidation::User(USER)] };
        Invalidations { latest, invalidations }
    }
}

fn cursor(number: i64) -> ChangeCursor {
    ChangeCursor::from_iter([PartitionCursor { number: ChangeNumber(number), nonce: 0 }])
}

struct Database {
    order: Order,
    /// Whether commits are seen from outside.
    is_visible: bool,
    rows: Mutex<Rows>,
    /// A state that was kept to be read later.
    kept: Mutex<Rows>,
}

impl Database {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    fn end_sessions(&self) {
        let mut rows = self.rows();
        rows.latest += 1;
        rows.open = false;
    }

    async fn authority(&self) -> Stored<Authority> {
        let authenticated = self.rows().open.then(|| sample::authenticated(USER, Standing.now()));
        Ok(Authority { authenticated, switches: SwitchSet::NONE })
    }
}

#[async_trait]
impl Changes for Database {
    async fn changes_since(&self, known: &ChangeCursor) -> Stored<Invalidations> {
        Ok(self.rows().since(known))
    }

    /// Who asks first reads for all.
    fn read_in_rounds(&self, mut rounds: Box<dyn ChangeRounds>) {
        loop {
            let early = (self.order == Order::ReadBeforeTheRound).then(|| *self.rows());
            let Some(known) = rounds.begin() else { return };
            let rows = early.unwrap_or_else(|| *self.rows());
            rounds.end(Ok(rows.since(&known)));
        }
    }

    fn changes_at_once(&self, known: &ChangeCursor) -> Option<Invalidations> {
        let rows = match self.order {
            Order::ReadBeforeTheStamp => *self.kept.lock().unwrap(),
            _ => *self.rows(),
        };
        self.is_visible.then(|| rows.since(known))
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        if !self.is_visible {
            return None;
        }
        if self.order == Order::ReadBeforeTheStamp {
            let rows = *self.rows();
            *self.kept.lock().unwrap() = rows;
        }
        Some(CommitStamp([self.rows().latest as u64; 7]))
    }
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }
}

struct Replica {
    database: Arc<Database>,
    fresh: FreshCache,
    /// Whether somebody was told that the sessions have ended.
    is_answered: AtomicBool,
}

impl Replica {
    fn new(order: Order, is_visible: bool) -> Self {
        let rows = Rows { open: true, latest: 0 };
        let database = Arc::new(Database { order, is_visible, rows: Mutex::new(rows), kept: Mutex::new(rows) });
        let cache = Arc::new(SessionCache::new(10_000));
        cache.apply(&Invalidations { latest: cursor(0), invalidations: vec![Invalidation::Everything] });
        let settings = CacheSettings {
            bytes: 10_000,
            max_staleness_millis: 0,
            longest_spacing: std::time::Duration::ZERO,
            deadline: std::time::Duration::from_secs(600),
        };
        let changes = Arc::clone(&database);
        let freshness = Freshness::new(changes, Arc::new(Standing), Arc::clone(&cache), settings);
        let (hits, misses) = (Counter::noop(), Counter::noop());
        let fresh = FreshCache { cache, freshness: Arc::new(freshness), hits, misses };
        let replica = Self { database, fresh, is_answered: AtomicBool::new(false) };
        replica.accepts(WARM);
        replica
    }

    fn end_sessions(&self) {
        self.database.end_sessions();
        self.is_answered.store(true, Ordering::SeqCst);
    }

    /// Whether it is kept that who begins after the answer is refused.
    fn check(&self, token: TokenDigest) -> bool {
        let is_answered = self.is_answered.load(Ordering::SeqCst);
        !(self.accepts(token) && is_answered)
    }

    fn accepts(&self, token: TokenDigest) -> bool {
        let fresh = &self.fresh;
        let get = || fresh.cache.get(&token);
        if let Some(hit) = get()
            && fresh.switches_at_once(&hit, Standing.now()).is_some()
        {
            return true;
        }
        block_on(async {
            if get().is_some() && fresh.assured(get).await.unwrap().is_some() {
                return true;
            }
            let (authority, as_of) = match self.database.order {
                Order::FilledBeforeLearning => {
                    let authority = self.database.authority().await.unwrap();
                    let as_of = fresh.cache.latest();
                    fresh.cache.insert_switches(authority.switches, as_of);
                    (authority, as_of)
                }
                _ => fresh.read(self.database.authority()).await.unwrap(),
            };
            let Some(authenticated) = authority.authenticated.map(Arc::new) else { return false };
            fresh.cache.insert(token, CachedSession { authenticated, kind: TokenKind::Signed, generation: 0, as_of });
            true
        })
    }
}

/// Two who check both sessions, and one who ends them.
fn two_check_while_sessions_end(order: Order, is_visible: bool) -> crate::sync::Exploration {
    explore(order == Order::Right, move || {
        let replica = Arc::new(Replica::new(order, is_visible));
        let (checker, ender) = (Arc::clone(&replica), Arc::clone(&replica));
        let checks = |replica: &Replica| [WARM, COLD].map(|token| replica.check(token));
        let checker = spawn(move || checks(&checker));
        let ender = spawn(move || ender.end_sessions());
        let kept = checks(&replica);
        let others = checker.join().unwrap();
        ender.join().unwrap();
        let afterwards = checks(&replica);
        [kept, others, afterwards].as_flattened().iter().all(|kept| *kept)
    })
}

#[test]
fn no_order_accepts_an_ended_session_where_commits_are_asked_for() {
    let exploration = two_check_while_sessions_end(Order::Right, false);
    assert!(!exploration.is_broken && exploration.orders > 100, "{exploration:?}");
}

#[test]
fn no_order_accepts_an_ended_session_where_commits_are_seen() {
    let exploration = two_check_while_sessions_end(Order::Right, true);
    assert!(!exploration.is_broken && exploration.orders > 100, "{exploration:?}");
}

#[test]
fn what_is_filled_before_it_is_learnt_is_found() {
    assert!(two_check_while_sessions_end(Order::FilledBeforeLearning, false).is_broken);
}

#[test]
fn a_round_that_answers_for_who_came_too_late_is_found() {
    assert!(two_check_while_sessions_end(Order::ReadBeforeTheRound, false).is_broken);
}

#[test]
fn what_is_learnt_of_an_earlier_state_than_was_seen_is_found() {
    assert!(two_check_while_sessions_end(Order::ReadBeforeTheStamp, true).is_broken);
}
