//! A pool of threads for work that keeps a processor busy: hashing above all.
//!
//! It is bounded twice, in threads and in waiting jobs, so that a flood of logins is refused instead of piling
//! up, and it is not the threads that answer session checks.

pub(crate) mod hash_memory;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use thunderhead_metrics::InFlight;
use tokio::sync::oneshot;

use crate::work::hash_memory::HashMemory;

type Job = Box<dyn FnOnce() + Send>;

/// Without a job for so long, the memory of hashing is given back.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a job brought no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Too many jobs are waiting: worth another try in a moment.
    #[error("too much work is waiting")]
    Busy,
    /// The job panicked. The pool goes on without it.
    #[error("the work was abandoned")]
    Abandoned,
}

/// A handle on the pool. Its threads end with the last handle.
#[derive(Clone)]
pub struct WorkPool {
    jobs: SyncSender<Job>,
    /// What jobs hash in. It is kept while they follow on each other.
    pub(crate) memory: Arc<HashMemory>,
    metrics: WorkMetrics,
}

/// What the pool measures of itself.
#[derive(Clone)]
struct WorkMetrics {
    waiting: Gauge,
    running: Gauge,
    refused: Counter,
}

impl WorkMetrics {
    fn new() -> Self {
        Self {
            waiting: gauge!("thunderhead_hashing_waiting"),
            running: gauge!("thunderhead_hashing_running"),
            refused: counter!("thunderhead_hashing_refused_total"),
        }
    }
}

impl WorkPool {
    /// Starts `threads` threads before a queue of at most `queue` waiting jobs.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        Self::start_with(threads, queue, || ())
    }

    /// The same, and each thread begins with `first`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(threads: usize, queue: usize, first: fn()) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(queue.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let memory = Arc::new(HashMemory::default());
        for number in 0..threads.max(1) {
            let (waiting, memory) = (Arc::clone(&waiting), Arc::clone(&memory));
            let name = format!("work-{number}");
            std::thread::Builder::new().name(name).spawn(move || {
                first();
                work(&waiting, &memory);
            })?;
        }
        Ok(Self { jobs, memory, metrics: WorkMetrics::new() })
    }

    /// The same pool, which is left out of what is measured of hashing.
    #[must_use]
    pub fn unmeasured(self) -> Self {
        let metrics = WorkMetrics { waiting: Gauge::noop(), running: Gauge::noop(), refused: Counter::noop() };
        Self { metrics, ..self }
    }

    /// Runs a job on one of the threads. A job whose caller has gone away before its turn is not run.
    ///
    /// # Errors
    /// [`WorkError::Busy`] at once where the queue is full.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkError> {
        let (reply, result) = oneshot::channel();
        let (waiting, running) = (InFlight::new(self.metrics.waiting.clone()), self.metrics.running.clone());
        let job: Job = Box::new(move || {
            drop(waiting);
            if reply.is_closed() {
                return;
            }
            let counted = InFlight::new(running);
            let result = job();
            // Who reads the result does not find the job still counted.
            drop(counted);
            // Nobody waits any more if this fails: the result has no reader.
            let _ = reply.send(result);
        });
        match self.jobs.try_send(job) {
            Ok(()) => result.await.map_err(|_| WorkError::Abandoned),
            Err(TrySendError::Full(_)) => {
                self.metrics.refused.increment(1);
                Err(WorkError::Busy)
            }
            Err(TrySendError::Disconnected(_)) => Err(WorkError::Abandoned),
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, memory: &HashMemory) {
    loop {
        let Ok(job) = next(&waiting.lock().unwrap_or_else(PoisonError::into_inner), memory, PAUSE) else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job of the work pool panicked");
        }
    }
}

/// Waits for a job. One thread at a time does, and sees to the memory for all of them.
fn next(waiting: &Receiver<Job>, memory: &HashMemory, pause: Duration) -> Result<Job, RecvError> {
    let job = match waiting.recv_timeout(pause) {
        Err(RecvTimeoutError::Timeout) => {
            memory.release();
            waiting.recv()?
        }
        other => other.map_err(|_| RecvError)?,
    };
    memory.keep();
    Ok(job)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use argon2::password_hash::CustomizedPasswordHasher as _;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let pool = WorkPool::start(1, 1).unwrap();
        let (started, has_started) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        block_on(async {
            let mut running = Box::pin(pool.run(move || {
                started.send(()).unwrap();
                let _ = released.recv();
            }));
            let mut queued = Box::pin(pool.run(|| 1));
            // Polling once hands the job in; the thread takes the first one and blocks in it.
            assert!(poll_once(&mut running).await.is_none());
            has_started.recv().unwrap();
            assert!(poll_once(&mut queued).await.is_none());
            assert_eq!(pool.run(|| 2).await, Err(WorkError::Busy));
            drop(release);
            running.await.unwrap();
            assert_eq!(queued.await, Ok(1));
        });
    }

    #[test]
    fn a_panicking_job_costs_its_caller_alone() {
        let pool = WorkPool::start(1, 4).unwrap();
        let error = block_on(pool.run(|| panic!("made up")));
        assert_eq!(error, Err::<(), _>(WorkError::Abandoned));
        assert_eq!(block_on(pool.run(|| 3)), Ok(3));
    }

    #[test]
    fn hashing_keeps_its_memory_until_there_is_a_pause() {
        let memory = HashMemory::default();
        let (jobs, waiting) = sync_channel::<Job>(1);
        jobs.send(Box::new(|| ())).unwrap();
        drop(next(&waiting, &memory, Duration::MAX).unwrap());
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        memory.hash_password_with_params(b"sesame open", &[7; 16], params).unwrap();
        assert_eq!(memory.kept(), 1);
        std::thread::scope(|scope| {
            // The sender lives until the memory is gone, or has had all the time in the world to go.
            scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(60);
                while memory.kept() > 0 && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                assert_eq!(memory.kept(), 0);
                drop(jobs);
            });
            assert!(next(&waiting, &memory, Duration::ZERO).is_err());
        });
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
