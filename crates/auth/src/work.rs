//! A pool of threads for work that keeps a processor busy: hashing above all.
//!
//! It is bounded twice, in threads and in waiting jobs, so that a flood of logins is refused instead of piling
//! up, and it is not the threads that answer session checks.

pub(crate) mod hash_memory;
pub(crate) mod memory_budget;
pub(crate) mod queue;

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};
use thunderhead_metrics::InFlight;
use tokio::sync::oneshot;

use crate::work::hash_memory::HashMemory;
use crate::work::queue::{JobOwner, JobQueue};

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
    queue: Arc<OpenQueue>,
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
        let queue = Arc::new(JobQueue::new(NonZeroUsize::new(queue).unwrap_or(NonZeroUsize::MIN)));
        let memory = Arc::new(HashMemory::default());
        let pool = Self { queue: Arc::new(OpenQueue(queue)), memory, metrics: WorkMetrics::new() };
        for number in 0..threads.max(1) {
            let (queue, memory) = (Arc::clone(&pool.queue.0), Arc::clone(&pool.memory));
            std::thread::Builder::new().name(format!("work-{number}")).spawn(move || {
                first();
                work(&queue, &memory);
            })?;
        }
        Ok(pool)
    }

    /// The same pool, which is left out of what is measured of hashing.
    #[must_use]
    pub fn unmeasured(self) -> Self {
        let metrics = WorkMetrics { waiting: Gauge::noop(), running: Gauge::noop(), refused: Counter::noop() };
        Self { metrics, ..self }
    }

    /// Takes a place for a job that is to come.
    ///
    /// # Errors
    /// [`WorkError::Busy`] where none is free.
    pub(crate) fn reserve(&self, owner: JobOwner) -> Result<Reservation, WorkError> {
        if !self.queue.0.take_place(owner) {
            self.metrics.refused.increment(1);
            return Err(WorkError::Busy);
        }
        let (waiting, running) = (InFlight::new(self.metrics.waiting.clone()), self.metrics.running.clone());
        let refused = self.metrics.refused.clone();
        Ok(Reservation { queue: Arc::clone(&self.queue), owner, running, refused, _waiting: waiting })
    }

    /// Refuses a job of an owner who gets no place now. Whoever is known gets one where anybody does.
    ///
    /// # Errors
    /// [`WorkError::Busy`] then.
    pub(crate) fn refuse_if_full_for(&self, owner: JobOwner) -> Result<(), WorkError> {
        if self.queue.0.is_full_for(owner) {
            self.metrics.refused.increment(1);
            return Err(WorkError::Busy);
        }
        Ok(())
    }

    /// Runs a job on one of the threads. A job whose caller has gone away before its turn is not run.
    ///
    /// # Errors
    /// [`WorkError::Busy`] at once where there is no place for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        owner: JobOwner,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        self.reserve(owner)?.run(job).await
    }
}

/// The queue as long as somebody may still hand in a job.
struct OpenQueue(Arc<JobQueue>);

impl Drop for OpenQueue {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A place in the queue, free again when this is dropped.
#[must_use]
pub(crate) struct Reservation {
    queue: Arc<OpenQueue>,
    owner: JobOwner,
    running: Gauge,
    refused: Counter,
    _waiting: InFlight,
}

impl Reservation {
    /// Runs the job that the place was taken for, as [`WorkPool::run`] does.
    pub(crate) async fn run<T: Send + 'static>(self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkError> {
        let (reply, result) = oneshot::channel();
        let (queue, owner) = (Arc::clone(&self.queue.0), self.owner);
        let job = move || {
            let running = self.running.clone();
            drop(self);
            if reply.is_closed() {
                return;
            }
            let counted = InFlight::new(running);
            let result = job();
            // Who reads the result does not find the job still counted.
            drop(counted);
            // Nobody waits any more if this fails: the result has no reader.
            let _ = reply.send(result);
        };
        queue.push(owner, Box::new(job));
        result.await.map_err(|_| WorkError::Abandoned)
    }

    /// The same, unless its caller's patience ends before the job begins.
    ///
    /// # Errors
    /// [`WorkError::Busy`] then: the job is not run.
    pub(crate) async fn run_unless<T: Send + 'static>(
        self,
        patience_ends: Pin<&mut impl Future<Output = ()>>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let refused = self.refused.clone();
        let (begin, mut begun) = oneshot::channel();
        let mut run = pin!(self.run(move || begin.send(()).is_ok().then(job)));
        let result = match unless(patience_ends, run.as_mut()).await {
            Some(result) => result?,
            None => {
                begun.close();
                if begun.try_recv().is_ok() { run.await? } else { None }
            }
        };
        result.ok_or(WorkError::Busy).inspect_err(|_| refused.increment(1))
    }
}

