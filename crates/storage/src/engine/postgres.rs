//! What is Postgres' own: one pool for everything, row locks, advisory locks, and time limits on the server's
//! side that free a connection whose caller has long given up.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::{CacheSize, Connection as _, SimpleConnection};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::{
    ChangeCursor, ChangeRounds, CommitStamp, Invalidations, PartitionCursor, PoolStatus, Stored,
};
use thunderhead_domain::time::Timestamp;

use crate::engine::pool::Manager;
use crate::engine::queue::PoolOptions;
use crate::engine::worker_pool::{Progress, WorkerPool};
use crate::engine::{Commit, DatabaseEngine, EndedAtOnce, IsOfAKind, OpenedAtOnce, SessionOpening, SessionsEnding};
use crate::error::OperationError;
use crate::rows::{BudgetRow, FeedStateRow, NewChange, Numbered, ReadChange, THE_ONE, UserRow};
use crate::schema::{failure_budgets, feed_state, sessions, users};
use crate::settings::{ConnectError, StorageSettings};

mod at_once;
mod change_log;
mod primary;

/// Advisory locks are numbers that all users of a database share: these are unlikely to be anybody else's.
const MIGRATION_LOCK: i64 = 0x7468_6e64_6d69_6772;
const KEYS_LOCK: i64 = 0x7468_6e64_6b65_7973;
const FAILED_LOGINS_LOCK: i64 = 0x7468_6e64_6661_696c;

pub(crate) struct Postgres {
    worker_pool: WorkerPool<PgConnection>,
    watcher: WorkerPool<PgConnection>,
    limits: Limits,
    session_policy: SessionPolicy,
}

/// Time limits on the server's side: a statement that waits for a lock, and a transaction of a replica that was paused,
/// must not hold others up for good.
#[derive(Clone, Copy)]
struct Limits {
    millis: u128,
    kept: Kept,
}

/// What is kept on a connection from one transaction to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Prepared statements and settings.
    Session,
    /// Nothing: a pooler gives the connection to others meanwhile.
    Nothing,
}

impl Limits {
    /// Prepares a connection that is to be kept. Each statement is planned once, for whatever it may be asked: to plan it
    /// for what it is asked takes longer than to run it, as a rule.
    fn set_up(self, connection: &mut PgConnection) -> QueryResult<()> {
        match self.kept {
            Kept::Session => {
                self.set("SET", connection)?;
                connection.batch_execute("SET plan_cache_mode = force_generic_plan")
            }
            Kept::Nothing => {
                connection.set_prepared_statement_cache_size(CacheSize::Disabled);
                Ok(())
            }
        }
    }

    fn begin(self, connection: &mut PgConnection) -> QueryResult<()> {
        match self.kept {
            Kept::Session => Ok(()),
            Kept::Nothing => self.set("SET LOCAL", connection),
        }
    }

    fn set(self, how: &str, connection: &mut PgConnection) -> QueryResult<()> {
        let millis = self.millis;
        connection.batch_execute(&format!(
            "{how} statement_timeout = '{millis}ms'; {how} idle_in_transaction_session_timeout = '{millis}ms'"
        ))
    }
}

impl Postgres {
    /// Starts the threads. The server need not be there yet.
    pub(crate) fn start(url: &str, settings: &StorageSettings) -> Result<Self, ConnectError> {
        let options =
            |name, connections| PoolOptions { name, connections, queue: settings.queue, deadline: settings.deadline };
        let kept = if settings.prepared_statements { Kept::Session } else { Kept::Nothing };
        let limits = Limits { millis: settings.deadline.as_millis().saturating_mul(2), kept };
        let manager = || {
            let url = url.to_owned();
            Manager::new(move || {
                let mut connection = primary::connect(&url)?;
                limits.set_up(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(connection)
            })
        };
        let worker_pool = WorkerPool::start(&options("postgres", settings.connections), manager());
        let watcher = WorkerPool::start(&options("postgres-watcher", 1), manager());
        let (worker_pool, watcher) =
            (worker_pool.map_err(ConnectError::Threads)?, watcher.map_err(ConnectError::Threads)?);
        Ok(Self { worker_pool, watcher, limits, session_policy: settings.session_policy })
    }

    /// Does by single statements what would be a transaction. Where settings are those of a transaction, it takes one: so
    /// nothing is done. A connection that turns out to be dead is tried anew, as at the beginning of a transaction; but the
    /// first try may have done it, and `anew` says what comes of the second one.
    async fn at_once<T: Send + 'static>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<Option<T>, OperationError> + Send + 'static,
        anew: impl Fn(Option<T>) -> Result<Option<T>, OperationError> + Send + 'static,
    ) -> Stored<Option<T>> {
        if self.limits.kept == Kept::Nothing {
            return Ok(None);
        }
        let lost = AtomicBool::new(false);
        let work = move |connection: &mut PgConnection, _: &mut Progress| match work(connection) {
            Ok(done) if lost.load(Ordering::Relaxed) => anew(done),
            Err(error) => {
                lost.store(error.is_dead_connection(), Ordering::Relaxed);
                Err(error)
            }
            done => done,
        };
        self.worker_pool.run(work).await
    }
}

