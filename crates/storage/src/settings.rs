//! How to use a database.

use std::io;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use thunderhead_domain::policy::SessionPolicy;

use crate::url::DatabaseUrl;

/// How long a caller waits for the database, unless set otherwise.
const DEADLINE: Duration = Duration::from_millis(1_500);
/// The fewest connections: with them, one slow statement does not hold up all others on a small machine.
const FEWEST_CONNECTIONS: u32 = 4;
/// The fewest to Postgres: who commits waits for its disk, and those who wait together share that.
const FEWEST_TO_POSTGRES: u32 = 16;
/// How many jobs may wait, unless set otherwise: far less than a healthy database does in a deadline.
const QUEUE: usize = 1_024;

/// How to use a database.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// Where it is.
    pub url: DatabaseUrl,
    /// How long a caller waits for a result, queueing included; then the answer is an outage.
    pub deadline: Duration,
    /// How many connections to hold, at least 1. On SQLite these are the readers, of which near the number of processors
    /// is best, and there is one writer besides.
    pub connections: u32,
    /// How many operations may wait for a connection; more are refused at once.
    pub queue: usize,
    /// Whether prepared statements and settings are kept on a connection to Postgres. They must not be where a pooler
    /// gives it to others between two transactions.
    pub prepared_statements: bool,
    /// Which open sessions are over all the same.
    pub session_policy: SessionPolicy,
}

impl StorageSettings {
    /// The defaults: a deadline of 1.5 s, as many connections as processors (at least 4, to Postgres 16), a queue of 1024,
    /// prepared statements, a policy that ends no session.
    pub fn new(url: DatabaseUrl) -> Self {
        let processors = available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
        let fewest = if url.sqlite_path().is_some() { FEWEST_CONNECTIONS } else { FEWEST_TO_POSTGRES };
        let connections = processors.max(fewest);
        let session_policy = SessionPolicy::default();
        Self { url, deadline: DEADLINE, connections, queue: QUEUE, prepared_statements: true, session_policy }
    }
}

/// Why the storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no such SQLite file; migrations make it.
    #[error("there is no database file {}", .0.display())]
    NoFile(PathBuf),
    /// The SQLite file cannot be examined.
    #[error("the database file cannot be opened")]
    File(#[source] io::Error),
    /// The system gives no more threads.
    #[error("the threads for the database cannot be started")]
    Threads(#[source] io::Error),
    /// A deadline or a number of connections of 0.
    #[error("the database needs a deadline and at least one connection")]
    Nothing,
}
