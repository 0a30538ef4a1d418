//! What is SQLite's own: one writer on a thread of its own and a few readers, pragmas, and transactions that
//! take the write lock at once instead of failing half-way.

mod change_log;
mod change_reader;
mod wal_index;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeRounds, CommitStamp, Invalidations, PartitionCursor, PoolStatus, Stored,
};
use thunderhead_domain::time::Timestamp;

use self::change_reader::ChangeReader;
use self::writer::Writer;
use crate::engine::pool::Manager;
use crate::engine::prepared::Counted;
use crate::engine::queue::PoolOptions;
use crate::engine::worker_pool::WorkerPool;
use crate::engine::{
    Commit, DatabaseEngine, EndedAtOnce, IsOfAKind, OnPrimary, OpenedAtOnce, SessionOpening, SessionsEnding,
};
use crate::error::OperationError;
use crate::file::folder_of;
use crate::rows::{BudgetRow, FeedStateRow, NewChange, Numbered, OpenSessionKind, ReadChange, THE_ONE, UserRow};
use crate::schema::{failure_budgets, feed_state, sessions, users};
use crate::settings::{ConnectError, StorageSettings};

/// How long a connection waits for another process to finish writing, in milliseconds: less than the deadline.
const BUSY_TIMEOUT_MILLIS: u32 = 1_000;
/// Up to so many rows are read one by one.
const FEW: usize = 4;
/// How often the switch to WAL is tried while others start on the same new file.
const WAL_ATTEMPTS: u32 = 50;

/// The connections: all writes queue for one, so that they never wait for each other inside SQLite.
pub(crate) struct Sqlite {
    writer: Writer,
    readers: WorkerPool<SqliteConnection>,
    watcher: WorkerPool<SqliteConnection>,
    change_reader: Arc<ChangeReader>,
    session_policy: SessionPolicy,
}

impl Sqlite {
    /// Starts the threads. The file must be there: [`crate::migrate`] makes it.
    pub(crate) fn start(path: &Path, settings: &StorageSettings) -> Result<Self, ConnectError> {
        if !path.try_exists().map_err(ConnectError::File)? {
            return Err(ConnectError::NoFile(path.to_owned()));
        }
        let file = file_name(path).map_err(ConnectError::File)?;
        let options =
            |name, connections| PoolOptions { name, connections, queue: settings.queue, deadline: settings.deadline };
        let writer = Writer::start(&options("sqlite-writer", 1), writer::LIMITS, manager(&file, set_up_writer));
        let reader = || manager(&file, set_up_reader);
        let readers = WorkerPool::start(&options("sqlite-reader", settings.connections), reader());
        let watcher = WorkerPool::start(&options("sqlite-watcher", 1), reader());
        Ok(Self {
            writer: writer.map_err(ConnectError::Threads)?,
            readers: readers.map_err(ConnectError::Threads)?,
            watcher: watcher.map_err(ConnectError::Threads)?,
            change_reader: Arc::new(ChangeReader::new(file)),
            session_policy: settings.session_policy,
        })
    }
}

/// A transaction that writes takes the write lock when it begins: it needs no other.
impl DatabaseEngine for Sqlite {
    type Connection = SqliteConnection;

    const NAME: &str = "SQLite";
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
    const SKIP_LOCKED: &str = "";
    const RANDOM: &str = "random()";
    /// For several SQLite would read all that the user has open.
    const IDS_AT_ONCE: usize = 1;
    const USER_PARTITIONS: u32 = 0;

    fn pools(&self) -> Vec<PoolStatus> {
        vec![self.writer.status(), self.readers.status(), self.watcher.status()]
    }

    fn session_policy(&self) -> SessionPolicy {
        self.session_policy
    }

