//! What statements are run on: a connection that reads, or a transaction that writes and carries what it invalidates.
//!
//! Neither gives away the connection that is in it. So what changes `users`, `sessions` or `kill_switches`, on which every
//! session check depends, says what that invalidates ([`WriteTransaction::change`]), or is one of the few changes that no
//! session check sees, all of which are in `unseen`. Anything else does not compile. What is run by its text is a query
//! ([`select_sql`]), or is in `unseen` too.

mod invalidations;
mod paged;
#[cfg(test)]
mod tests;
pub(crate) mod unseen;

use std::fmt::Display;
use std::mem;
use std::ops::{Deref, DerefMut};

use diesel::connection::Connection as _;
use diesel::query_builder::{BoxedSqlQuery, DeleteStatement, InsertStatement, SqlQuery, UpdateStatement};
use diesel::query_dsl::methods::{ExecuteDsl, LimitDsl, LoadQuery};
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;
use diesel::{QueryResult, QuerySource, RunQueryDsl};
use thunderhead_domain::id::UserId;
use thunderhead_domain::policy::SessionPolicy;
use thunderhead_domain::ports::{ChangeCursor, ChangeResult, ChangeRounds, Invalidation, Invalidations, Stored};

use self::invalidations::PendingInvalidations;
pub(crate) use self::paged::Paged;
use super::{Connection, Database};
use crate::engine::prepared::{Counted, Prepared};
use crate::engine::{Commit, DatabaseEngine, OnPrimary};
use crate::error::{Attempt, OperationError, attempted, ruled};
use crate::rows::{BudgetRow, FeedStateRow, ReadChange, UserRow};
use crate::schema::{CheckedTable, UncheckedTable};

/// So many rows are changed in a few milliseconds.
const MOST_BESIDE_OTHERS: usize = 50;

type Backend = <Connection as diesel::Connection>::Backend;

/// A statement that is given as text.
type SqlText = BoxedSqlQuery<'static, Backend, SqlQuery>;

fn sql(text: impl Into<String>) -> SqlText {
    diesel::sql_query(text).into_boxed()
}

/// A query that is given as text.
pub(crate) struct SelectText(SqlText);

/// A query by its text behind `SELECT`, which is no statement that writes.
pub(crate) fn select_sql(rest: impl Display) -> SelectText {
    SelectText(sql(format!("SELECT {rest}")))
}

impl SelectText {
    pub(crate) fn bind<S, V>(self, value: V) -> Self
    where
        Backend: HasSqlType<S>,
        V: ToSql<S, Backend> + Send + 'static,
        S: Send + 'static,
    {
        Self(self.0.bind::<S, V>(value))
    }
}

/// Makes a query fail unless a primary answers it that takes writes.
pub(crate) fn on_primary<Q>(query: Q) -> <Database as OnPrimary<Q>>::Output
where
    Database: OnPrimary<Q>,
{
    Database::on_primary(query)
}

