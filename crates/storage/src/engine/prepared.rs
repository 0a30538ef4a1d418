//! Updates that are prepared once. Diesel prepares each anew at every run, which on Postgres is a round trip of its own,
//! because it cannot know how many texts there are. Here there are few: they differ in how long a list is, on SQLite.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::query_dsl::methods::LoadQuery;
use diesel::sql_types::Integer;
use diesel::{Connection, QueryResult, RunQueryDsl};

/// What has more parameters than this has a list that may be of any length.
pub(crate) const MOST_PARAMETERS: usize = 64;

/// An update that is found again by its text.
pub(crate) struct Prepared<S>(pub(crate) S);

/// The same where it returns nothing. It is made to return a row for each that it changes: what is executed for their
/// number diesel hands on as a reference, which does not tell that it is safe to be kept.
pub(crate) struct Counted<S>(pub(crate) S);

impl<S> Counted<S> {
    /// Runs it; returns how many rows it has changed.
    pub(crate) fn execute<'query, C: Connection>(self, connection: &mut C) -> QueryResult<usize>
    where
        Self: LoadQuery<'query, C, i32>,
    {
        let mut changed = 0;
        for row in self.internal_load(connection)? {
            changed += 1;
            row?;
        }
        Ok(changed)
    }
}

impl<S> QueryId for Prepared<S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S> QueryId for Counted<S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S, DB> QueryFragment<DB> for Prepared<S>
where
    S: QueryFragment<DB>,
    DB: Backend<QueryBuilder: Default>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &DB) -> QueryResult<bool> {
        is_short(&self.0, backend)
    }
}

impl<S, DB> QueryFragment<DB> for Counted<S>
where
    S: QueryFragment<DB>,
    DB: Backend<QueryBuilder: Default>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1");
        Ok(())
    }

    fn is_safe_to_cache_prepared(&self, backend: &DB) -> QueryResult<bool> {
        is_short(&self.0, backend)
    }
}

fn is_short<DB: Backend<QueryBuilder: Default>>(statement: &impl QueryFragment<DB>, backend: &DB) -> QueryResult<bool> {
    let mut text = DB::QueryBuilder::default();
    statement.to_sql(&mut text, backend)?;
    // No text has these characters but for its parameters.
    Ok(text.finish().matches(['?', '$']).count() <= MOST_PARAMETERS)
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}

impl<S> Query for Counted<S> {
    type SqlType = Integer;
}

impl<S, C: Connection> RunQueryDsl<C> for Prepared<S> {}
impl<S, C: Connection> RunQueryDsl<C> for Counted<S> {}
