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

#[cfg(test)]
mod tests {
    use thunderhead_domain::audit::ActionContext;
    use thunderhead_domain::service::EventAccess;
    use thunderhead_domain::session::{Actor, TokenDigest};
    use thunderhead_testkit::{TestDatabase, block_on};

    use super::*;
    use crate::testing::{NOW, Replica};

    fn at(seconds: i64) -> Timestamp {
        NOW.plus_seconds(seconds)
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let recorder = UsageRecorder::<u32>::default();
        assert!(recorder.note(&1, None, at(0)));
        assert!(!recorder.note(&1, Some(at(0)), at(60).plus_millis(-1)));
        assert_eq!(recorder.noted(&1), Some(at(0)));
        assert!(recorder.note(&1, Some(at(0)), at(60)));
        assert_eq!((recorder.noted(&1), recorder.noted(&2)), (Some(at(60)), None));
    }

    #[test]
    fn what_could_not_be_written_is_kept_for_the_next_time_unless_there_is_something_later() {
        let recorder = UsageRecorder::<u32>::default();
        recorder.note(&1, None, at(0));
        recorder.note(&2, None, at(0));
        assert_eq!(recorder.take().len(), 2);
        assert_eq!(recorder.noted(&1), Some(at(0)), "nobody knows yet whether it was written");
        recorder.note(&2, None, at(90));
        assert_eq!(recorder.settle(Err(())), Err(()));
        assert_eq!((recorder.noted(&1), recorder.noted(&2)), (Some(at(0)), Some(at(90))));
        let mut again = recorder.take();
        again.sort_unstable();
        assert_eq!(again, [(1, at(0)), (2, at(90))]);
        assert_eq!(recorder.settle(Ok::<_, ()>(())), Ok(()));
        assert_eq!((recorder.noted(&1), recorder.take()), (None, vec![]));
    }

    #[test]
    fn only_so_many_uses_are_kept_and_those_that_are_go_on_being_noted() {
        let recorder = UsageRecorder::<usize>::default();
        (0..CAPACITY).for_each(|used| assert!(recorder.note(&used, None, at(0))));
        assert!(recorder.note(&CAPACITY, None, at(1)));
        assert!(recorder.note(&0, None, at(2)));
        assert_eq!((recorder.noted(&CAPACITY), recorder.noted(&0)), (None, Some(at(2))));
        recorder.take();
        (1..=CAPACITY).for_each(|used| assert!(recorder.note(&used, None, at(3))));
        assert_eq!(recorder.settle(Err(())), Err(()));
        assert_eq!((recorder.noted(&0), recorder.take().len()), (None, CAPACITY));
    }

    #[test]
    fn uses_of_sessions_and_services_are_written() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let storage = &*replica.environment.storage;
            let session = replica.register("ada", None).await.session;
            let sessions = UsageRecorder::default();
            sessions.note(&session.uuid, session.used_at, at(70));
            sessions.flush(storage).await.unwrap();
            let found = storage.session_find_any(session.uuid).await.unwrap().unwrap();
            assert_eq!((found.used_at, sessions.noted(&session.uuid)), (Some(at(70)), None));

            let name = ServiceName::existing("uploads".to_owned()).unwrap();
            let action = ActionContext { at: NOW, by: Actor::CommandLine, client_ip: None };
            storage.service_create(name.clone(), TokenDigest([7; 32]), EventAccess::Denied, action).await.unwrap();
            let services = UsageRecorder::default();
            services.note(&name, None, at(5));
            services.flush(storage).await.unwrap();
            assert_eq!(storage.service_find(&name).await.unwrap().unwrap().asked_at, Some(at(5)));

            database.tamper("DROP TABLE services");
            services.note(&name, None, at(99));
            assert!(services.flush(storage).await.is_err());
            assert_eq!(services.noted(&name), Some(at(99)));
        });
    }
}