impl DatabaseEngine for Postgres {
    type Connection = PgConnection;

    const NAME: &str = "PostgreSQL";
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
    const SKIP_LOCKED: &str = "FOR UPDATE SKIP LOCKED";
    const RANDOM: &str = "('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint";
    const IDS_AT_ONCE: usize = 1_000;
    const USER_PARTITIONS: u32 = change_log::USER_PARTITIONS;

    fn pools(&self) -> Vec<PoolStatus> {
        vec![self.worker_pool.status(), self.watcher.status()]
    }

    fn session_policy(&self) -> SessionPolicy {
        self.session_policy
    }

    async fn run_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.worker_pool.run(move |connection, _| work(connection)).await
    }

    async fn run_snapshot<T: Send + 'static>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        let limits = self.limits;
        let reading = move |connection: &mut PgConnection, _: &mut Progress| {
            connection.build_transaction().repeatable_read().run(|connection| {
                limits.begin(connection)?;
                work(connection)
            })
        };
        self.worker_pool.run(reading).await
    }

    async fn run_change_read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.worker_pool.run(move |connection, _| work(connection)).await
    }

    fn run_change_rounds(
        &self,
        rounds: Box<dyn ChangeRounds>,
        work: impl Fn(&mut PgConnection, &ChangeCursor) -> Result<Invalidations, OperationError> + Send + 'static,
    ) {
        self.watcher.run_rounds(rounds, work);
    }

    /// Whoever asks over a network waits.
    fn run_inline<T>(&self, _: impl FnOnce(&mut PgConnection) -> Result<T, OperationError>) -> Option<T> {
        None
    }

    /// Nothing of the server is seen but by asking it.
    fn commit_stamp(&self) -> Option<CommitStamp> {
        None
    }

    /// The server's own default says whether writes are allowed: who has set it to refuse them has a reason.
    async fn run_transaction<T, A: Send + 'static>(
        &self,
        _: Commit,
        work: impl Fn(&mut PgConnection, Commit) -> Result<T, OperationError> + Send + 'static,
        answer: impl Fn(Result<T, OperationError>) -> Result<A, OperationError> + Send + 'static,
    ) -> Stored<A> {
        let limits = self.limits;
        let writing = move |connection: &mut PgConnection, progress: &mut Progress| {
            answer(connection.build_transaction().read_committed().run(|connection| {
                limits.begin(connection)?;
                progress.begin();
                work(connection, Commit::Own)
            }))
        };
        self.worker_pool.run(writing).await
    }

    async fn end_at_once(&self, ending: SessionsEnding) -> Stored<EndedAtOnce> {
        // The statement knows nothing of a policy.
        if self.session_policy.ends_sessions() {
            return Ok(EndedAtOnce::Undone);
        }
        let end = move |connection: &mut PgConnection| {
            Ok(match at_once::ending::end_sessions(connection, &ending)? {
                EndedAtOnce::Undone => None,
                ended @ (EndedAtOnce::Done(_) | EndedAtOnce::TooMany) => Some(ended),
            })
        };
        // Only if sessions are found to end is it known that the first try found none.
        let anew = |ended: Option<EndedAtOnce>| match ended {
            Some(EndedAtOnce::Done(1..)) => Ok(ended),
            Some(EndedAtOnce::Done(0) | EndedAtOnce::TooMany | EndedAtOnce::Undone) | None => {
                Err(OperationError::Unanswered)
            }
        };
        Ok(self.at_once(end, anew).await?.unwrap_or(EndedAtOnce::Undone))
    }

    /// Only if it is opened is it known that the first try has not opened it.
    async fn open_at_once(&self, opening: impl FnOnce() -> SessionOpening + Send) -> Stored<Option<OpenedAtOnce>> {
        // Nor does this one.
        if self.session_policy.ends_sessions() {
            return Ok(None);
        }
        let opening = opening();
        let open = move |connection: &mut PgConnection| Ok(at_once::opening::open_session(connection, &opening)?);
        self.at_once(open, |opened| opened.map(Some).ok_or(OperationError::Unanswered)).await
    }

    /// Charged twice rather than not at all.
    async fn charge_at_once(&self, unused: BudgetRow, at: Timestamp) -> Stored<Option<Charge>> {
        self.at_once(move |connection| at_once::charging::charge(connection, &unused, at), Ok).await
    }

    /// What is no longer as it was, the first try has refunded.
    async fn refund_at_once(&self, key: String, receipt: Receipt) -> Stored<Option<()>> {
        self.at_once(move |connection| Ok(at_once::charging::refund(connection, &key, receipt)?), |_| Ok(Some(())))
            .await
    }

    /// The lock goes with the transaction, so that this works behind poolers too.
    fn exclusively<T, E: From<diesel::result::Error>>(
        connection: &mut PgConnection,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        connection.build_transaction().read_committed().run(|connection| {
            advisory_lock(connection, MIGRATION_LOCK)?;
            work(connection)
        })
    }

    fn has_history(connection: &mut PgConnection) -> QueryResult<bool> {
        use diesel::dsl::sql;
        use diesel::sql_types::Bool;
        diesel::select(sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL")).get_result(connection)
    }

    /// Other programs may have their tables beside ours here.
    fn is_foreign(_: &mut PgConnection) -> QueryResult<bool> {
        Ok(false)
    }

    fn ping(connection: &mut PgConnection) -> QueryResult<()> {
        diesel::select(primary::IsPrimary).get_result::<bool>(connection).map(drop)
    }

    /// Postgres expects to be faster reading a whole table: it is not where one user has most of the rows. Nor is it
    /// with more processes, which others would wait for. Asks at the same time whether this is a primary, which would
    /// take its time for each row that is counted.
    fn read_by_index(connection: &mut PgConnection) -> QueryResult<()> {
        connection.batch_execute(&format!(
            "SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; SELECT {}",
            primary::CHECK
        ))
    }

    /// An array of kinds would be compared with each entry of the index, which takes a fifth longer.
    fn is_of_a_kind() -> IsOfAKind<Pg> {
        Box::new(sessions::kind.is_not_null().nullable())
    }

    fn lock_user(connection: &mut PgConnection, user: UserId) -> QueryResult<Option<UserRow>> {
        users::table.find(user.number()).select(UserRow::as_select()).for_update().get_result(connection).optional()
    }

    fn lock_users(connection: &mut PgConnection, ids: &[i64]) -> QueryResult<Vec<UserRow>> {
        let named = users::table.filter(users::id.eq_any(ids)).order(users::id.asc());
        named.select(UserRow::as_select()).for_update().load(connection)
    }

    fn lock_budget(connection: &mut PgConnection, key: &str) -> QueryResult<Option<BudgetRow>> {
        failure_budgets::table.find(key).select(BudgetRow::as_select()).for_update().get_result(connection).optional()
    }

    fn lock_signing_keys(connection: &mut PgConnection) -> QueryResult<()> {
        advisory_lock(connection, KEYS_LOCK)
    }

    fn lock_failed_logins(connection: &mut PgConnection) -> QueryResult<()> {
        advisory_lock(connection, FAILED_LOGINS_LOCK)
    }

    fn lock_feed(connection: &mut PgConnection) -> QueryResult<FeedStateRow> {
        feed_state::table.find(THE_ONE).select(FeedStateRow::as_select()).for_update().get_result(connection)
    }

    fn changes_since(
        connection: &mut PgConnection,
        known: &[PartitionCursor],
        most_of_partition: i64,
        most: i64,
    ) -> QueryResult<Vec<ReadChange>> {
        change_log::changes_since(connection, known, most_of_partition, most)
    }

    fn number_changes(connection: &mut PgConnection, changes: &[NewChange]) -> QueryResult<Vec<Numbered>> {
        change_log::number_changes(connection, changes)
    }

    /// A row that somebody else has locked is passed over: it is being ended, or its use is being recorded. Thus this never
    /// waits, and no order of locks can lead to a deadlock with those who end many sessions.
    fn record_uses(connection: &mut PgConnection, uses: &[(Vec<u8>, i64)], spacing: i64) -> QueryResult<()> {
        let (uuids, times): (Vec<&[u8]>, Vec<i64>) = uses.iter().map(|(uuid, at)| (uuid.as_slice(), *at)).unzip();
        diesel::sql_query(
            "UPDATE sessions SET used_at = uses.at FROM unnest($1, $2) AS uses (uuid, at) \
             WHERE sessions.uuid = uses.uuid AND (sessions.used_at IS NULL OR sessions.used_at <= uses.at - $3) \
             AND sessions.uuid IN (SELECT uuid FROM sessions WHERE uuid = ANY ($1) ORDER BY uuid FOR NO KEY UPDATE SKIP LOCKED)",
        )
        .bind::<Array<Binary>, _>(uuids)
        .bind::<Array<BigInt>, _>(times)
        .bind::<BigInt, _>(spacing)
        .execute(connection)
        .map(drop)
    }
}

/// A connection for migrations and the check of the schema. It may lead through a pooler, and needs no prepared
/// statements.
pub(crate) fn establish(url: &str) -> Result<PgConnection, ConnectionError> {
    let mut connection = primary::connect(url)?;
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(connection)
}

fn advisory_lock(connection: &mut PgConnection, lock: i64) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(lock).execute(connection).map(drop)
}
