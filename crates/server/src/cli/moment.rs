//! Moments as the operator types them: RFC 3339, or a plain date for its first moment in UTC.

use thunderhead_domain::time::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// The length of a plain date: a year of more digits is not one.
const DATE_LENGTH: usize = "2026-01-31".len();

/// Reads a moment; parts of a millisecond are cut off.
///
/// # Errors
/// What a moment looks like.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let expected =
        || "expected a moment such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31 (in UTC)".to_owned();
    let read = if text.len() == DATE_LENGTH {
        Date::parse(text, format_description!("[year]-[month]-[day]")).map(|date| date.midnight().assume_utc())
    } else {
        OffsetDateTime::parse(text, &Rfc3339)
    };
    let nanos = read.map_err(|_| expected())?.unix_timestamp_nanos();
    let millis = i64::try_from(nanos.div_euclid(1_000_000)).map_err(|_| expected())?;
    Ok(Timestamp::from_unix_millis(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_or_a_date() {
        for (text, moment_of) in [
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T01:00:01.0429+01:00", 1_042),
            ("1970-01-02", 86_400_000),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2024-02-29", 1_709_164_800_000),
        ] {
            assert_eq!(moment(text), Ok(Timestamp::from_unix_millis(moment_of)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_moment() {
        for text in [
            "",
            "now",
            "2026",
            "2026-01",
            "2026-1-1",
            "2026-02-30",
            "2026-13-01",
            "+2026-01-0",
            "-026-01-01",
            " 2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00Z",
            "20260101T000000Z",
            "1700000000",
            "1700000000000",
            "31.01.2026",
        ] {
            let message = moment(text).unwrap_err();
            assert!(message.contains("2026-01-31T12:00:00Z"), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn every_printed_moment_can_be_typed(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            let at = Timestamp::from_unix_millis(millis);
            prop_assert_eq!(moment(&at.to_string()), Ok(at));
        }

        #[test]
        fn what_can_be_typed_can_be_printed(text in "[0-9]{4}-[0-1][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-5][0-9]))?") {
            if let Ok(at) = moment(&text) {
                prop_assert!(at.to_string().ends_with('Z'));
            }
        }
    }
}
