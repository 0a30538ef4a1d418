//! Rows that this version cannot read: a newer one made them, or somebody by hand. One of them must not take the others
//! with it, so lists leave them out. Each is counted whenever it is met, and logged once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::counter;
use uuid::Uuid;

use crate::error::DataError;

/// So many rows are logged; whoever has more has seen enough.
const MOST_LOGGED: usize = 1_000;

static LOGGED: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());

/// The tables whose rows may be met.
const TABLES: [&str; 10] = [
    "audit",
    "challenges",
    "change_log",
    "failed_logins",
    "kill_switches",
    "second_factors",
    "services",
    "sessions",
    "users",
    "webhooks",
];

/// Has all that is counted here known before anything happens.
pub(crate) fn announce() {
    for table in TABLES {
        counter!("thunderhead_unreadable_rows_total", "table" => table).increment(0);
    }
}

/// By what an operator finds a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowKey {
    Number(i64),
    Uuid([u8; 16]),
    Text(String),
    /// What should be an id is none.
    Nameless,
}

impl RowKey {
    /// That of a row whose id is a UUID.
    pub(crate) fn uuid(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::Nameless, Self::Uuid)
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uuid(bytes) => Uuid::from_bytes(*bytes).fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Nameless => f.write_str("(no id)"),
        }
    }
}

/// A row with an id, by which the log names it.
pub(crate) trait Keyed {
    fn key(&self) -> RowKey;
}

/// What a row stands for; a row that cannot be read is counted and logged.
pub(crate) fn read<R: Keyed, T: TryFrom<R, Error = DataError>>(row: R) -> Result<T, DataError> {
    let key = row.key();
    T::try_from(row).map_err(|error| noted(error, &key))
}

/// What those rows of a list stand for that can be read.
pub(crate) fn readable<R: Keyed, T: TryFrom<R, Error = DataError>>(rows: Vec<R>) -> Vec<T> {
    rows.into_iter().filter_map(|row| read(row).ok()).collect()
}

/// Counts and logs a fault of a row, and hands it on.
pub(crate) fn noted(error: DataError, key: &RowKey) -> DataError {
    if let DataError::Column(column) = error {
        note(column, key);
    }
    error
}

/// Counts a row that has something unreadable in this column (`table.column`), and logs it once.
pub(crate) fn note(column: &'static str, key: &RowKey) {
    let table = column.split_once('.').map_or(column, |(table, _)| table);
    counter!("thunderhead_unreadable_rows_total", "table" => table).increment(1);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MOST_LOGGED && logged.insert((column, key.to_string())) {
        tracing::error!(column, row = %key, "a row cannot be read, and is left out where it can be; logged once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_as_operators_know_them() {
        assert_eq!(RowKey::uuid(&[7; 16]).to_string(), "07070707-0707-0707-0707-070707070707");
        assert_eq!(RowKey::uuid(&[7; 15]), RowKey::Nameless);
        assert_eq!(RowKey::Number(7).to_string(), "7");
        assert_eq!(RowKey::Text("a\nb".to_owned()).to_string(), r#""a\nb""#);
    }
}
