//! Reads of the changes on the thread that wants to know them: by one connection that stays open, and where nothing was
//! committed since the last, by a look at the WAL index alone.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use thunderhead_domain::ports::CommitStamp;

use super::wal_index::WalIndex;
use crate::file::{beside, resolve};

/// How long it is before what could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long the commit that must be seen waits for who is writing, in milliseconds: requests wait for it.
const PATIENCE_MILLIS: u32 = 50;

pub(super) struct ChangeReader {
    file: String,
    /// Stays open: as long as it is, no process deletes the index, or takes the database out of WAL.
    connection: Mutex<Option<SqliteConnection>>,
    /// Is there only while that very connection is open. Both are changed under the connection's lock.
    index: RwLock<Option<NumberedIndex>>,
    attempts: Mutex<Attempts>,
}

/// Another index may say the same of another state, so they are numbered.
struct NumberedIndex {
    number: u64,
    index: WalIndex,
}

#[derive(Default)]
struct Attempts {
    latest: Option<Instant>,
    count: u64,
    /// Whether it was told that the last one failed.
    failed: bool,
}

/// Why the index is not looked at.
#[derive(Debug, thiserror::Error)]
enum UnusableIndex {
    #[error("the journal mode is {0}")]
    NoWal(String),
    #[error("the WAL index cannot be opened")]
    File(#[from] io::Error),
    #[error("the commit that was to be seen failed")]
    Commit(#[from] diesel::result::Error),
    #[error("a commit is not seen in the WAL index")]
    Unseen,
}

impl ChangeReader {
    /// One that has nothing open yet.
    pub(super) fn new(file: String) -> Self {
        Self { file, connection: Mutex::default(), index: RwLock::default(), attempts: Mutex::default() }
    }

    /// The state of the database, as long as the index tells it.
    pub(super) fn commit_stamp(&self) -> Option<CommitStamp> {
        // The lock is kept meanwhile, so that the connection is.
        let index = self.index();
        let NumberedIndex { number, index } = index.as_ref()?;
        let [a, b, c, d, e, f] = index.header()?;
        Some(CommitStamp([*number, a, b, c, d, e, f]))
    }

    /// Reads, unless another thread does, or it cannot be done without waiting.
    pub(super) fn run<T, E>(&self, work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>) -> Option<T> {
        let mut connection = self.connection.try_lock().ok()?;
        if self.is_due() {
            return None;
        }
        let seen = work(connection.as_mut()?).ok();
        if seen.is_none() {
            *self.index_mut() = None;
            *connection = None;
        }
        seen
    }

    /// Whether [`renew`](Self::renew) has something to do.
    fn is_due(&self) -> bool {
        self.index().is_none() && self.attempts().latest.is_none_or(|latest| latest.elapsed() >= AGAIN)
    }

    /// Opens what is not open, if that was not tried a moment ago. Waits for files and locks.
    pub(super) fn renew(&self) {
        if !self.is_due() {
            return;
        }
        let number = {
            let mut attempts = self.attempts();
            attempts.latest = Some(Instant::now());
            attempts.count += 1;
            attempts.count
        };
        // Where the file cannot be opened, whoever needs it tells.
        let Ok(mut fresh) = SqliteConnection::establish(&self.file) else { return };
        let index = self.see_a_commit(&mut fresh);
        // From now on it does not wait for others.
        if fresh.batch_execute("PRAGMA query_only = ON; PRAGMA busy_timeout = 0").is_err() {
            return;
        }
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        *self.index_mut() = None;
        *connection = Some(fresh);
        self.tell(index.as_ref().err());
        *self.index_mut() = index.ok().map(|index| NumberedIndex { number, index });
    }

    /// Commits something that changes nothing, which must be seen in the index: then it is the one that SQLite uses, and
    /// what is read of the file is what is written to the memory that it is mapped to. That it survives power loss does
    /// not matter, so nothing is waited for.
    fn see_a_commit(&self, connection: &mut SqliteConnection) -> Result<WalIndex, UnusableIndex> {
        connection.batch_execute(&format!(
            "PRAGMA busy_timeout = {PATIENCE_MILLIS}; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
             SELECT 1 FROM sqlite_master LIMIT 1"
        ))?;
        let path = resolve(Path::new(&self.file)).map_err(io::Error::other)?;
        let index = WalIndex::open(&beside(&path, "-shm"))?;
        let before = index.header();
        commit_what_is_there(connection)?;
        let after = index.header();
        let JournalMode { journal_mode } = diesel::sql_query("PRAGMA journal_mode").get_result(connection)?;
        match after {
            _ if journal_mode != "wal" => Err(UnusableIndex::NoWal(journal_mode)),
            Some(_) if before != after => Ok(index),
            _ => Err(UnusableIndex::Unseen),
        }
    }

    fn tell(&self, failed: Option<&UnusableIndex>) {
        let mut attempts = self.attempts();
        match failed {
            Some(error) if !attempts.failed => {
                tracing::warn!(
                    error = error as &dyn Error,
                    "the WAL index is not looked at: every session check asks the database"
                );
            }
            None if attempts.failed => tracing::info!("the WAL index is looked at again"),
            _ => {}
        }
        attempts.failed = failed.is_some();
    }

    fn index(&self) -> RwLockReadGuard<'_, Option<NumberedIndex>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Option<NumberedIndex>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a number that SQLite keeps for programs, and that this one does not use, again. A row that is updated to what it
/// was would not be written, and nothing be committed.
fn commit_what_is_there(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.immediate_transaction(|connection| {
        let UserVersion { user_version } = diesel::sql_query("PRAGMA user_version").get_result(connection)?;
        connection.batch_execute(&format!("PRAGMA user_version = {user_version}"))
    })
}

#[derive(QueryableByName)]
struct UserVersion {
    #[diesel(sql_type = Integer)]
    user_version: i32,
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

#[cfg(test)]
mod tests;
