//! SQLite's one writer. What waits for its turn shares one commit, and with it what takes longest: waiting for the disk.
//!
//! Each transaction of a batch is run by itself, in the order in which they came, behind a savepoint that its failure goes
//! back to. Nobody is answered before the commit. Where it fails, or SQLite has undone the batch because of one of them
//! (a full disk, an error of the disk), none of them has happened, and all are told so.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use diesel::SqliteConnection;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use thunderhead_domain::ports::{PoolStatus, Stored};

use crate::engine::Commit;
use crate::engine::pool::{self, Manager, Pool};
use crate::engine::queue::{PoolOptions, Queue, Reply, guarded};
use crate::error::{DataError, OperationError};

/// What a failure goes back to where others have been at work in the same batch.
const SAVE: &str = "SAVEPOINT shared";
const KEEP: &str = "RELEASE shared";
const UNDO: &str = "ROLLBACK TO shared; RELEASE shared";

/// How many transactions share a commit, and for how long others may join.
#[derive(Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) most: usize,
    pub(crate) filling: Duration,
}

/// Whoever waits for the first of a batch waits for all of it: that is less than a slow disk takes for a commit.
pub(crate) const LIMITS: BatchLimits = BatchLimits { most: 128, filling: Duration::from_millis(10) };

/// The thread that writes, and the queue in front of it. Dropping it stops the thread.
pub(crate) struct Writer {
    name: &'static str,
    connections: Pool<SqliteConnection>,
    queue: Queue<Box<dyn Job>>,
}

/// A transaction that somebody waits for.
trait Job: Send {
    /// Whether anybody waits for it still; from here on it counts as running.
    fn begin(&mut self) -> bool;
    fn commit(&self) -> Commit;
    fn until(&self) -> Instant;
    /// Does the work, after that of others or without any.
    fn run(&mut self, connection: &mut SqliteConnection, commit: Commit) -> Ran;
    /// Tells the outcome of the work: it is committed, or undone for its own sake.
    fn answer(self: Box<Self>);
    /// Tells that nothing of it has happened.
    fn fail(self: Box<Self>, error: OperationError);
}

/// How the work of a transaction has ended.
enum Ran {
    Done,
    /// It is refused, or something is wrong with it.
    Failed,
    /// It is to be done without others.
    TakesLong,
    /// The database has failed, in these words.
    Outage(String),
    Panicked,
}

struct Write<A, W> {
    work: W,
    commit: Commit,
    reply: Reply<A>,
    outcome: Option<Result<A, OperationError>>,
}

impl Writer {
    /// Starts the thread. The connection is made when it is first needed.
    pub(crate) fn start(
        options: &PoolOptions,
        limits: BatchLimits,
        manager: Manager<SqliteConnection>,
    ) -> io::Result<Self> {
        let (queue, waiting) = Queue::new(options);
        let connections = pool::build(manager, options.connections, options.deadline);
        let pool = connections.clone();
        thread::Builder::new().name(options.name.to_owned()).spawn(move || work_off(&waiting, limits, &pool))?;
        Ok(Self { name: options.name, connections, queue })
    }

    pub(crate) fn status(&self) -> PoolStatus {
        pool::status(self.name, &self.connections)
    }

    /// Runs a transaction, makes an answer of what comes of its work, and waits until that is certain, at most until the
    /// deadline.
    pub(crate) async fn run<T, A: Send + 'static>(
        &self,
        commit: Commit,
        work: impl Fn(&mut SqliteConnection, Commit) -> Result<T, OperationError> + Send + 'static,
        answer: impl Fn(Result<T, OperationError>) -> Result<A, OperationError> + Send + 'static,
    ) -> Stored<A> {
        let work = move |connection: &mut SqliteConnection, commit: Commit| {
            let done = guarded(|| work(connection, commit));
            let ran = Ran::of(&done);
            (ran, answer(done))
        };
        let job = |reply| -> Box<dyn Job> { Box::new(Write { work, commit, reply, outcome: None }) };
        self.queue.ask(job).await
    }
}

impl Ran {
    fn of<T>(done: &Result<T, OperationError>) -> Self {
        match done {
            Ok(_) => Self::Done,
            Err(OperationError::Data(DataError::Panicked)) => Self::Panicked,
            Err(OperationError::TakesLong) => Self::TakesLong,
            Err(error) if error.is_outage() => Self::Outage(error.to_string()),
            Err(_) => Self::Failed,
        }
    }

    /// Whether the connection can be used for others afterwards.
    fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::TakesLong => true,
            Self::Outage(_) | Self::Panicked => false,
        }
    }
}

impl<A, W> Job for Write<A, W>
where
    A: Send,
    W: Fn(&mut SqliteConnection, Commit) -> (Ran, Result<A, OperationError>) + Send,
{
    fn begin(&mut self) -> bool {
        self.reply.begin()
    }

    fn commit(&self) -> Commit {
        self.commit
    }

    fn until(&self) -> Instant {
        self.reply.until()
    }

    fn run(&mut self, connection: &mut SqliteConnection, commit: Commit) -> Ran {
        let (ran, outcome) = (self.work)(connection, commit);
        self.outcome = Some(outcome);
        ran
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            self.reply.send(outcome);
        }
    }

    fn fail(self: Box<Self>, error: OperationError) {
        self.reply.send(Err(error));
    }
}