/// What a future comes to, unless somebody's patience ends before.
pub(crate) async fn unless<T>(
    mut patience_ends: Pin<&mut impl Future<Output = ()>>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => patience_ends.as_mut().poll(context).map(|()| None),
    })
    .await
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.queue.0.give_place_back(self.owner);
    }
}

fn work(queue: &JobQueue, memory: &HashMemory) {
    while let Some(job) = queue.next(memory, PAUSE) {
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job of the work pool panicked");
        }
    }
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
            let mut running = Box::pin(pool.run(JobOwner::Known, move || {
                started.send(()).unwrap();
                let _ = released.recv();
            }));
            let mut queued = Box::pin(pool.run(JobOwner::Known, || 1));
            // Polling once hands the job in; the thread takes the first one and blocks in it.
            assert!(poll_once(&mut running).await.is_none());
            has_started.recv().unwrap();
            assert!(poll_once(&mut queued).await.is_none());
            assert_eq!(pool.run(JobOwner::Known, || 2).await, Err(WorkError::Busy));
            drop(release);
            running.await.unwrap();
            assert_eq!(queued.await, Ok(1));
        });
    }

    #[test]
    fn a_place_is_taken_until_its_job_begins_or_its_caller_gives_up() {
        let pool = WorkPool::start(1, 1).unwrap();
        let place = pool.reserve(JobOwner::Stranger).unwrap();
        assert_eq!(pool.reserve(JobOwner::Known).err(), Some(WorkError::Busy));
        assert_eq!(pool.refuse_if_full_for(JobOwner::Known), Err(WorkError::Busy));
        drop(place);
        assert_eq!(pool.refuse_if_full_for(JobOwner::Known), Ok(()));
        let place = pool.reserve(JobOwner::Stranger).unwrap();
        assert_eq!(block_on(place.run(|| 1)), Ok(1));
        assert!(pool.reserve(JobOwner::Known).is_ok());
    }

    #[test]
    fn a_job_is_not_run_once_patience_has_ended_and_one_that_has_begun_is_waited_for() {
        let pool = WorkPool::start(1, 2).unwrap();
        let (started, has_started) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel();
        let (lose, lost) = oneshot::channel::<()>();
        block_on(async {
            let mut patience_ends = pin!(async move { drop(lost.await) });
            let place = pool.reserve(JobOwner::Known).unwrap();
            let mut running = Box::pin(place.run_unless(patience_ends.as_mut(), move || {
                started.send(()).unwrap();
                released.recv().unwrap()
            }));
            assert!(poll_once(&mut running).await.is_none());
            has_started.recv().unwrap();
            drop(lose);
            assert!(poll_once(&mut running).await.is_none(), "it has begun");
            let place = pool.reserve(JobOwner::Known).unwrap();
            let refused = place.run_unless(pin!(std::future::ready(())), || panic!("nobody waits for this")).await;
            assert_eq!(refused, Err::<(), _>(WorkError::Busy));
            release.send(1).unwrap();
            assert_eq!(running.await, Ok(1));
            assert_eq!(pool.run(JobOwner::Known, || 2).await, Ok(2));
        });
    }

    #[test]
    fn a_job_whose_place_outlives_the_pool_is_run() {
        let place = WorkPool::start(1, 1).unwrap().reserve(JobOwner::Known).unwrap();
        assert_eq!(block_on(place.run(|| 1)), Ok(1));
    }

    #[test]
    fn a_panicking_job_costs_its_caller_alone() {
        let pool = WorkPool::start(1, 4).unwrap();
        let error = block_on(pool.run(JobOwner::Stranger, || panic!("made up")));
        assert_eq!(error, Err::<(), _>(WorkError::Abandoned));
        assert_eq!(block_on(pool.run(JobOwner::Stranger, || 3)), Ok(3));
    }

    #[test]
    fn hashing_keeps_its_memory_until_there_is_a_pause() {
        let memory = HashMemory::default();
        let queue = JobQueue::new(NonZeroUsize::MIN);
        queue.push(JobOwner::Known, Box::new(|| ()));
        drop(queue.next(&memory, Duration::MAX).unwrap());
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        memory.hash_password_with_params(b"sesame open", &[7; 16], params).unwrap();
        assert_eq!(memory.kept(), 1);
        std::thread::scope(|scope| {
            // The queue stays open until the memory is gone, or has had all the time in the world to go.
            scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(60);
                while memory.kept() > 0 && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                assert_eq!(memory.kept(), 0);
                queue.close();
            });
            assert!(queue.next(&memory, Duration::ZERO).is_none());
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
