//! Attempts at one account, in every order: one goes at a time, and no lock is left behind.

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::pin::pin;
use std::task::{Context, Waker};
use thunderhead_domain::id::UserId;

use super::*;
use crate::sync::{Exploration, block_on, explore, spawn};

const KEY: BudgetKey = BudgetKey::Account(UserId::from_number(1));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    /// Who is done removes the lock, whoever waits for it.
    RemovedWhileOthersWait,
}

struct Attempts {
    locks: AccountLocks,
    order: Order,
    under_way: AtomicU32,
    /// Whether two were under way at once.
    is_broken: AtomicBool,
}

impl Attempts {
    fn attempt(&self) {
        let guard = block_on(self.locks.enter(&KEY)).unwrap();
        if self.under_way.fetch_add(1, Ordering::SeqCst) > 0 {
            self.is_broken.store(true, Ordering::SeqCst);
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.order == Order::RemovedWhileOthersWait {
            lock(&self.locks.locks).remove(&KEY);
        }
        drop(guard);
    }

    /// Waits, and gives up, unless it may go at once.
    fn give_up(&self) {
        let _ = pin!(self.locks.enter(&KEY)).poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Three attempt, one of whom gives up before.
fn three_attempt(order: Order) -> Exploration {
    explore(order == Order::Right, move || {
        let attempts = Arc::new(Attempts {
            locks: AccountLocks::new(Duration::from_secs(600)),
            order,
            under_way: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
        });
        let others: [_; 2] = std::array::from_fn(|number| {
            let attempts = Arc::clone(&attempts);
            spawn(move || {
                if number == 0 {
                    attempts.give_up();
                }
                attempts.attempt();
            })
        });
        attempts.attempt();
        for other in others {
            other.join().unwrap();
        }
        let is_empty = lock(&attempts.locks.locks).is_empty();
        !attempts.is_broken.load(Ordering::SeqCst) && is_empty
    })
}

#[test]
fn in_no_order_do_two_attempt_at_once_or_leave_a_lock_behind() {
    let exploration = three_attempt(Order::Right);
    assert!(!exploration.is_broken && exploration.orders > 100, "{exploration:?}");
}

#[test]
fn a_lock_that_is_removed_while_others_wait_is_found() {
    assert!(three_attempt(Order::RemovedWhileOthersWait).is_broken);
}
