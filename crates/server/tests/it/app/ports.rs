//! The clock and the random source of the tests: both do what they are told.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::time::Timestamp;

/// 2026-01-15T12:00:00.250Z: not on a whole second, so that a forgotten rounding shows.
pub(crate) const START: Timestamp = Timestamp::from_unix_millis(1_768_478_400_250);

/// A clock that stands still until somebody advances it.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) const fn new() -> Self {
        Self(AtomicI64::new(START.unix_millis()))
    }

    pub(crate) fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.advance_millis(seconds * 1_000);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Different bytes at every call, and the same ones in every run.
pub(crate) struct CountingRandom(AtomicU64);

impl CountingRandom {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Random for CountingRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let word = mix(self.0.fetch_add(1, Ordering::SeqCst));
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*): a bijection, so that no
/// word comes twice.
const fn mix(counter: u64) -> u64 {
    let word = counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
