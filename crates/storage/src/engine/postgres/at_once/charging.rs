//! Charging failure budgets, and refunding them, without holding a lock: what was read is replaced if it is still there.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use thunderhead_domain::budget::{Budget, Charge, Receipt};
use thunderhead_domain::time::Timestamp;

use crate::error::OperationError;
use crate::rows::BudgetRow;

/// Makes a budget with its first failure, unless there is one; then it is returned.
#[derive(QueryId)]
struct ChargeFirst {
    key: String,
    user: Option<i64>,
    at: i64,
}

impl Query for ChargeFirst {
    /// How many were made, and what there was before.
    type SqlType = (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>);
}

impl RunQueryDsl<PgConnection> for ChargeFirst {}

impl QueryFragment<Pg> for ChargeFirst {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH made AS (INSERT INTO failure_budgets (key, user_id, failures, last_at) VALUES (");
        out.push_bind_param::<Text, _>(&self.key)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.user)?;
        out.push_sql(", 1, ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(
            ") ON CONFLICT DO NOTHING RETURNING 1) \
             SELECT (SELECT count(*) FROM made), failures, last_at, user_id \
             FROM (SELECT 1) AS one LEFT JOIN failure_budgets ON key = ",
        );
        out.push_bind_param::<Text, _>(&self.key)
    }
}

/// Replaces what is used of a budget, if it is what it was.
#[derive(QueryId)]
struct Replace {
    key: String,
    before: (i64, i64),
    after: (i64, i64),
}

/// Removes a budget, if it is what it was.
#[derive(QueryId)]
struct Remove {
    key: String,
    before: (i64, i64),
}

impl Query for Replace {
    type SqlType = BigInt;
}

impl Query for Remove {
    type SqlType = BigInt;
}

impl RunQueryDsl<PgConnection> for Replace {}
impl RunQueryDsl<PgConnection> for Remove {}

impl QueryFragment<Pg> for Replace {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE failure_budgets SET failures = ");
        out.push_bind_param::<BigInt, _>(&self.after.0)?;
        out.push_sql(", last_at = ");
        out.push_bind_param::<BigInt, _>(&self.after.1)?;
        is_still(&self.key, &self.before, out)
    }
}

impl QueryFragment<Pg> for Remove {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("DELETE FROM failure_budgets");
        is_still(&self.key, &self.before, out)
    }
}

fn is_still<'b>(key: &'b String, before: &'b (i64, i64), mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(" WHERE key = ");
    out.push_bind_param::<Text, _>(key)?;
    out.push_sql(" AND failures = ");
    out.push_bind_param::<BigInt, _>(&before.0)?;
    out.push_sql(" AND last_at = ");
    out.push_bind_param::<BigInt, _>(&before.1)?;
    out.push_sql(" RETURNING failures");
    Ok(())
}

fn numbers(budget: Budget) -> (i64, i64) {
    (budget.failures.into(), budget.last_at.unix_millis())
}

/// Charges an attempt, if it may be made now; `None` where nothing was done, because somebody else charges the same, or
/// there is more to be written.
pub(in crate::engine::postgres) fn charge(
    connection: &mut PgConnection,
    unused: &BudgetRow,
    at: Timestamp,
) -> Result<Option<Charge>, OperationError> {
    let key = unused.key.clone();
    let first = ChargeFirst { key: key.clone(), user: unused.user_id, at: at.unix_millis() };
    let (made, failures, last_at, user_id): (i64, Option<i64>, Option<i64>, Option<i64>) =
        first.get_result(connection)?;
    if made > 0 {
        return Ok(Some(Charge::Admitted(Receipt { before: None, after: Budget { failures: 1, last_at: at } })));
    }
    let (Some(failures), Some(last_at)) = (failures, last_at) else { return Ok(None) };
    let found = BudgetRow { key: key.clone(), failures, last_at, user_id };
    if found.user_id != unused.user_id {
        return Ok(None);
    }
    match Budget::charge(found.used()?, at) {
        Charge::Admitted(receipt) if receipt.after.is_used_up() => Ok(None),
        Charge::Admitted(receipt) => {
            let replace = Replace { key, before: (failures, last_at), after: numbers(receipt.after) };
            let replaced: Vec<i64> = replace.load(connection)?;
            Ok(replaced.first().map(|_| Charge::Admitted(receipt)))
        }
        wait @ Charge::Wait(_) => Ok(Some(wait)),
    }
}

/// Takes a charge back, if it was the last one; `None` where nothing was done.
pub(in crate::engine::postgres) fn refund(
    connection: &mut PgConnection,
    key: &str,
    receipt: Receipt,
) -> QueryResult<Option<()>> {
    let (key, before) = (key.to_owned(), numbers(receipt.after));
    let refunded: Vec<i64> = match receipt.before {
        Some(after) => Replace { key, before, after: numbers(after) }.load(connection)?,
        None => Remove { key, before }.load(connection)?,
    };
    Ok(refunded.first().map(|_| ()))
}
