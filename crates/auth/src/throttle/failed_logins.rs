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
