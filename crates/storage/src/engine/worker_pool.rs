//! Where blocking work runs: threads of its own over a pool of connections, each of which does one job after the other.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use diesel::r2d2::R2D2Connection;
use thunderhead_domain::ports::{ChangeCursor, ChangeRounds, Invalidations, PoolStatus, Stored};

use crate::engine::pool::{self, Manager, Pool};
use crate::engine::queue::{PoolOptions, Queue, Reply, guarded};
use crate::error::OperationError;

/// How often a transaction that lost against another one is run.
const ATTEMPTS: u32 = 5;

type Job<C> = Box<dyn FnOnce(&Pool<C>) + Send>;

/// A queue, and the threads that work it off. Dropping it stops them.
pub(crate) struct WorkerPool<C: R2D2Connection + Send + 'static> {
    name: &'static str,
    connections: Pool<C>,
    queue: Queue<Job<C>>,
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
        let (queue, waiting) = Queue::new(options);
        let waiting = Arc::new(Mutex::new(waiting));
        let connections = pool::build(manager, options.connections, options.deadline);
        for _ in 0..options.connections {
            let (waiting, connections) = (Arc::clone(&waiting), connections.clone());
            thread::Builder::new().name(options.name.to_owned()).spawn(move || work_off(&waiting, &connections))?;
        }
        Ok(Self { name: options.name, connections, queue })
    }

    pub(crate) fn status(&self) -> PoolStatus {
        pool::status(self.name, &self.connections)
    }

    /// Runs `work` on a connection and waits for its result, at most until the deadline.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut C, &mut Progress) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        let job = move |mut reply: Reply<T>| -> Job<C> {
            Box::new(move |connections| {
                if reply.begin() {
                    let outcome = guarded(|| attempt(connections, reply.until(), &work));
                    reply.send(outcome);
                }
            })
        };
        self.queue.ask(job).await
    }
}

impl<C: R2D2Connection + Send + 'static> WorkerPool<C> {
    /// Has a thread read in rounds. It goes from one to the next by itself, and nobody waits but for the rounds.
    pub(crate) fn run_rounds(
        &self,
        mut rounds: Box<dyn ChangeRounds>,
        work: impl Fn(&mut C, &ChangeCursor) -> Result<Invalidations, OperationError> + Send + 'static,
    ) {
        let measured = self.queue.measured();
        self.queue.hand_over(Box::new(move |connections| {
            while let Some(known) = rounds.begin() {
                let read = |until| guarded(|| attempt(connections, until, &|connection, _| work(connection, &known)));
                rounds.end(measured.run(read));
            }
        }));
    }
}

/// A thread's life: one job after the other, until the pool is dropped.
fn work_off<C: R2D2Connection + Send + 'static>(waiting: &Mutex<Receiver<Job<C>>>, connections: &Pool<C>) {
    loop {
        // Jobs run outside the lock, so nothing can panic while it is held.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(connections);
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

#[cfg(test)]
mod tests;