impl Database {
    /// Runs single statements that only read.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut ReadConnection<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        tracing::debug!("reading");
        let policy = self.session_policy();
        self.run_read(move |connection| work(&mut ReadConnection { connection, policy })).await
    }

    /// Runs several statements that only read, and see the same state.
    pub(crate) async fn snapshot<T: Send + 'static>(
        &self,
        work: impl Fn(&mut ReadConnection<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        tracing::debug!("reading several things");
        let policy = self.session_policy();
        self.run_snapshot(move |connection| work(&mut ReadConnection { connection, policy })).await
    }

    /// Reads changes once.
    pub(crate) async fn read_changes<T: Send + 'static>(
        &self,
        work: impl Fn(&mut ReadConnection<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        let policy = self.session_policy();
        self.run_change_read(move |connection| work(&mut ReadConnection { connection, policy })).await
    }

    /// The same in rounds, held up by nothing else.
    pub(crate) fn read_changes_in_rounds(
        &self,
        rounds: Box<dyn ChangeRounds>,
        work: impl Fn(&mut ReadConnection<'_>, &ChangeCursor) -> Result<Invalidations, OperationError> + Send + 'static,
    ) {
        let policy = self.session_policy();
        self.run_change_rounds(rounds, move |connection, known| {
            work(&mut ReadConnection { connection, policy }, known)
        });
    }

    /// Reads at once, where that can be.
    pub(crate) fn read_inline<T>(
        &self,
        work: impl FnOnce(&mut ReadConnection<'_>) -> Result<T, OperationError>,
    ) -> Option<T> {
        let policy = self.session_policy();
        self.run_inline(move |connection| work(&mut ReadConnection { connection, policy }))
    }

    /// Runs a transaction that writes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut WriteTransaction<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.run_write(Commit::Shared, work, |done| done).await
    }

    /// The same for what others shall not wait for: background work, and what may take long.
    pub(crate) async fn write_alone<T: Send + 'static>(
        &self,
        work: impl Fn(&mut WriteTransaction<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<T> {
        self.run_write(Commit::Own, work, |done| done).await
    }

    /// The same for what may be refused; a refusal undoes what the transaction has done so far.
    pub(crate) async fn decide<T: Send + 'static>(
        &self,
        work: impl Fn(&mut WriteTransaction<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> ChangeResult<T> {
        self.run_write(Commit::Shared, work, ruled).await
    }

    /// The same for what may end more sessions than were counted.
    pub(crate) async fn attempt<T: Send + 'static>(
        &self,
        work: impl Fn(&mut WriteTransaction<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Stored<Attempt<T>> {
        self.run_write(Commit::Shared, work, attempted).await
    }

    async fn run_write<T: Send + 'static, A: Send + 'static>(
        &self,
        commit: Commit,
        work: impl Fn(&mut WriteTransaction<'_>) -> Result<T, OperationError> + Send + 'static,
        answer: impl Fn(Result<T, OperationError>) -> Result<A, OperationError> + Send + 'static,
    ) -> Stored<A> {
        tracing::debug!("writing");
        let policy = self.session_policy();
        let work = move |connection: &mut Connection, commit| WriteTransaction::run(connection, policy, commit, &work);
        self.run_transaction(commit, work, answer).await
    }
}

/// A connection that runs queries.
pub(crate) struct ReadConnection<'c> {
    connection: &'c mut Connection,
    /// What makes open sessions over: always the same on a connection.
    policy: SessionPolicy,
}

impl ReadConnection<'_> {
    pub(crate) fn ping(&mut self) -> QueryResult<()> {
        Database::ping(self.connection)
    }

    /// What makes open sessions over.
    pub(crate) const fn policy(&self) -> SessionPolicy {
        self.policy
    }

    /// Has the statements of a transaction that counts read indexes.
    pub(crate) fn read_by_index(&mut self) -> QueryResult<()> {
        Database::read_by_index(self.connection)
    }

    /// See [`DatabaseEngine::changes_since`].
    pub(crate) fn changes_since(
        &mut self,
        known: &ChangeCursor,
        most_of_partition: i64,
        most: i64,
    ) -> QueryResult<Vec<ReadChange>> {
        Database::changes_since(self.connection, known.partitions(), most_of_partition, most)
    }

    /// Runs a query that is a type of its own, because it is prepared once.
    pub(crate) fn load_prepared<'query, T, Q>(&mut self, query: Q) -> QueryResult<Vec<T>>
    where
        Q: ReadingQuery + LoadQuery<'query, Connection, T>,
    {
        query.internal_load(self.connection)?.collect()
    }

    /// Runs a query by its text.
    pub(crate) fn load_sql<T>(&mut self, query: SelectText) -> QueryResult<Vec<T>>
    where
        SqlText: LoadQuery<'static, Connection, T>,
    {
        query.0.load(self.connection)
    }
}

/// What can be run on a [`ReadConnection`]: what a limit could be set to, which is no statement that writes.
pub(crate) trait Query: Sized {
    fn load<'query, T>(self, connection: &mut ReadConnection<'_>) -> QueryResult<Vec<T>>
    where
        Self: LoadQuery<'query, Connection, T>,
    {
        RunQueryDsl::load(self, connection.connection)
    }

    fn get_result<'query, T>(self, connection: &mut ReadConnection<'_>) -> QueryResult<T>
    where
        Self: LoadQuery<'query, Connection, T>,
    {
        RunQueryDsl::get_result(self, connection.connection)
    }
}

