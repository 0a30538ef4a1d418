//! Locks and atomics that threads share. With the feature `interleavings` they are those of loom, which runs a test once in
//! each order in which threads may come to them.

#[cfg(not(feature = "interleavings"))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(feature = "interleavings")]
pub(crate) use self::checked::OnceLock;
#[cfg(feature = "interleavings")]
pub(crate) use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(feature = "interleavings")]
mod checked {
    use std::fmt;

    use loom::sync::Mutex;

    /// Loom has none: this one lets others go on wherever it is looked at or set.
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        looks: Mutex<()>,
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self { value: std::sync::OnceLock::new(), looks: Mutex::new(()) }
        }
    }

    impl<T> OnceLock<T> {
        pub(crate) fn get(&self) -> Option<&T> {
            drop(self.looks.lock());
            self.value.get()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            drop(self.looks.lock());
            self.value.set(value)
        }
    }

    impl<T> fmt::Debug for OnceLock<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("OnceLock").finish_non_exhaustive()
        }
    }
}

#[cfg(test)]
#[cfg(feature = "interleavings")]
pub(crate) use self::explore::{Exploration, block_on, explore, spawn};

#[cfg(test)]
#[cfg(feature = "interleavings")]
mod explore {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use loom::sync::{Condvar, Mutex};
    use loom::thread::{Builder, JoinHandle};

    /// How often a thread is interrupted at most where it could have gone on, if the promise is to hold. Waiting is no
    /// interruption.
    const PREEMPTIONS: usize = 3;
    /// How often it has to be for a wrong order to be found.
    const FEW_PREEMPTIONS: usize = 2;
    /// In words.
    const STACK: usize = 0x2_0000;

    /// What was found in all orders.
    #[derive(Debug)]
    pub(crate) struct Exploration {
        /// How many orders there are.
        pub(crate) orders: u64,
        /// Whether the promise was broken in one of them.
        pub(crate) is_broken: bool,
    }

    /// Runs a scenario in each order. It tells whether it has kept its promise, which it should if it is right.
    pub(crate) fn explore(is_right: bool, scenario: impl Fn() -> bool + Send + Sync + 'static) -> Exploration {
        let (orders, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        // What waits has a deadline, and that wants a runtime, though nobody lets time pass.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(if is_right { PREEMPTIONS } else { FEW_PREEMPTIONS });
        let seen = (Arc::clone(&orders), Arc::clone(&broken));
        model.check(move || {
            seen.0.fetch_add(1, Ordering::Relaxed);
            seen.1.fetch_or(!scenario(), Ordering::Relaxed);
        });
        let orders = orders.load(Ordering::Relaxed);
        println!("{orders} orders");
        Exploration { orders, is_broken: broken.load(Ordering::Relaxed) }
    }

    /// A thread with as much of a stack as cryptography needs in a debug build.
    pub(crate) fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        Builder::new().stack_size(STACK).spawn(body).unwrap()
    }

    /// Has a thread wait. Loom's own lets others go on where a waker is copied, which tokio does behind a lock that loom
    /// does not know.
    #[derive(Default)]
    struct Parked {
        is_woken: Mutex<bool>,
        woken: Condvar,
    }

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            *self.is_woken.lock().unwrap() = true;
            self.woken.notify_one();
        }
    }

    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        let parked = Arc::new(Parked::default());
        let waker = Waker::from(Arc::clone(&parked));
        let mut future = std::pin::pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let mut is_woken = parked.is_woken.lock().unwrap();
            while !*is_woken {
                is_woken = parked.woken.wait(is_woken).unwrap();
            }
            *is_woken = false;
        }
    }
}
