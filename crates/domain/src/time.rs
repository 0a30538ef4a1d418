//! Points in time as every layer and both databases hold them: whole milliseconds since the Unix epoch, UTC.

use std::fmt;

use ::time::OffsetDateTime;
use ::time::macros::format_description;

/// Milliseconds in a second.
const SECOND: i64 = 1_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the Unix epoch; saturates instead of overflowing.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This point plus a span in seconds; saturates.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }

    /// This point plus a span in milliseconds; saturates.
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this point; negative if `earlier` is the later one.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with milliseconds, as every dialect prints it: `2026-01-31T12:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &[::time::format_description::BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let nanos = i128::from(self.0) * 1_000_000;
        let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        f.write_str(&moment.format(FORM).map_err(|_| fmt::Error)?)
    }
}

/// Seconds from a span in milliseconds, rounded up: waiting that long always suffices.
pub const fn seconds_rounded_up(millis: i64) -> i64 {
    let whole = millis.div_euclid(SECOND);
    if millis.rem_euclid(SECOND) > 0 { whole + 1 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_unix_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_millis(1_687_067_614_042).to_string(), "2023-06-18T05:53:34.042Z");
    }

    #[test]
    fn seconds_are_rounded_up_so_that_waiting_suffices() {
        assert_eq!(seconds_rounded_up(0), 0);
        assert_eq!(seconds_rounded_up(1), 1);
        assert_eq!(seconds_rounded_up(1_000), 1);
        assert_eq!(seconds_rounded_up(1_001), 2);
    }
}
