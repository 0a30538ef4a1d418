//! The callers' side of a pool: a bounded queue, and a deadline for whoever waits. A database that hangs costs its callers
//! an error in time, never their patience.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use metrics::Gauge;
use thunderhead_domain::ports::Stored;
use thunderhead_metrics::InFlight;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::engine::metrics::PoolMetrics;
use crate::error::{DataError, OperationError, OverloadError};

/// How a pool is laid out.
pub(crate) struct PoolOptions {
    /// Names the threads, and the pool in measurements.
    pub(crate) name: &'static str,
    /// How many connections, and as many threads.
    pub(crate) connections: u32,
    /// How many jobs may wait.
    pub(crate) queue: usize,
    /// How long a caller waits, queueing included.
    pub(crate) deadline: Duration,
}

/// Where jobs wait for a thread. Dropping it stops the threads.
pub(crate) struct Queue<J> {
    jobs: SyncSender<J>,
    deadline: Duration,
    metrics: Arc<PoolMetrics>,
}

/// Whom a job owes its outcome.
pub(crate) struct Reply<T> {
    answer: oneshot::Sender<Result<T, OperationError>>,
    until: Instant,
    counted: InFlight,
    running: Gauge,
}

impl<J: Send> Queue<J> {
    /// A queue, and the end at which jobs are taken out.
    pub(crate) fn new(options: &PoolOptions) -> (Self, Receiver<J>) {
        let (jobs, waiting) = sync_channel(options.queue);
        (Self { jobs, deadline: options.deadline, metrics: Arc::new(PoolMetrics::new(options.name)) }, waiting)
    }

    /// Has a job wait for its turn, and waits for its outcome, at most until the deadline. What a caller no longer waits
    /// for is not begun; what has begun is finished, but nobody is told that it is done.
    pub(crate) async fn ask<T: Send>(&self, job: impl FnOnce(Reply<T>) -> J + Send) -> Stored<T> {
        let _measured = self.metrics.operation();
        let until = Instant::now() + self.deadline;
        let (answer, result) = oneshot::channel();
        let reply = Reply { answer, until, counted: self.metrics.waiting(), running: self.metrics.running() };
        let error = match self.jobs.try_send(job(reply)) {
            Err(TrySendError::Full(_)) => OverloadError::QueueFull,
            Err(TrySendError::Disconnected(_)) => OverloadError::Stopped,
            Ok(()) => match timeout(self.deadline, result).await {
                Ok(Ok(outcome)) => return Ok(outcome.map_err(|error| self.metrics.failed(error))?),
                Ok(Err(oneshot::error::RecvError { .. })) => OverloadError::Stopped,
                Err(tokio::time::error::Elapsed { .. }) => OverloadError::TooSlow,
            },
        };
        Err(self.metrics.overloaded(error).into())
    }
}

impl<J: Send> Queue<J> {
    /// Has a job wait for its turn that owes nobody its outcome. Where it finds no place it is dropped.
    pub(crate) fn hand_over(&self, job: J) {
        if let Err(refused) = self.jobs.try_send(job) {
            self.metrics.overloaded(match refused {
                TrySendError::Full(_) => OverloadError::QueueFull,
                TrySendError::Disconnected(_) => OverloadError::Stopped,
            });
        }
    }

    /// Measures what such a job does.
    pub(crate) fn measured(&self) -> MeasuredOperations {
        MeasuredOperations { deadline: self.deadline, metrics: Arc::clone(&self.metrics) }
    }
}

/// Operations of a thread that hands their outcomes on by itself.
pub(crate) struct MeasuredOperations {
    deadline: Duration,
    metrics: Arc<PoolMetrics>,
}

impl MeasuredOperations {
    /// Runs one of them, which is told until when somebody waits.
    pub(crate) fn run<T>(&self, operation: impl FnOnce(Instant) -> Result<T, OperationError>) -> Stored<T> {
        let _measured = self.metrics.operation();
        let _running = InFlight::new(self.metrics.running());
        let until = Instant::now() + self.deadline;
        let outcome = operation(until);
        if Instant::now() > until {
            self.metrics.overloaded(OverloadError::TooSlow);
        }
        Ok(outcome.map_err(|error| self.metrics.failed(error))?)
    }
}

impl<T> Reply<T> {
    /// Counts the job as running; `false` where nobody waits for it any longer.
    pub(crate) fn begin(&mut self) -> bool {
        if self.answer.is_closed() {
            return false;
        }
        self.counted = InFlight::new(self.running.clone());
        true
    }

    /// Until when somebody waits.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    pub(crate) fn send(self, outcome: Result<T, OperationError>) {
        // Who reads the outcome does not find the job still counted.
        drop(self.counted);
        // Sending fails when the caller has given up meanwhile: there is nobody left to tell.
        drop(self.answer.send(outcome));
    }
}

/// Does a job's work. A panic is a defect of this job alone.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, OperationError>) -> Result<T, OperationError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        tracing::error!(message = panic_text(panic.as_ref()), "a database job panicked");
        Err(DataError::Panicked.into())
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
