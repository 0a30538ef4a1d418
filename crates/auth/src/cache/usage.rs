//! When sessions were last used, and services last asked: noted in memory on the request's path, written in batches behind
//! it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::{Storage, StorageError};
use thunderhead_domain::service::ServiceName;
use thunderhead_domain::time::Timestamp;

/// A time of last use is written at most once in this many milliseconds.
const INTERVAL_MILLIS: i64 = 60_000;
/// Uses that are kept between two batches. One that is left out costs nothing but a time.
const CAPACITY: usize = 100_000;

/// The uses that are to be written.
pub(crate) struct UsageRecorder<K> {
    pending: Mutex<HashMap<K, Timestamp>>,
}

impl<K> Default for UsageRecorder<K> {
    fn default() -> Self {
        Self { pending: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> UsageRecorder<K> {
    /// Notes a use, if the time that is known is old enough; returns whether it was. Nothing is locked where it is not.
    pub(crate) fn note(&self, used: &K, known: Option<Timestamp>, now: Timestamp) -> bool {
        if known.is_some_and(|known| now.millis_since(known) < INTERVAL_MILLIS) {
            return false;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < CAPACITY || pending.contains_key(used) {
            pending.insert(used.clone(), now);
        }
        true
    }

    fn take(&self) -> Vec<(K, Timestamp)> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pending).into_iter().collect()
    }
}

impl UsageRecorder<SessionUuid> {
    /// Writes the uses noted since the last call.
    ///
    /// # Errors
    /// Where the database is away; the batch is lost then.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let uses = self.take();
        if uses.is_empty() { Ok(()) } else { storage.session_record_uses(&uses).await }
    }
}

impl UsageRecorder<ServiceName> {
    /// The same for services.
    ///
    /// # Errors
    /// Where the database is away; the batch is lost then.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let uses = self.take();
        if uses.is_empty() { Ok(()) } else { storage.service_record_uses(&uses).await }
    }
}
