//! The limits that clients read about: fixed windows, counted per process (`docs/MODEL.md`, *Rate limits*).
//!
//! A window opens with the first request that it counts. Memory is bounded: where the buckets run out, those
//! whose windows ended or end soonest make room, found by an ordered index and not by a scan.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::time::{Timestamp, seconds_rounded_up};

use crate::request::client_ip::IpBucket;

const RATE_LIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The buckets that are kept at most, unless told otherwise: some 20 MB.
const MOST_BUCKETS: usize = 100_000;
/// Locks that the buckets are spread over, so that workers seldom wait for each other.
const SHARDS: usize = 16;
/// Ended windows that each new one clears away: more than one, so that they become fewer.
const CLEARED_AT_ONCE: usize = 2;

/// How many requests a client may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// As many as it likes; no headers are sent.
    Off,
    /// So many in each window.
    Within {
        /// The most requests in one window.
        count: NonZeroU32,
        /// The length of the window in milliseconds.
        window_millis: NonZeroU32,
    },
}

/// The limits of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of everything that is not named otherwise.
    pub(crate) general: Limit,
    pub(crate) login: Limit,
    pub(crate) revocation: Limit,
}

/// Who is counted, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Bucket {
    /// The requests that a user makes with full sessions.
    User(UserId),
    /// The requests of a scoped session.
    Session(SessionUuid),
    /// The requests of clients without a live session.
    Client(IpBucket),
    /// The revocations that a session asks for, or that name it.
    Revocation(SessionUuid),
    /// The revocations of clients without a live session.
    ClientRevocation(IpBucket),
    /// Logins, whoever makes them.
    Login(IpBucket),
}

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) admitted: bool,
    /// The most requests in one window.
    pub(crate) limit: u32,
    /// How many more this window admits.
    pub(crate) remaining: u32,
    /// Seconds to the window's end, rounded up: after them a request is admitted.
    pub(crate) reset_seconds: u32,
}

impl Verdict {
    /// Tells the client: `RateLimit-*`, and `Retry-After` where the request was refused.
    pub(crate) fn write_headers(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_LIMIT, HeaderValue::from(self.limit));
        headers.insert(RATE_LIMIT_REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RATE_LIMIT_RESET, HeaderValue::from(self.reset_seconds));
        if !self.admitted {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.reset_seconds));
        }
    }
}

/// All windows of this process.
#[derive(Debug)]
pub(crate) struct Windows {
    limits: Limits,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Windows {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::bounded(limits, SHARDS, MOST_BUCKETS)
    }

    /// As [`Windows::new`], with a bound on the buckets of all shards together.
    fn bounded(limits: Limits, shards: usize, most_buckets: usize) -> Self {
        let most = (most_buckets / shards).max(1);
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(most))).collect();
        Self { limits, hasher: RandomState::new(), shards }
    }

    /// Counts one request, if its window has room: the check and the count are one step. `None` where the
    /// limit is off.
    pub(crate) fn admit(&self, bucket: Bucket, now: Timestamp) -> Option<Verdict> {
        let limit = match bucket {
            Bucket::User(_) | Bucket::Session(_) | Bucket::Client(_) => self.limits.general,
            Bucket::Revocation(_) | Bucket::ClientRevocation(_) => self.limits.revocation,
            Bucket::Login(_) => self.limits.login,
        };
        let Limit::Within { count, window_millis } = limit else { return None };
        let index = self.hasher.hash_one(bucket) as usize % self.shards.len();
        let shard = self.shards.get(index)?;
        // A panic elsewhere while the lock was held leaves counts behind that are at worst too high.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        Some(shard.admit(bucket, now, count.get(), i64::from(window_millis.get())))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().windows.len()).sum()
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Timestamp,
    used: u32,
}

/// A part of the buckets, with an index by the end of their windows.
#[derive(Debug)]
struct Shard {
    most: usize,
    windows: HashMap<Bucket, Window>,
    by_end: BTreeSet<(Timestamp, Bucket)>,
}

impl Shard {
    fn new(most: usize) -> Self {
        Self { most, windows: HashMap::new(), by_end: BTreeSet::new() }
    }

