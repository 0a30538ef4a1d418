//! The two clocks that a guard reads: the calendar for `exp`, and one that nobody sets for how old an answer is.

use std::time::{Duration, Instant, UNIX_EPOCH};

use thunderhead_domain::time::Timestamp;

/// Where time comes from.
pub(crate) trait Time: Send + Sync {
    /// By the calendar.
    fn now(&self) -> Timestamp;

    /// Since some moment that stays the same.
    fn elapsed(&self) -> Duration;
}

/// The system's.
pub(crate) struct RealTime {
    begun: Instant,
}

impl RealTime {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Time for RealTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else here is given")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}
