//! Updates that are prepared once. Diesel prepares each anew at every run, which on Postgres is a round trip of its own,
//! because it cannot know how many texts there are. Here there are few: they differ in how long a list is, on SQLite.

use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

use super::{Backend, Connection};

/// What has more parameters than this has a list that may be of any length.
pub(super) const MOST_PARAMETERS: usize = 64;

/// An update that is found again by its text.
pub(crate) struct Prepared<S>(pub(super) S);

impl<S> QueryId for Prepared<S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: QueryFragment<Backend>> QueryFragment<Backend> for Prepared<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &Backend) -> QueryResult<bool> {
        let mut text = <Backend as diesel::backend::Backend>::QueryBuilder::default();
        self.0.to_sql(&mut text, backend)?;
        // No text has these characters but for its parameters.
        Ok(text.finish().matches(['?', '$']).count() <= MOST_PARAMETERS)
    }
}

impl<S: Query> Query for Prepared<S> {
    type SqlType = S::SqlType;
}

impl<S> RunQueryDsl<Connection> for Prepared<S> {}
