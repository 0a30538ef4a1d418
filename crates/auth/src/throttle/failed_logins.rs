//! Failed logins for the audit trail: noted in memory, and counted in the database behind the requests, so that a flood
//! of them costs a transaction a second and no more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::failed_login::{Attempts, FailedLogins, LoginFailure, LoginTarget, MOST_OPEN};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{Storage, StorageError};

/// How many are counted in one transaction.
const BATCH: usize = 200;

#[derive(Default)]
pub(crate) struct FailedLoginRecorder {
    pending: Mutex<HashMap<Attempts, FailedLogins>>,
}

impl FailedLoginRecorder {
    /// Notes a failed login at an account, or at a name that nobody has.
    pub(crate) fn note(
        &self,
        user: Option<UserId>,
        failure: LoginFailure,
        agent: Option<&str>,
        action: &ActionContext,
    ) {
        let target = user.map_or(LoginTarget::UnknownName, LoginTarget::Account);
        let attempts = Attempts::at(action.at, target, action.client_ip);
        self.add(FailedLogins::one(attempts, failure, agent, action.at));
    }

    /// Counts in the database what was noted since the last call.
    ///
    /// # Errors
    /// Where the database is away; what was not counted is counted with the next call.
    pub(crate) async fn flush(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let mut pending = self.take();
        while !pending.is_empty() {
            let rest = pending.split_off(pending.len().min(BATCH));
            if let Err(error) = storage.failed_logins_add(&pending).await {
                pending.into_iter().chain(rest).for_each(|failed| self.add(failed));
                return Err(error);
            }
            pending = rest;
        }
        Ok(())
    }

    fn add(&self, mut failed: FailedLogins) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() >= MOST_OPEN && !pending.contains_key(&failed.attempts) {
            failed.attempts = failed.attempts.among_others();
        }
        match pending.get_mut(&failed.attempts) {
            Some(counted) => counted.add(failed),
            None => drop(pending.insert(failed.attempts, failed)),
        }
    }

    fn take(&self) -> Vec<FailedLogins> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pending).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::session::Actor;
    use thunderhead_testkit::{TestDatabase, block_on};

    use super::*;
    use crate::testing::{NOW, Replica};

    fn action(address: &str) -> ActionContext {
        ActionContext { at: NOW, by: Actor::Stranger, client_ip: address.parse().ok() }
    }

    fn note(recorder: &FailedLoginRecorder, user: Option<i64>) {
        let user = user.map(UserId::from_number);
        recorder.note(user, LoginFailure::Password, Some("curl"), &action("192.0.2.7"));
    }

    #[test]
    fn failures_are_counted_by_account_and_those_of_unknown_names_together() {
        let recorder = FailedLoginRecorder::default();
        for user in [Some(1), Some(1), Some(2), None, None, None] {
            note(&recorder, user);
        }
        let mut counts: Vec<_> = recorder.take().iter().map(|failed| (failed.user(), failed.passwords)).collect();
        counts.sort_unstable();
        let [ada, eve] = [1, 2].map(|number| Some(UserId::from_number(number)));
        assert_eq!(counts, [(None, 3), (ada, 2), (eve, 1)]);
        assert!(recorder.take().is_empty());
    }

    #[test]
    fn only_so_many_are_told_apart_and_the_rest_is_counted_as_one() {
        let recorder = FailedLoginRecorder::default();
        (0..MOST_OPEN as i64 + 2).for_each(|user| note(&recorder, Some(user)));
        note(&recorder, Some(0));
        let counts = recorder.take();
        assert_eq!(counts.len(), MOST_OPEN + 1);
        let others = counts.iter().find(|failed| failed.attempts.target == LoginTarget::Others).unwrap();
        assert_eq!((others.passwords, others.attempts.address), (2, None));
        let first = counts.iter().find(|failed| failed.user() == Some(UserId::from_number(0))).unwrap();
        assert_eq!(first.passwords, 2);
    }

    #[test]
    fn what_was_noted_is_counted_in_the_database_once_however_many_batches_it_takes() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let storage = &*replica.environment.storage;
            let recorder = FailedLoginRecorder::default();
            let many = 2 * BATCH + 1;
            (0..many).for_each(|user| note(&recorder, Some(user as i64)));
            for _ in 0..2 {
                recorder.flush(storage).await.unwrap();
                let counted = storage.failed_logins_newest(10_000).await.unwrap();
                assert_eq!(counted.iter().map(|failed| failed.passwords).sum::<u32>(), many as u32);
            }
        });
    }

    #[test]
    fn what_could_not_be_counted_is_counted_the_next_time() {
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let recorder = FailedLoginRecorder::default();
            let many = 2 * BATCH + 1;
            (0..many).for_each(|user| note(&recorder, Some(user as i64)));
            database.tamper("ALTER TABLE failed_logins RENAME TO away");
            assert!(recorder.flush(&*replica.environment.storage).await.is_err());
            assert_eq!(recorder.take().len(), many);
        });
    }
}