    fn admit(&mut self, bucket: Bucket, now: Timestamp, count: u32, length: i64) -> Verdict {
        let full_length = now.plus_millis(length);
        if !self.windows.contains_key(&bucket) {
            self.make_room(now);
            self.by_end.insert((full_length, bucket));
        }
        let window = self.windows.entry(bucket).or_insert(Window { ends: full_length, used: 0 });
        let before = window.ends;
        if window.ends <= now {
            *window = Window { ends: full_length, used: 0 };
        }
        // Where the clock was set back, nobody waits for longer than a window all the same.
        window.ends = window.ends.min(full_length);
        if window.ends != before {
            self.by_end.remove(&(before, bucket));
            self.by_end.insert((window.ends, bucket));
        }
        let admitted = window.used < count;
        if admitted {
            window.used += 1;
        }
        let wait = seconds_rounded_up(window.ends.millis_since(now));
        let reset_seconds = u32::try_from(wait).unwrap_or(u32::MAX);
        Verdict { admitted, limit: count, remaining: count.saturating_sub(window.used), reset_seconds }
    }

    /// Clears some ended windows away, and the one that ends first where there is no room for another.
    fn make_room(&mut self, now: Timestamp) {
        for _ in 0..CLEARED_AT_ONCE {
            let full = self.windows.len() >= self.most;
            match self.by_end.first() {
                Some((ends, _)) if full || *ends <= now => {}
                Some(_) | None => return,
            }
            if let Some((_, bucket)) = self.by_end.pop_first() {
                self.windows.remove(&bucket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn within(count: u32, window_millis: u32) -> Limit {
        let some = |number| NonZeroU32::new(number).unwrap();
        Limit::Within { count: some(count), window_millis: some(window_millis) }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + millis)
    }

    fn client(number: u32) -> Bucket {
        Bucket::Client(IpBucket::V4(Ipv4Addr::from_bits(number)))
    }

    fn login(number: u32) -> Bucket {
        Bucket::Login(IpBucket::V4(Ipv4Addr::from_bits(number)))
    }

    fn limits(general: Limit, login: Limit) -> Limits {
        Limits { general, login, revocation: within(1, 60_000) }
    }

    fn three_in_three_minutes() -> Windows {
        Windows::new(limits(within(100, 60_000), within(3, 180_000)))
    }

    #[test]
    fn a_window_opens_with_the_first_request_and_admits_its_count() {
        let windows = three_in_three_minutes();
        let told: Vec<_> = [0, 1, 60_000, 60_001, 179_001, 179_999, 180_000]
            .map(|millis| windows.admit(login(1), at(millis)).unwrap())
            .map(|verdict| (verdict.admitted, verdict.limit, verdict.remaining, verdict.reset_seconds))
            .to_vec();
        assert_eq!(
            told,
            [
                (true, 3, 2, 180),
                (true, 3, 1, 180),
                (true, 3, 0, 120),
                (false, 3, 0, 120),
                (false, 3, 0, 1),
                (false, 3, 0, 1),
                (true, 3, 2, 180)
            ]
        );
    }

    #[test]
    fn who_asks_and_what_for_is_counted_apart() {
        let windows = Windows::new(limits(within(1, 60_000), within(1, 60_000)));
        let (session, other) = (SessionUuid(uuid::Uuid::from_u128(1)), SessionUuid(uuid::Uuid::from_u128(2)));
        let address = IpBucket::V4(Ipv4Addr::from_bits(1));
        let buckets = [
            Bucket::User(UserId::from_number(1)),
            Bucket::Session(session),
            Bucket::Session(other),
            Bucket::Revocation(session),
            Bucket::Revocation(other),
            Bucket::ClientRevocation(address),
            client(1),
            login(1),
            client(2),
        ];
        assert!(buckets.iter().all(|bucket| windows.admit(*bucket, at(0)).unwrap().admitted));
        assert!(buckets.iter().all(|bucket| !windows.admit(*bucket, at(1)).unwrap().admitted));
    }

    #[test]
    fn a_limit_that_is_off_says_nothing() {
        let windows = Windows::new(limits(Limit::Off, within(1, 60_000)));
        assert_eq!(windows.admit(client(1), at(0)), None);
        assert!(windows.admit(login(1), at(0)).is_some());
        assert_eq!(windows.len(), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_window() {
        let windows = three_in_three_minutes();
        for _ in 0..3 {
            assert!(windows.admit(login(1), at(86_400_000)).unwrap().admitted);
        }
        let refused = windows.admit(login(1), at(0)).unwrap();
        assert_eq!((refused.admitted, refused.reset_seconds), (false, 180));
        assert!(!windows.admit(login(1), at(179_999)).unwrap().admitted);
        assert!(windows.admit(login(1), at(180_000)).unwrap().admitted);
    }

    #[test]
    fn parallel_requests_share_one_count() {
        let windows = three_in_three_minutes();
        let admitted: usize = std::thread::scope(|scope| {
            let attempt = || (0..50).filter(|_| windows.admit(login(1), at(0)).unwrap().admitted).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 3);
    }

    #[test]
    fn ended_windows_make_room_first_and_then_those_that_end_soonest() {
        let windows = Windows::bounded(limits(within(1, 60_000), within(1, 180_000)), 1, 4);
        windows.admit(login(1), at(0));
        windows.admit(client(1), at(0));
        windows.admit(client(2), at(30_000));
        // The window of client 1 is over, and gives way.
        windows.admit(client(3), at(61_000));
        assert!(!windows.admit(client(2), at(61_000)).unwrap().admitted);
        windows.admit(client(4), at(61_000));
        // All windows are open: that of client 2 ends first.
        windows.admit(client(5), at(61_000));
        assert!(!windows.admit(login(1), at(61_000)).unwrap().admitted);
        assert!(!windows.admit(client(5), at(61_000)).unwrap().admitted);
        assert!(windows.admit(client(2), at(61_000)).unwrap().admitted);
    }

    #[test]
    fn a_flood_of_addresses_does_not_outgrow_the_bound() {
        let windows = Windows::bounded(limits(within(1, 60_000), within(1, 180_000)), 16, 1_600);
        for number in 0..20_000 {
            windows.admit(client(number), at(i64::from(number)));
            windows.admit(login(number), at(i64::from(number)));
        }
        assert!(windows.len() <= 1_600);
    }

    #[test]
    fn ended_windows_are_cleared_away_by_new_ones() {
        let windows = Windows::bounded(limits(within(1, 1_000), Limit::Off), 1, 100_000);
        for number in 0..10_000 {
            windows.admit(client(number), at(0));
        }
        for number in 10_000..20_000 {
            windows.admit(client(number), at(i64::from(number)));
        }
        assert!(windows.len() <= 1_001, "{}", windows.len());
    }

    #[test]
    fn the_headers_tell_the_verdict() {
        let mut headers = HeaderMap::new();
        let verdict = Verdict { admitted: true, limit: 3, remaining: 2, reset_seconds: 180 };
        verdict.write_headers(&mut headers);
        assert_eq!(headers.get("RateLimit-Limit").unwrap(), "3");
        assert_eq!(headers.get("RateLimit-Remaining").unwrap(), "2");
        assert_eq!(headers.get("RateLimit-Reset").unwrap(), "180");
        assert_eq!(headers.get(RETRY_AFTER), None);
        Verdict { admitted: false, ..verdict }.write_headers(&mut headers);
        assert_eq!(headers.get(RETRY_AFTER).unwrap(), "180");
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_its_count_and_waiting_for_its_end_suffices(
            steps in proptest::collection::vec((0_i64..4_000, any::<bool>()), 1..80),
        ) {
            const LENGTH: i64 = 5_500;
            let windows = Windows::new(limits(Limit::Off, within(3, 5_500)));
            let (mut now, mut opened, mut used, mut told) = (0, -LENGTH, 0, None);
            for (step, patient) in steps {
                let waited = told.filter(|_| patient);
                now += waited.unwrap_or(step);
                if now >= opened + LENGTH {
                    (opened, used) = (now, 0);
                }
                let verdict = windows.admit(login(1), at(now)).unwrap();
                prop_assert_eq!(verdict.admitted, used < 3);
                prop_assert!(verdict.admitted || waited.is_none());
                used += i32::from(verdict.admitted);
                told = (!verdict.admitted).then_some(i64::from(verdict.reset_seconds) * 1_000);
            }
        }
    }
}
