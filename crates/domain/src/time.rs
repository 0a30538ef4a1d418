//! Points in time as every layer and both databases hold them: whole milliseconds since the Unix epoch, UTC.

use std::fmt;

use ::time::OffsetDateTime;

/// Milliseconds in a second.
const SECOND: i64 = 1_000;
/// `0000-01-01T00:00:00.000Z`, in milliseconds since the Unix epoch.
const FIRST_PRINTED: i64 = -62_167_219_200_000;
/// `9999-12-31T23:59:59.999Z`, in milliseconds since the Unix epoch.
const LAST_PRINTED: i64 = 253_402_300_799_999;

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

    /// RFC 3339 in UTC with milliseconds, as every dialect prints it: `2026-01-31T12:00:00.000Z`. What the form has no room
    /// for is written as the first or the last moment that it has.
    pub fn to_rfc3339(self) -> [u8; 24] {
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let millis = self.0.clamp(FIRST_PRINTED, LAST_PRINTED);
        // Within these ends there is always a moment.
        if let Ok(moment) = OffsetDateTime::from_unix_timestamp(millis.div_euclid(SECOND)) {
            let (year, month, day) = moment.to_calendar_date();
            let (hour, minute, second) = moment.to_hms();
            print(&mut text[..4], year.unsigned_abs());
            print(&mut text[5..7], u8::from(month).into());
            print(&mut text[8..10], day.into());
            print(&mut text[11..13], hour.into());
            print(&mut text[14..16], minute.into());
            print(&mut text[17..19], second.into());
            print(&mut text[20..23], millis.rem_euclid(SECOND) as u32);
        }
        text
    }

    /// Milliseconds from `earlier` to this point; negative if `earlier` is the later one.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// As [`Timestamp::to_rfc3339`] writes it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.to_rfc3339()).map_err(|_| fmt::Error)?)
    }
}

/// Fills the place with the number's decimal digits. Every answer prints times: `format_description!` takes ten times
/// as long.
fn print(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
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
        assert_eq!(Timestamp::from_unix_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_beyond_the_form_print_as_its_ends() {
        for millis in [i64::MIN, FIRST_PRINTED - 1, FIRST_PRINTED] {
            assert_eq!(Timestamp::from_unix_millis(millis).to_string(), "0000-01-01T00:00:00.000Z");
        }
        for millis in [i64::MAX, LAST_PRINTED + 1, LAST_PRINTED] {
            assert_eq!(Timestamp::from_unix_millis(millis).to_string(), "9999-12-31T23:59:59.999Z");
        }
    }

    #[test]
    fn spans_are_added_and_measured_and_stop_at_the_ends() {
        let moment = Timestamp::from_unix_seconds(-2).plus_millis(500);
        assert_eq!((moment.unix_millis(), moment.unix_seconds()), (-1_500, -2));
        assert_eq!(moment.plus_seconds(2).millis_since(moment), 2_000);
        assert_eq!(moment.millis_since(moment.plus_millis(7)), -7);
        let (first, last) = (Timestamp::from_unix_millis(i64::MIN), Timestamp::from_unix_millis(i64::MAX));
        assert_eq!([last.plus_millis(1), last.plus_seconds(1), Timestamp::from_unix_seconds(i64::MAX)], [last; 3]);
        assert_eq!((last.millis_since(first), first.millis_since(last)), (i64::MAX, i64::MIN));
    }

    #[test]
    fn seconds_are_rounded_up_so_that_waiting_suffices() {
        assert_eq!(seconds_rounded_up(0), 0);
        assert_eq!(seconds_rounded_up(1), 1);
        assert_eq!(seconds_rounded_up(1_000), 1);
        assert_eq!(seconds_rounded_up(1_001), 2);
        assert_eq!(seconds_rounded_up(-1), 0);
    }
}
