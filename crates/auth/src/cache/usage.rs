//! When sessions were last used, and services last asked: noted in memory on the request's path, written in batches behind
//! it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    uses: Mutex<Uses<K>>,
}

struct Uses<K> {
    pending: HashMap<K, Timestamp>,
    /// Those of which it is not known yet whether they were written.
    under_way: HashMap<K, Timestamp>,
}

impl<K> Default for UsageRecorder<K> {
    fn default() -> Self {
        Self { uses: Mutex::new(Uses { pending: HashMap::new(), under_way: HashMap::new() }) }
    }
}

impl<K: Clone + Eq + Hash> UsageRecorder<K> {
    /// Notes a use, if the time that is known is old enough; returns whether it was. Nothing is locked where it is not.
    pub(crate) fn note(&self, used: &K, known: Option<Timestamp>, now: Timestamp) -> bool {
        if known.is_some_and(|known| now.millis_since(known) < INTERVAL_MILLIS) {
            return false;
        }
        let Uses { pending, .. } = &mut *self.lock();
        if pending.len() < CAPACITY || pending.contains_key(used) {
            pending.insert(used.clone(), now);
        }
        true
    }

    /// The latest use that was noted and may not be written yet.
    pub(crate) fn noted(&self, used: &K) -> Option<Timestamp> {
        let uses = self.lock();
        uses.pending.get(used).or_else(|| uses.under_way.get(used)).copied()
    }

    fn take(&self) -> Vec<(K, Timestamp)> {
        let mut uses = self.lock();
        uses.under_way = std::mem::take(&mut uses.pending);
        uses.under_way.iter().map(|(used, at)| (used.clone(), *at)).collect()
    }

    /// Forgets what was written. What was not is written with what is noted next.
    fn settle<E>(&self, written: Result<(), E>) -> Result<(), E> {
        let mut uses = self.lock();
        let under_way = std::mem::take(&mut uses.under_way);
        if written.is_err() {
            for (used, at) in under_way {
                if uses.pending.len() == CAPACITY {
                    break;
                }
                uses.pending.entry(used).or_insert(at);
            }
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, Uses<K>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageRecorder<SessionUuid> {
    /// Writes the uses noted since the last call.
    ///
    /// # Errors
    /// Where the database is away; the next call writes them then.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let uses = self.take();
        if uses.is_empty() { Ok(()) } else { self.settle(storage.session_record_uses(&uses).await) }
    }
}

impl UsageRecorder<ServiceName> {
    /// The same for services.
    ///
    /// # Errors
    /// Where the database is away; the next call writes them then.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let uses = self.take();
        if uses.is_empty() { Ok(()) } else { self.settle(storage.service_record_uses(&uses).await) }
    }
}
