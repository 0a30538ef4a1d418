//! Moments as they stand in addresses: of RFC 3339, or as forms send them, in UTC: `2026-01-31`, `2026-01-31T12:00` or
//! `2026-01-31T12:00:30`, with or without a `Z`.

use thunderhead_domain::time::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};

/// The length of a date: a year of more digits is not one.
const DATE_LENGTH: usize = "2026-01-31".len();
const SHORT_TIME_LENGTH: usize = "12:00".len();

/// Reads a moment; a date is its first. Parts of a millisecond are cut off.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
        return i64::try_from(millis).ok().map(Timestamp::from_unix_millis);
    }
    let (date, time) = match text.split_once('T') {
        None => (text, Time::MIDNIGHT),
        Some((date, time)) => (date, time_of_day(time.strip_suffix('Z').unwrap_or(time))?),
    };
    if date.len() != DATE_LENGTH {
        return None;
    }
    let date = Date::parse(date, format_description!("[year]-[month]-[day]")).ok()?;
    Some(Timestamp::from_unix_seconds(date.with_time(time).assume_utc().unix_timestamp()))
}

fn time_of_day(text: &str) -> Option<Time> {
    match text.len() {
        SHORT_TIME_LENGTH => Time::parse(text, format_description!("[hour]:[minute]")).ok(),
        _ => Time::parse(text, format_description!("[hour]:[minute]:[second]")).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_a_date_or_a_time_of_a_day() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("1970-01-02T00:00:01", 86_401),
            ("2024-02-29", 1_709_164_800),
            ("2023-06-18T05:53", 1_687_067_580),
            ("2023-06-18T05:53:34Z", 1_687_067_614),
            ("1969-12-31T23:59:59", -1),
        ] {
            assert_eq!(moment(text), Some(Timestamp::from_unix_seconds(seconds)), "{text}");
        }
        for (text, millis) in [("1970-01-01T00:00:01.0429Z", 1_042), ("1970-01-01T01:00:01+01:00", 1_000)] {
            assert_eq!(moment(text), Some(Timestamp::from_unix_millis(millis)), "{text}");
        }
        for text in [
            "",
            "T",
            "2026",
            "2026-02-30",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "2026-01-01T",
            "+026-01-01",
            "2026-01-01T24:00",
            "2026-01-01T1:00",
            "2026-01-01T00:60",
            "2026-01-01-01",
            "2026-01-01T00:00+01:00",
            "ä026-01-01",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_that_is_printed_can_be_sent(seconds in -62_135_596_800_i64..253_402_300_800) {
            let at = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(moment(&at.to_string()[..19]), Some(at));
            let at = at.plus_millis(7);
            prop_assert_eq!(moment(&at.to_string()), Some(at));
        }
    }
}
