//! What is stored and only this layer can tell that it cannot be read. It is counted and logged as the storage does
//! with rows, and an answer says that it is there: it is neither right nor wrong.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, counter};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::StorageError;

/// So many are logged; whoever has more has seen enough.
const MOST_LOGGED: usize = 1_000;

static LOGGED: Mutex<BTreeSet<UserId>> = Mutex::new(BTreeSet::new());

/// A password hash that is none, or one that was not made here.
#[derive(Debug, thiserror::Error)]
#[error("the password hash of a user cannot be read")]
struct UnreadablePasswordHash;

/// The counter of rows of this table that cannot be read.
pub(crate) fn rows(table: &'static str) -> Counter {
    counter!("thunderhead_unreadable_rows_total", "table" => table)
}

/// Counts a password hash that cannot be read, and logs its user once.
pub(crate) fn password_hash(user: UserId) -> StorageError {
    rows("users").increment(1);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MOST_LOGGED && logged.insert(user) {
        tracing::error!(%user, "a password hash cannot be read; its logins are 503 until the password is set; logged once");
    }
    StorageError::Unreadable(UnreadablePasswordHash.into())
}