    async fn run_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut SqliteConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.readers.run(move |connection, _| work(connection)).await
    }

    async fn run_snapshot<T: Send + 'static>(
        &self,
        work: impl Fn(&mut SqliteConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.readers.run(move |connection, _| connection.transaction(&work)).await
    }

    async fn run_change_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut SqliteConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        let change_reader = Arc::clone(&self.change_reader);
        self.watcher
            .run(move |connection, _| {
                change_reader.renew();
                work(connection)
            })
            .await
    }

    fn run_change_rounds(
        &self,
        rounds: Box<dyn ChangeRounds>,
        work: impl Fn(&mut SqliteConnection, &ChangeCursor) -> Result<Invalidations, OperationError> + Send + 'static,
    ) {
        let change_reader = Arc::clone(&self.change_reader);
        self.watcher.run_rounds(rounds, move |connection, known| {
            change_reader.renew();
            work(connection, known)
        });
    }

    fn run_inline<T>(&self, work: impl FnOnce(&mut SqliteConnection) -> Result<T, OperationError>) -> Option<T> {
        self.change_reader.run(work)
    }

    fn commit_stamp(&self) -> Option<CommitStamp> {
        self.change_reader.commit_stamp()
    }

    async fn run_transaction<T, A: Send + 'static>(
        &self,
        commit: Commit,
        work: impl Fn(&mut SqliteConnection, Commit) -> Result<T, OperationError> + Send + 'static,
        answer: impl Fn(Result<T, OperationError>) -> Result<A, OperationError> + Send + 'static,
    ) -> Stored<A> {
        self.writer.run(commit, work, answer).await
    }

    /// A statement costs no round trip here.
    async fn end_at_once(&self, _: SessionsEnding) -> Stored<EndedAtOnce> {
        Ok(EndedAtOnce::Undone)
    }

    async fn open_at_once(&self, _: impl FnOnce() -> SessionOpening + Send) -> Stored<Option<OpenedAtOnce>> {
        Ok(None)
    }

    async fn charge_at_once(&self, _: BudgetRow, _: Timestamp) -> Stored<Option<Charge>> {
        Ok(None)
    }

    async fn refund_at_once(&self, _: String, _: Receipt) -> Stored<Option<()>> {
        Ok(None)
    }

    fn exclusively<T, E: From<diesel::result::Error>>(
        connection: &mut SqliteConnection,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        connection.immediate_transaction(work)
    }

    fn has_history(connection: &mut SqliteConnection) -> QueryResult<bool> {
        use diesel::dsl::sql;
        use diesel::sql_types::Bool;
        diesel::select(sql::<Bool>(
            "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations')",
        ))
        .get_result(connection)
    }

    fn is_foreign(connection: &mut SqliteConnection) -> QueryResult<bool> {
        use diesel::dsl::sql;
        use diesel::sql_types::Bool;
        diesel::select(sql::<Bool>("EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table')")).get_result(connection)
    }

    fn ping(connection: &mut SqliteConnection) -> QueryResult<()> {
        diesel::sql_query("SELECT 1").execute(connection).map(drop)
    }

    fn read_by_index(_: &mut SqliteConnection) -> QueryResult<()> {
        Ok(())
    }

    /// With the kinds spelt out the index is searched by the time of expiry, too, and no entry is looked into. A list of
    /// any length would have the statement prepared anew each time.
    fn is_of_a_kind() -> IsOfAKind<diesel::sqlite::Sqlite> {
        let [first, second, third] = OpenSessionKind::ALL.map(|kind| sessions::kind.eq(kind.number()));
        Box::new(first.or(second).or(third))
    }

    fn lock_user(connection: &mut SqliteConnection, user: UserId) -> QueryResult<Option<UserRow>> {
        users::table.find(user.number()).select(UserRow::as_select()).get_result(connection).optional()
    }

    fn lock_users(connection: &mut SqliteConnection, ids: &[i64]) -> QueryResult<Vec<UserRow>> {
        // A statement with a list is prepared anew each time.
        if ids.len() <= FEW {
            let row = |id: &i64| users::table.find(*id).select(UserRow::as_select()).get_result(connection).optional();
            return ids.iter().map(row).filter_map(Result::transpose).collect();
        }
        let named = users::table.filter(users::id.eq_any(ids)).order(users::id.asc());
        named.select(UserRow::as_select()).load(connection)
    }

    fn lock_budget(connection: &mut SqliteConnection, key: &str) -> QueryResult<Option<BudgetRow>> {
        failure_budgets::table.find(key).select(BudgetRow::as_select()).get_result(connection).optional()
    }

    fn lock_signing_keys(_: &mut SqliteConnection) -> QueryResult<()> {
        Ok(())
    }

    fn lock_failed_logins(_: &mut SqliteConnection) -> QueryResult<()> {
        Ok(())
    }

    fn lock_feed(connection: &mut SqliteConnection) -> QueryResult<FeedStateRow> {
        feed_state::table.find(THE_ONE).select(FeedStateRow::as_select()).get_result(connection)
    }

    /// A file is restored while no server has it open (`docs/OPERATIONS.md`), so the nonce is that of the row.
    fn changes_since(
        connection: &mut SqliteConnection,
        known: &[PartitionCursor],
        most_of_partition: i64,
        _: i64,
    ) -> QueryResult<Vec<ReadChange>> {
        change_log::changes_since(connection, known, most_of_partition)
    }

    fn number_changes(connection: &mut SqliteConnection, changes: &[NewChange]) -> QueryResult<Vec<Numbered>> {
        change_log::number_changes(connection, changes)
    }

    fn record_uses(connection: &mut SqliteConnection, uses: &[(Vec<u8>, i64)], spacing: i64) -> QueryResult<()> {
        for (uuid, at) in uses {
            let due = sessions::used_at.is_null().or(sessions::used_at.le(at.saturating_sub(spacing)));
            let used = diesel::update(sessions::table.find(uuid).filter(due)).set(sessions::used_at.eq(at));
            Counted(used).execute(connection)?;
        }
        Ok(())
    }
}

