//! Moments as databases write them as text.

use thunderhead_domain::time::Timestamp;

const DAY_SECONDS: i64 = 86_400;

/// The moment of `2026-11-28 03:44:30.146948+00:00` and its like: a space or a T between date and time, any number of
/// digits of a second's fraction, UTC where there is no offset. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (number(date.get(..4)?)?, number(date.get(5..7)?)?, number(date.get(8..)?)?);
    let separators = (date.as_bytes()[4], date.as_bytes()[7]);
    if separators != (b'-', b'-') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = rest.strip_prefix([' ', 'T', 't'])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (hour, minute, second) = (number(time.get(..2)?)?, number(time.get(3..5)?)?, number(time.get(6..)?)?);
    let separators = (time.as_bytes()[2], time.as_bytes()[5]);
    if separators != (b':', b':') || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let digits = rest.strip_prefix('.').map_or("", |fraction| {
        let end = fraction.find(|character: char| !character.is_ascii_digit()).unwrap_or(fraction.len());
        &fraction[..end]
    });
    let offset = &rest[if digits.is_empty() { 0 } else { digits.len() + 1 }..];
    let padded: String = digits.chars().chain("000".chars()).take(3).collect();
    let seconds = days_from_1970(year, month, day) * DAY_SECONDS + hour * 3_600 + minute * 60 + second - ahead(offset)?;
    Some(Timestamp::from_unix_millis(seconds * 1_000 + number(&padded)?))
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// How many seconds a zone is ahead of UTC.
fn ahead(offset: &str) -> Option<i64> {
    if matches!(offset, "" | "Z" | "z") {
        return Some(0);
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits = offset.strip_prefix(['+', '-'])?;
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    if hours.len() != 2 {
        return None;
    }
    Some(sign * (number(hours)? * 3_600 + number(minutes)? * 60))
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that a leap day is the last of its year.
const fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_the_two_engines_write_them() {
        for (text, millis) in [
            ("1970-01-01 00:00:00", 0),
            ("2026-11-28 03:44:30.146948+00:00", 1_795_837_470_146),
            ("2026-11-28 03:44:30.123963317+00:00", 1_795_837_470_123),
            ("2026-11-28 03:44:30.5", 1_795_837_470_500),
            ("2026-11-28T03:44:30Z", 1_795_837_470_000),
            ("2026-11-28T05:14:30.001+01:30", 1_795_837_470_001),
            ("2026-11-27 22:44:30-05", 1_795_837_470_000),
            ("2000-02-29 12:00:00", 951_825_600_000),
            ("0001-01-01 00:00:00+00:00", -62_135_596_800_000),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_unix_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "now",
            "infinity",
            "2026-11-28",
            "2026-13-28 00:00:00",
            "2026-11-28 24:00:00",
            "2026/11/28 00:00:00",
            "2026-11-28 00:00:00 BC",
            "2026-11-28 00:00:00+1",
            "+026-11-28 00:00:00",
            "2026-11-28é00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
