//! The memory that old hashes may fill together, whatever each of them needs: one that finds too little waits on its
//! thread for those before it.

use std::sync::{Condvar, Mutex, PoisonError};

/// What is free of so many KiB.
pub(crate) struct MemoryBudget {
    most: usize,
    free: Mutex<usize>,
    given_back: Condvar,
    /// Held by the one who waits for memory, so that nobody who needs less goes before.
    turn: Mutex<()>,
}

/// Memory that is taken, until this is dropped.
pub(crate) struct MemoryTaken<'a> {
    budget: &'a MemoryBudget,
    kib: usize,
}

impl MemoryBudget {
    pub(crate) const fn new(kib: usize) -> Self {
        Self { most: kib, free: Mutex::new(kib), given_back: Condvar::new(), turn: Mutex::new(()) }
    }

    /// Waits for so many KiB. Who needs more than there is at all gets everything.
    pub(crate) fn take(&self, kib: usize) -> MemoryTaken<'_> {
        let kib = kib.min(self.most);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.given_back.wait_while(free, |free| *free < kib).unwrap_or_else(PoisonError::into_inner);
        *free -= kib;
        drop(free);
        drop(turn);
        MemoryTaken { budget: self, kib }
    }
}

impl Drop for MemoryTaken<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.kib;
        self.budget.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_than_the_budget_is_ever_taken_and_everybody_gets_theirs() {
        let (budget, taken, most) = (MemoryBudget::new(10), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for wanted in [1, 9, 3, 7, 10, 4] {
                let (budget, taken, most) = (&budget, &taken, &most);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let memory = budget.take(wanted);
                        most.fetch_max(taken.fetch_add(wanted, Ordering::SeqCst) + wanted, Ordering::SeqCst);
                        taken.fetch_sub(wanted, Ordering::SeqCst);
                        drop(memory);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 10);
    }

    #[test]
    fn who_needs_more_than_there_is_gets_everything() {
        let budget = MemoryBudget::new(10);
        drop(budget.take(1_000));
        drop(budget.take(0));
        assert_eq!(budget.take(7).kib, 7);
    }
}