/// A file has no standbys.
impl<Q> OnPrimary<Q> for Sqlite {
    type Output = Q;

    fn on_primary(query: Q) -> Q {
        query
    }
}

/// A connection for migrations and the check of the schema.
pub(crate) fn establish(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    open(&file_name(path).map_err(|error| ConnectionError::BadConnection(error.to_string()))?, set_up_writer)
}

fn manager(file: &str, set_up: fn(&mut SqliteConnection) -> QueryResult<()>) -> Manager<SqliteConnection> {
    let file = file.to_owned();
    Manager::new(move || open(&file, set_up))
}

fn open(file: &str, set_up: fn(&mut SqliteConnection) -> QueryResult<()>) -> ConnectionResult<SqliteConnection> {
    let mut connection = SqliteConnection::establish(file)?;
    set_up(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The name to open a file by. SQLite would read a name that begins with `file:` as a URI.
pub(crate) fn file_name(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other("the file's name is not UTF-8"))?;
    Ok(if path.is_absolute() { text.to_owned() } else { format!("./{text}") })
}

/// Makes an empty file that only its owner can read, unless there is one; SQLite gives the files beside it the
/// same mode. It is made under another name first: to open and close the real one would drop the locks that
/// SQLite holds on it elsewhere in this process.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let fresh = tempfile::Builder::new().prefix(".new-").tempfile_in(folder_of(path))?.into_temp_path();
    match fresh.persist_noclobber(path) {
        Ok(()) => Ok(()),
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(other) => Err(other.error),
    }
}

/// Nobody here has SQLite make statistics, but somebody may have had it do so (`ANALYZE`). By them an index on what hardly
/// any row has, as the digest of an opaque token, finds nearly all rows, and each session check would read every user.
const NO_STATISTICS: &str = "DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4;";

/// Acknowledged writes survive power loss: `synchronous = FULL`. Each savepoint of a batch keeps the pages that it changes
/// as they were, by default in a temporary file, which takes more writes than the log does: `temp_store = MEMORY`.
fn set_up_writer(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {BUSY_TIMEOUT_MILLIS}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;"
    ))?;
    switch_to_wal(connection)?;
    connection.batch_execute(NO_STATISTICS)
}

fn set_up_reader(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MILLIS}; PRAGMA query_only = ON;"))
}

/// Switches the file to WAL, for good: after the first time this does nothing. SQLite does not wait for others while it
/// does that; to ask for the write lock in between does.
fn switch_to_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut attempts = 0;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(_) if attempts < WAL_ATTEMPTS => attempts += 1,
            result => return result,
        }
        connection.immediate_transaction(|_| QueryResult::Ok(()))?;
    }
}

/// Writes what is there already.
pub(crate) fn write_nothing_new(connection: &mut SqliteConnection) -> QueryResult<()> {
    use crate::schema::change_counters;
    let number = change_counters::number.eq(change_counters::number);
    diesel::update(change_counters::table).set(number).execute(connection).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thunderhead_domain::ports::{Storage, StorageError};

    use super::*;
    use crate::{DatabaseUrl, migrate};

    #[test]
    fn a_full_database_answers_and_takes_no_changes_until_it_is_not_full_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("x.db"));
        migrate(&url).unwrap();
        let settings = StorageSettings { deadline: Duration::from_secs(60), ..StorageSettings::new(url.clone()) };
        let database = Sqlite::start(url.sqlite_path().unwrap(), &settings).unwrap();
        // No page is free.
        establish(url.sqlite_path().unwrap()).unwrap().batch_execute("VACUUM").unwrap();
        let execute = |statements: &'static str| {
            database.run_transaction(
                Commit::Own,
                move |connection, _| Ok(connection.batch_execute(statements)?),
                |done| done,
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            // There can be none more than there are.
            execute("PRAGMA max_page_count = 1").await.unwrap();
            let full = database.write_probe().await.unwrap_err();
            assert!(matches!(full, StorageError::Outage(_)), "{full:?}");
            database.ping().await.unwrap();
            execute("PRAGMA max_page_count = 1000000").await.unwrap();
            database.write_probe().await.unwrap();
            database.write_probe().await.unwrap();
        });
    }
}
