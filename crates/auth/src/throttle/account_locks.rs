//! Lets the attempts at one account through one after the other.
//!
//! An attempt is charged to the account's failure budget before it is checked. Without this, many right logins of
//! one user at once would look like as many failures to each other. Attempts at different accounts, and on
//! different replicas, do not wait for each other: the budget in the database holds for all of them.
//!
//! Whoever goes is done in time, because hashing and the database are bounded. But where each takes as long as it may,
//! those behind would wait that long many times over, so that waiting has a deadline of its own. Nothing is charged
//! before the turn has come.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use thunderhead_domain::budget::BudgetKey;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio::time::timeout;

use crate::error::InternalError;
use crate::sync::{Mutex, MutexGuard};

/// The most attempts that are at one account: the one that goes, and those that wait.
const LONGEST_QUEUE: usize = 1_024;

type Locks = Arc<Mutex<HashMap<BudgetKey, Arc<Lock<()>>>>>;

/// The locks of all accounts at which something is attempted.
pub(crate) struct AccountLocks {
    locks: Locks,
    deadline: Duration,
}

/// Too many attempts at one account are waiting, or this one has waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockTimeout;

impl From<LockTimeout> for InternalError {
    fn from(LockTimeout: LockTimeout) -> Self {
        Self::Busy
    }
}

/// The right to attempt at one account; the next in line goes when it is dropped.
pub(crate) struct AccountGuard {
    locks: Locks,
    key: BudgetKey,
    guard: Option<OwnedMutexGuard<()>>,
}

impl AccountLocks {
    /// Where attempts wait until the deadline at most.
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { locks: Locks::default(), deadline }
    }

    /// Waits for a turn.
    pub(crate) async fn enter(&self, key: &BudgetKey) -> Result<AccountGuard, LockTimeout> {
        let lock = {
            let mut locks = lock(&self.locks);
            let lock = locks.entry(key.clone()).or_default();
            // The map holds one handle, the one who goes and each who waits another.
            if Arc::strong_count(lock) > LONGEST_QUEUE {
                return Err(LockTimeout);
            }
            Arc::clone(lock)
        };
        // From here on who gives up, or has to, leaves through `AccountGuard`, which removes locks that nobody holds.
        let mut guard = AccountGuard { locks: Arc::clone(&self.locks), key: key.clone(), guard: None };
        guard.guard = Some(timeout(self.deadline, lock.lock_owned()).await.map_err(|_| LockTimeout)?);
        Ok(guard)
    }
}

impl fmt::Debug for AccountGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountGuard")
    }
}

impl Drop for AccountGuard {
    fn drop(&mut self) {
        let mut locks = lock(&self.locks);
        self.guard = None;
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

fn lock(locks: &Locks) -> MutexGuard<'_, HashMap<BudgetKey, Arc<Lock<()>>>> {
    locks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use thunderhead_domain::id::UserId;

    use super::*;

    /// Longer than any test, and never waited for.
    const PATIENCE: Duration = Duration::from_secs(600);

    fn key(number: i64) -> BudgetKey {
        BudgetKey::Account(UserId::from_number(number))
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn enter_at_once(account_locks: &AccountLocks, key: &BudgetKey) -> AccountGuard {
        let Poll::Ready(Ok(guard)) = poll(pin!(account_locks.enter(key))) else { panic!("must not wait") };
        guard
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn one_account_goes_one_by_one_and_others_do_not_wait() {
        block_on(async {
            let account_locks = AccountLocks::new(PATIENCE);
            let (same, other) = (key(1), key(2));
            let first = enter_at_once(&account_locks, &same);
            {
                let mut second = pin!(account_locks.enter(&same));
                assert!(poll(second.as_mut()).is_pending());
                enter_at_once(&account_locks, &other);
                drop(first);
                assert!(poll(second.as_mut()).is_ready());
            }
            assert!(lock(&account_locks.locks).is_empty(), "locks that nobody holds are removed");
        });
    }

    #[test]
    fn a_caller_who_gives_up_leaves_no_lock_behind() {
        block_on(async {
            let account_locks = AccountLocks::new(PATIENCE);
            let same = key(1);
            let first = enter_at_once(&account_locks, &same);
            assert!(poll(pin!(account_locks.enter(&same))).is_pending());
            drop(first);
            assert!(lock(&account_locks.locks).is_empty());
        });
    }

    #[test]
    fn who_has_waited_for_too_long_is_sent_away_and_leaves_no_lock_behind() {
        block_on(async {
            let account_locks = AccountLocks::new(Duration::ZERO);
            let same = key(1);
            let first = enter_at_once(&account_locks, &same);
            assert_eq!(account_locks.enter(&same).await.unwrap_err(), LockTimeout);
            drop(first);
            assert!(lock(&account_locks.locks).is_empty());
            enter_at_once(&account_locks, &same);
        });
    }

    #[test]
    fn only_so_many_wait_at_one_account() {
        block_on(async {
            let account_locks = AccountLocks::new(PATIENCE);
            let (same, other) = (key(1), key(2));
            let first = enter_at_once(&account_locks, &same);
            let mut waiting: Vec<_> = (1..LONGEST_QUEUE).map(|_| Box::pin(account_locks.enter(&same))).collect();
            assert!(waiting.iter_mut().all(|one| poll(one.as_mut()).is_pending()));
            assert_eq!(account_locks.enter(&same).await.unwrap_err(), LockTimeout, "at once");
            enter_at_once(&account_locks, &other);
            waiting.pop();
            let mut late = pin!(account_locks.enter(&same));
            assert!(poll(late.as_mut()).is_pending(), "one has left");
            drop(first);
        });
    }
}
