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
use thunderhead_domain::ports::Stored;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fault::{Failure, Impossible, Overload};
use crate::meter::{Counted, Meter};
use crate::pool::{Manager, Pool};

/// How often a transaction that lost against another one is run.
const ATTEMPTS: u32 = 5;

type Job<C> = Box<dyn FnOnce(&Pool<C>) + Send>;

/// A queue, and the threads that work it off. Dropping it stops them.
pub(crate) struct Lane<C: R2D2Connection + Send + 'static> {
    jobs: SyncSender<Job<C>>,
    deadline: Duration,
    meter: Meter,
}

/// How a lane is laid out.
pub(crate) struct Layout {
    /// Names the threads, and the lane in measurements.
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

impl<C: R2D2Connection + Send + 'static> Lane<C> {
    /// Starts the threads. Connections are made when they are first needed.
    pub(crate) fn start(layout: &Layout, manager: Manager<C>) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(layout.queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let pool = crate::pool::build(manager, layout.connections, layout.deadline);
        for _ in 0..layout.connections {
            let (waiting, pool) = (Arc::clone(&waiting), pool.clone());
            thread::Builder::new().name(layout.name.to_owned()).spawn(move || work_off(&waiting, &pool))?;
        }
        Ok(Self { jobs, deadline: layout.deadline, meter: Meter::new(layout.name) })
    }

    /// Runs `work` on a connection and waits for its result, at most until the deadline. What a caller no longer
    /// waits for is not begun; what has begun is finished, but nobody is told that it is done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut C, &mut Progress) -> Result<T, Failure> + Send + 'static,
    ) -> Stored<T> {
        let _measured = self.meter.operation();
        let until = Instant::now() + self.deadline;
        let (answer, result) = oneshot::channel();
        let (waiting, running) = (self.meter.waiting(), self.meter.running());
        let job: Job<C> = Box::new(move |pool| {
            drop(waiting);
            if answer.is_closed() {
                return;
            }
            let counted = Counted::new(&running);
            let outcome = catch_unwind(AssertUnwindSafe(|| attempt(pool, until, &work)));
            let outcome = outcome.unwrap_or_else(|panic| {
                tracing::error!(message = panic_text(panic.as_ref()), "a database job panicked");
                Err(Impossible::Panicked.into())
            });
            // Who reads the outcome does not find the job still counted.
            drop(counted);
            // Sending fails when the caller has given up meanwhile: there is nobody left to tell.
            drop(answer.send(outcome));
        });
        let overload = match self.jobs.try_send(job) {
            Err(TrySendError::Full(_)) => Overload::QueueFull,
            Err(TrySendError::Disconnected(_)) => Overload::Stopped,
            Ok(()) => match timeout(self.deadline, result).await {
                Ok(Ok(outcome)) => return Ok(outcome.map_err(|failure| self.meter.failed(failure))?),
                Ok(Err(oneshot::error::RecvError { .. })) => Overload::Stopped,
                Err(tokio::time::error::Elapsed { .. }) => Overload::TooSlow,
            },
        };
        Err(self.meter.overloaded(overload).into())
    }
}

/// A thread's life: one job after the other, until the lane is dropped.
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
    work: &impl Fn(&mut C, &mut Progress) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut conflicts = 0;
    let mut dead_connections = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut slot = pool.get_timeout(left).map_err(Failure::NoConnection)?;
        let mut progress = Progress::default();
        let failure = match slot.run(|connection| work(connection, &mut progress)) {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if failure.is_conflict() {
            conflicts += 1;
        } else if failure.is_dead_connection() && !progress.begun {
            dead_connections += 1;
        } else {
            return Err(failure);
        }
        if conflicts >= ATTEMPTS || dead_connections > pool.max_size() || Instant::now() >= until {
            return Err(failure);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
