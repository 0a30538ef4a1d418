//! When sessions were last used: noted in memory on the request's path, written in batches behind it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::{Storage, StorageError};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

/// A session's time of last use is written at most once in this many milliseconds.
const INTERVAL_MILLIS: i64 = 60_000;
/// Uses that are kept between two batches. One that is left out costs nothing but a time.
const CAPACITY: usize = 100_000;

/// The uses that are to be written.
#[derive(Default)]
pub(crate) struct UsageRecorder {
    pending: Mutex<HashMap<SessionUuid, Timestamp>>,
}

impl UsageRecorder {
    /// Notes a use, if the time that is known is old enough; returns whether it was.
    pub(crate) fn note(&self, session: &Session, now: Timestamp) -> bool {
        if session.used_at.is_some_and(|used_at| now.millis_since(used_at) < INTERVAL_MILLIS) {
            return false;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < CAPACITY || pending.contains_key(&session.uuid) {
            pending.insert(session.uuid, now);
        }
        true
    }

    /// Writes the uses noted since the last call.
    ///
    /// # Errors
    /// Where the database is away; the batch is lost then.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let uses = self.take();
        if uses.is_empty() { Ok(()) } else { storage.session_record_uses(&uses).await }
    }

    fn take(&self) -> Vec<(SessionUuid, Timestamp)> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pending).into_iter().collect()
    }
}
