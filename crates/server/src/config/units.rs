//! The units of times.

/// Seconds in a minute.
pub(super) const MINUTE: i64 = 60;
/// Seconds in an hour.
pub(super) const HOUR: i64 = 3_600;
/// Seconds in a day.
pub(super) const DAY: i64 = 24 * HOUR;
/// Seconds in a year of 365.25 days (`docs/MODEL.md`, *Lifetimes*).
pub(super) const YEAR: i64 = 31_557_600;

/// The units of times with their seconds, smallest first.
pub(super) const UNITS: [(&str, i64); 6] = [("s", 1), ("m", 60), ("h", HOUR), ("d", DAY), ("w", 7 * DAY), ("y", YEAR)];