impl<Q: LimitDsl> Query for Q {}

/// A query that is a type of its own, and reads.
pub(crate) trait ReadingQuery {}

/// A transaction that writes.
pub(crate) struct WriteTransaction<'c> {
    reader: ReadConnection<'c>,
    /// With whose work this is committed.
    commit: Commit,
    pending: PendingInvalidations,
}

impl<'c> Deref for WriteTransaction<'c> {
    type Target = ReadConnection<'c>;

    fn deref(&self) -> &ReadConnection<'c> {
        &self.reader
    }
}

impl<'c> DerefMut for WriteTransaction<'c> {
    fn deref_mut(&mut self) -> &mut ReadConnection<'c> {
        &mut self.reader
    }
}

impl<'c> WriteTransaction<'c> {
    /// Does the work of a transaction on a connection that has begun one, and numbers what it has changed, which is the
    /// last thing before the commit.
    pub(crate) fn run<T, E: From<diesel::result::Error>>(
        connection: &'c mut Connection,
        policy: SessionPolicy,
        commit: Commit,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction =
            Self { reader: ReadConnection { connection, policy }, commit, pending: PendingInvalidations::default() };
        let done = work(&mut transaction)?;
        let pending = mem::take(&mut transaction.pending);
        invalidations::number(&mut transaction, pending)?;
        Ok(done)
    }

    /// Fails where others, who wait for the same commit, would have to wait for so many rows to be changed. The transaction
    /// is then done once more, without them.
    pub(crate) fn leave_others_for(&self, rows: usize) -> Result<(), OperationError> {
        match self.commit {
            Commit::Shared if rows > MOST_BESIDE_OTHERS => Err(OperationError::TakesLong),
            Commit::Shared | Commit::Own => Ok(()),
        }
    }

    /// Does something that can be undone without the rest.
    pub(crate) fn savepoint<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let (commit, policy) = (self.commit, self.policy());
        let pending = &mut self.pending;
        self.reader.connection.transaction(|connection| {
            let reader = ReadConnection { connection, policy };
            let mut within = WriteTransaction { reader, commit, pending: mem::take(pending) };
            let done = work(&mut within);
            *pending = within.pending;
            done
        })
    }

    /// Has what replicas cache invalidated by the commit.
    pub(crate) fn invalidate(&mut self, invalidation: Invalidation) {
        self.pending.add(invalidation);
    }

    /// Changes rows that session checks depend on, and if there were any, has that invalidated.
    pub(crate) fn change<'query, S>(&mut self, invalidation: Invalidation, statement: S) -> QueryResult<usize>
    where
        S: Executed<'query, Table: CheckedTable>,
    {
        self.change_all([invalidation], statement)
    }

    /// The same where there is more than one thing to be invalidated.
    pub(crate) fn change_all<'query, S>(
        &mut self,
        invalidations: impl IntoIterator<Item = Invalidation>,
        statement: S,
    ) -> QueryResult<usize>
    where
        S: Executed<'query, Table: CheckedTable>,
    {
        let changed = self.change_unseen(statement)?;
        if changed > 0 {
            invalidations.into_iter().for_each(|invalidation| self.invalidate(invalidation));
        }
        Ok(changed)
    }

    /// The same with what the rows then hold, for one thing to be invalidated.
    pub(crate) fn change_returning<'query, T, S>(
        &mut self,
        invalidation: Invalidation,
        statement: S,
    ) -> QueryResult<Vec<T>>
    where
        S: Statement<Table: CheckedTable, Run: LoadQuery<'query, Connection, T>>,
    {
        let changed = self.change_unseen_returning(statement)?;
        if !changed.is_empty() {
            self.invalidate(invalidation);
        }
        Ok(changed)
    }

    /// Changes rows that session checks depend on in a way that none of them sees.
    fn change_unseen<'query, S>(&mut self, statement: S) -> QueryResult<usize>
    where
        S: Executed<'query, Table: CheckedTable>,
    {
        statement.execute_on(self.reader.connection)
    }

    /// The same with what the rows then hold.
    fn change_unseen_returning<'query, T, S>(&mut self, statement: S) -> QueryResult<Vec<T>>
    where
        S: Statement<Table: CheckedTable, Run: LoadQuery<'query, Connection, T>>,
    {
        statement.prepared().internal_load(self.reader.connection)?.collect()
    }

    /// Runs a statement by its text. No session check may see what it changes.
    fn execute_sql(&mut self, statement: SqlText) -> QueryResult<usize> {
        statement.execute(self.reader.connection)
    }

    pub(crate) fn lock_user(&mut self, user: UserId) -> QueryResult<Option<UserRow>> {
        Database::lock_user(self.reader.connection, user)
    }

    pub(crate) fn lock_users(&mut self, ids: &[i64]) -> QueryResult<Vec<UserRow>> {
        Database::lock_users(self.reader.connection, ids)
    }

    pub(crate) fn lock_budget(&mut self, key: &str) -> QueryResult<Option<BudgetRow>> {
        Database::lock_budget(self.reader.connection, key)
    }

    pub(crate) fn lock_signing_keys(&mut self) -> QueryResult<()> {
        Database::lock_signing_keys(self.reader.connection)
    }

    pub(crate) fn lock_feed(&mut self) -> QueryResult<FeedStateRow> {
        Database::lock_feed(self.reader.connection)
    }

    pub(crate) fn lock_failed_logins(&mut self) -> QueryResult<()> {
        Database::lock_failed_logins(self.reader.connection)
    }
}

