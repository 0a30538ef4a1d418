//! Lets the guesses at one account through one by one.
//!
//! A guess is charged to the account's failure budget before it is judged. Without this, many right logins of
//! one user at once would look like as many failures to each other. Guesses at different accounts, and on
//! different replicas, do not wait for each other: the budget in the database holds for all of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use thunderhead_domain::ports::BudgetKey;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// The most guesses that wait for one account.
const LONGEST_QUEUE: usize = 1_024;

type Gates = Arc<Mutex<HashMap<BudgetKey, Arc<Gate<()>>>>>;

/// The gates of all accounts that are being guessed at.
#[derive(Default)]
pub(crate) struct Turnstile {
    gates: Gates,
}

/// Too many guesses at one account are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// The right to guess at one account; the next in line goes when it is dropped.
pub(crate) struct Turn {
    gates: Gates,
    key: BudgetKey,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turnstile {
    /// Waits for a turn.
    pub(crate) async fn enter(&self, key: &BudgetKey) -> Result<Turn, QueueFull> {
        let gate = {
            let mut gates = lock(&self.gates);
            let gate = gates.entry(key.clone()).or_default();
            // The map holds one handle, the one who goes and each who waits another.
            if Arc::strong_count(gate) > LONGEST_QUEUE {
                return Err(QueueFull);
            }
            Arc::clone(gate)
        };
        // From here on a caller who gives up leaves through `Turn`, which forgets gates that nobody is at.
        let mut turn = Turn { gates: Arc::clone(&self.gates), key: key.clone(), guard: None };
        turn.guard = Some(gate.lock_owned().await);
        Ok(turn)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut gates = lock(&self.gates);
        self.guard = None;
        if gates.get(&self.key).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.key);
        }
    }
}

fn lock(gates: &Gates) -> std::sync::MutexGuard<'_, HashMap<BudgetKey, Arc<Gate<()>>>> {
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use thunderhead_domain::id::UserId;

    use super::*;

    fn key(number: i64) -> BudgetKey {
        BudgetKey::Account(UserId::from_number(number))
    }

    #[test]
    fn one_account_goes_one_by_one_and_others_do_not_wait() {
        let turnstile = Turnstile::default();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(first)) = pin!(turnstile.enter(&key(1))).poll(&mut context) else { panic!("must not wait") };
        let same = key(1);
        {
            let mut second = pin!(turnstile.enter(&same));
            assert!(second.as_mut().poll(&mut context).is_pending());
            let other = pin!(turnstile.enter(&key(2))).poll(&mut context).is_ready();
            assert!(other);
            drop(first);
            assert!(second.as_mut().poll(&mut context).is_ready());
        }
        assert!(lock(&turnstile.gates).is_empty(), "gates that nobody is at are forgotten");
    }

    #[test]
    fn a_caller_who_gives_up_leaves_no_gate_behind() {
        let turnstile = Turnstile::default();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(first)) = pin!(turnstile.enter(&key(1))).poll(&mut context) else { panic!("must not wait") };
        {
            let same = key(1);
            let mut second = pin!(turnstile.enter(&same));
            assert!(second.as_mut().poll(&mut context).is_pending());
        }
        drop(first);
        assert!(lock(&turnstile.gates).is_empty());
    }
}
