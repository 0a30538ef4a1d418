//! Moments as forms send them, in UTC: `2026-01-31`, `2026-01-31T12:00` or `2026-01-31T12:00:30`, with or without a `Z`.

use thunderhead_domain::time::Timestamp;

const SECONDS_OF_DAY: i64 = 24 * 60 * 60;

/// Reads a moment; a date is its first.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let seconds = match time {
        None => 0,
        Some(time) => seconds_of(time.strip_suffix('Z').unwrap_or(time))?,
    };
    let at = Timestamp::from_unix_seconds(days(year, month, day) * SECONDS_OF_DAY + seconds);
    // A date that there is not comes out as another one.
    at.to_string().starts_with(date).then_some(at)
}

fn seconds_of(time: &str) -> Option<i64> {
    let [hour, minute, second] = match time.len() {
        5 => numbers(&format!("{time}:00"), ':', [2, 2, 2])?,
        _ => numbers(time, ':', [2, 2, 2])?,
    };
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)
}

/// Numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970 of a date in the Gregorian calendar: years begin in March here, so that a leap day is the last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
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
        }
    }
}
