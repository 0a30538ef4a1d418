//! Pages of a query. SQLite's planner looks into a parameter that is a limit, and so plans the statement anew whenever it is
//! given one; it does not look into an expression.

use diesel::QueryResult;
use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::methods::{LimitDsl, LoadQuery};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType};

use super::{Connection, ReadConnection};

/// At most so many rows of a query, after so many others.
#[derive(Clone, Copy, QueryId)]
pub(crate) struct Paged<Q> {
    query: Q,
    limit: i64,
    offset: i64,
}

impl<Q: LimitDsl> Paged<Q> {
    pub(crate) const fn new(query: Q, limit: i64, offset: i64) -> Self {
        Self { query, limit, offset }
    }

    pub(crate) fn load<'query, T>(self, connection: &mut ReadConnection<'_>) -> QueryResult<Vec<T>>
    where
        Self: LoadQuery<'query, Connection, T>,
    {
        RunQueryDsl::load(self, connection.connection)
    }
}

impl<Q: Query> Query for Paged<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> RunQueryDsl<Connection> for Paged<Q> {}

impl<Q, DB> QueryFragment<DB> for Paged<Q>
where
    Q: QueryFragment<DB>,
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT +");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(" OFFSET +");
        out.push_bind_param::<BigInt, _>(&self.offset)
    }
}