/// A statement that writes, by the table that it changes.
pub(crate) trait Statement: Sized {
    type Table;
    /// The form in which it is run.
    type Run;

    /// Has it prepared once.
    fn prepared(self) -> Self::Run;
}

impl<T: QuerySource, U, Op, R> Statement for InsertStatement<T, U, Op, R> {
    type Table = T;
    type Run = Self;

    fn prepared(self) -> Self {
        self
    }
}

impl<T: QuerySource, U, V, R> Statement for UpdateStatement<T, U, V, R> {
    type Table = T;
    type Run = Prepared<Self>;

    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<T: QuerySource, U, R> Statement for DeleteStatement<T, U, R> {
    type Table = T;
    type Run = Self;

    fn prepared(self) -> Self {
        self
    }
}

/// A statement that writes and returns nothing but how many rows it has changed.
pub(crate) trait Executed<'query>: Statement {
    fn execute_on(self, connection: &mut Connection) -> QueryResult<usize>;
}

impl<T: QuerySource, U, Op, R> Executed<'_> for InsertStatement<T, U, Op, R>
where
    Self: ExecuteDsl<Connection>,
{
    fn execute_on(self, connection: &mut Connection) -> QueryResult<usize> {
        ExecuteDsl::execute(self, connection)
    }
}

impl<'query, T: QuerySource, U, V, R> Executed<'query> for UpdateStatement<T, U, V, R>
where
    Counted<Self>: LoadQuery<'query, Connection, i32>,
{
    fn execute_on(self, connection: &mut Connection) -> QueryResult<usize> {
        Counted(self).execute(connection)
    }
}

impl<T: QuerySource, U, R> Executed<'_> for DeleteStatement<T, U, R>
where
    Self: ExecuteDsl<Connection>,
{
    fn execute_on(self, connection: &mut Connection) -> QueryResult<usize> {
        ExecuteDsl::execute(self, connection)
    }
}

/// What any transaction may run: it changes nothing that a session check depends on.
pub(crate) trait UncheckedStatement: Statement<Table: UncheckedTable> {
    fn execute<'query>(self, transaction: &mut WriteTransaction<'_>) -> QueryResult<usize>
    where
        Self: Executed<'query>,
    {
        self.execute_on(transaction.reader.connection)
    }

    fn get_results<'query, T>(self, transaction: &mut WriteTransaction<'_>) -> QueryResult<Vec<T>>
    where
        Self::Run: LoadQuery<'query, Connection, T>,
    {
        self.prepared().internal_load(transaction.reader.connection)?.collect()
    }
}

impl<S: Statement<Table: UncheckedTable>> UncheckedStatement for S {}
