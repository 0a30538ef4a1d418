//! Where blocking work runs: threads of its own over a pool of connections, behind a bounded queue, with a
//! deadline on the caller's side. A database that hangs costs its callers an error in time, never their patience.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::r2d2::R2D2Connection;
use thunderhead_domain::ports::{PoolStatus, Stored};
use thunderhead_metrics::InFlight;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::engine::metrics::PoolMetrics;
use crate::engine::pool::{Manager, Pool};
use crate::error::{DataError, OperationError, OverloadError};

/// How often a transaction that lost against another one is run.
const ATTEMPTS: u32 = 5;

type Job<C> = Box<dyn FnOnce(&Pool<C>) + Send>;

/// A queue, and the threads that work it off. Dropping it stops them.
pub(crate) struct WorkerPool<C: R2D2Connection + Send + 'static> {
    name: &'static str,
    connections: Pool<C>,
    jobs: SyncSender<Job<C>>,
    deadline: Duration,
    metrics: PoolMetrics,
}

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

/// What a job has done so far, as far as running it once more is concerned.
#[derive(Default)]
pub(crate) struct Progress {
    begun: bool,
}

impl Progress {
    /// From here on a failure may have come after the change: the job must not be run once more.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }
}

impl<C: R2D2Connection + Send + 'static> WorkerPool<C> {
    /// Starts the threads. Connections are made when they are first needed.
    pub(crate) fn start(options: &PoolOptions, manager: Manager<C>) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(options.queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let pool = crate::engine::pool::build(manager, options.connections, options.deadline);
        for _ in 0..options.connections {
            let (waiting, pool) = (Arc::clone(&waiting), pool.clone());
            thread::Builder::new().name(options.name.to_owned()).spawn(move || work_off(&waiting, &pool))?;
        }
        let (name, deadline) = (options.name, options.deadline);
        Ok(Self { name, connections: pool, jobs, deadline, metrics: PoolMetrics::new(name) })
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let state = self.connections.state();
        let busy = state.connections.saturating_sub(state.idle_connections);
        PoolStatus { name: self.name, busy, open: state.connections, most: self.connections.max_size() }
    }

    /// Runs `work` on a connection and waits for its result, at most until the deadline. What a caller no longer
    /// waits for is not begun; what has begun is finished, but nobody is told that it is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut C, &mut Progress) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        let _measured = self.metrics.operation();
        let until = Instant::now() + self.deadline;
        let (answer, result) = oneshot::channel();
        let (waiting, running) = (self.metrics.waiting(), self.metrics.running());
        let job: Job<C> = Box::new(move |pool| {
            drop(waiting);
            if answer.is_closed() {
                return;
            }
            let counted = InFlight::new(running);
            let outcome = catch_unwind(AssertUnwindSafe(|| attempt(pool, until, &work)));
            let outcome = outcome.unwrap_or_else(|panic| {
                tracing::error!(message = panic_text(panic.as_ref()), "a database job panicked");
                Err(DataError::Panicked.into())
            });
            // Who reads the outcome does not find the job still counted.
            drop(counted);
            // Sending fails when the caller has given up meanwhile: there is nobody left to tell.
            drop(answer.send(outcome));
        });
        let error = match self.jobs.try_send(job) {
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

/// A thread's life: one job after the other, until the pool is dropped.
fn work_off<C: R2D2Connection + Send + 'static>(waiting: &Mutex<Receiver<Job<C>>>, pool: &Pool<C>) {
    loop {
        // Jobs run outside the lock, so nothing can panic while it is held.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(pool);
    }
}

/// Runs the work until it succeeds or must not be repeated. It is repeated when it lost against another
/// transaction, and when the connection turned out to be dead before anything had begun: after the database
/// was restarted, every connection of the pool is.
fn attempt<C: R2D2Connection + Send + 'static, T>(
    pool: &Pool<C>,
    until: Instant,
    work: &impl Fn(&mut C, &mut Progress) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    let mut conflicts = 0;
    let mut dead_connections = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut slot = pool.get_timeout(left).map_err(OperationError::NoConnection)?;
        let mut progress = Progress::default();
        let error = match slot.run(|connection| work(connection, &mut progress)) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if error.is_conflict() {
            conflicts += 1;
        } else if error.is_dead_connection() && !progress.begun {
            dead_connections += 1;
        } else {
            return Err(error);
        }
        if conflicts >= ATTEMPTS || dead_connections > pool.max_size() || Instant::now() >= until {
            return Err(error);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