/// The thread's life: one batch after the other, until the queue is dropped.
fn work_off(waiting: &Receiver<Box<dyn Job>>, limits: BatchLimits, connections: &Pool<SqliteConnection>) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| waiting.recv().ok()) {
        let turn = catch_unwind(AssertUnwindSafe(|| turn(first, waiting, limits, connections)));
        next = turn.unwrap_or_else(|_| {
            tracing::error!("the writer panicked between two jobs");
            None
        });
    }
}

/// Runs a job and what may share its commit. Returns what was taken out of the queue and may not.
fn turn(
    mut first: Box<dyn Job>,
    waiting: &Receiver<Box<dyn Job>>,
    limits: BatchLimits,
    connections: &Pool<SqliteConnection>,
) -> Option<Box<dyn Job>> {
    if !first.begin() {
        return None;
    }
    let left = first.until().saturating_duration_since(Instant::now());
    match connections.get_timeout(left) {
        Ok(mut slot) => slot.lend(|connection| run(connection, first, waiting, limits)),
        Err(error) => {
            first.fail(OperationError::NoConnection(error));
            None
        }
    }
}

/// Also returns whether the connection can be used again.
fn run(
    connection: &mut SqliteConnection,
    mut first: Box<dyn Job>,
    waiting: &Receiver<Box<dyn Job>>,
    limits: BatchLimits,
) -> (Option<Box<dyn Job>>, bool) {
    // Another process may be writing. If that takes too long, it has cost this one job.
    if let Err(error) = AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE") {
        first.fail(error.into());
        return (None, false);
    }
    let begun = Instant::now();
    let ran = first.run(connection, Commit::Own);
    if !matches!(ran, Ran::Done) {
        // It has seen nothing but what is committed, so its answer is certain.
        let undone = AnsiTransactionManager::rollback_transaction(connection);
        first.answer();
        return (None, undone.is_ok() && ran.leaves_connection_usable());
    }
    let most = match first.commit() {
        Commit::Shared => limits.most,
        Commit::Own => 1,
    };
    let mut batch = Batch { connection, jobs: vec![first], panicked: false, usable: true };
    let mut next = None;
    while batch.jobs.len() < most && begun.elapsed() < limits.filling {
        let Ok(mut job) = waiting.try_recv() else { break };
        match job.commit() {
            Commit::Own => {
                next = Some(job);
                break;
            }
            Commit::Shared if !job.begin() => continue,
            Commit::Shared => {}
        }
        match batch.add(job) {
            Ok(None) => {}
            Ok(took_long) => {
                next = took_long;
                break;
            }
            Err(why) => {
                batch.fail(&why);
                return (None, false);
            }
        }
    }
    (next, batch.commit())
}

/// Transactions that share a commit, each of which is done, or undone for its own sake.
struct Batch<'c> {
    connection: &'c mut SqliteConnection,
    jobs: Vec<Box<dyn Job>>,
    panicked: bool,
    usable: bool,
}

impl Batch<'_> {
    /// Runs one more; returns it where it is to be done without the others. An error says why everything was undone.
    fn add(&mut self, mut job: Box<dyn Job>) -> Result<Option<Box<dyn Job>>, String> {
        let ran = match self.connection.batch_execute(SAVE) {
            Ok(()) => job.run(self.connection, Commit::Shared),
            Err(error) => Ran::Outage(error.to_string()),
        };
        self.panicked |= matches!(ran, Ran::Panicked);
        self.usable &= ran.leaves_connection_usable();
        // Where SQLite has undone the whole transaction, there is no such savepoint any more.
        let ended = self.connection.batch_execute(if matches!(ran, Ran::Done) { KEEP } else { UNDO });
        if ended.is_ok() && matches!(ran, Ran::TakesLong) {
            return Ok(Some(job));
        }
        self.jobs.push(job);
        match (ended, ran) {
            (Ok(()), _) => Ok(None),
            (Err(_), Ran::Outage(why)) => Err(why),
            (Err(error), _) => Err(error.to_string()),
        }
    }

    /// Commits, and tells everybody. Returns whether the connection can be used again.
    fn commit(self) -> bool {
        let committed = if self.panicked {
            // What was cut short has left diesel's count of savepoints wrong.
            self.connection.batch_execute("COMMIT")
        } else {
            AnsiTransactionManager::commit_transaction(self.connection)
        };
        match committed {
            Ok(()) => {
                self.jobs.into_iter().for_each(Job::answer);
                self.usable
            }
            Err(error) => {
                self.fail(&error.to_string());
                false
            }
        }
    }

    /// Tells everybody that nothing has happened.
    fn fail(self, why: &str) {
        let why: Arc<str> = why.into();
        // Nothing is left to be undone where SQLite or diesel has done it. The connection is not used again.
        drop(AnsiTransactionManager::rollback_transaction(self.connection));
        self.jobs.into_iter().for_each(|job| job.fail(OperationError::NotCommitted(Arc::clone(&why))));
    }
}

#[cfg(test)]
mod tests;
