//! Failure budgets. Each call is a transaction of its own.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::audit::{AuditKind, Deed};
use thunderhead_domain::budget::{Budget, Charge, Receipt};
use thunderhead_domain::ports::{BudgetKey, FailureBudgets, Stored};
use thunderhead_domain::time::Timestamp;

use super::super::lock_budget;
use super::{Connection, Lanes, audit};
use crate::fault::Failure;
use crate::rows::BudgetRow;
use crate::schema::failure_budgets;
use crate::text;

#[async_trait]
impl FailureBudgets for Lanes {
    async fn budget_charge(&self, key: &BudgetKey, deed: Deed) -> Stored<Charge> {
        let key = key.clone();
        self.write(move |connection| charge(connection, &key, &deed)).await
    }

    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()> {
        let key = text::budget_key(key);
        self.write(move |connection| refund(connection, &key, receipt)).await
    }

    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()> {
        let key = text::budget_key(key);
        self.write(move |connection| Ok(clear(connection, &key)?)).await
    }
}

/// Charges an attempt, if it may be made now.
pub(super) fn charge(connection: &mut Connection, key: &BudgetKey, deed: &Deed) -> Result<Charge, Failure> {
    let row = text::budget_key(key);
    let charge = Budget::charge(made_and_locked(connection, &row)?.used()?, deed.at);
    if let Charge::Admitted(receipt) = charge {
        store(connection, &row, receipt.after)?;
        if let BudgetKey::Account(user) = key
            && receipt.after.is_used_up()
        {
            audit::record(connection, deed, AuditKind::GuessedBeyondBudget, *user, None)?;
        }
    }
    Ok(charge)
}

/// Takes a charge back.
pub(super) fn refund(connection: &mut Connection, key: &str, receipt: Receipt) -> Result<(), Failure> {
    let Some(row) = lock_budget(connection, key)? else { return Ok(()) };
    match row.used()?.and_then(|used| used.refund(receipt)) {
        Some(left) => store(connection, key, left)?,
        None => clear(connection, key)?,
    }
    Ok(())
}

/// The key's row, made if there was none, so that the first two attempts find one to wait for. Between the two
/// statements somebody may clear the budget: then it is made again.
fn made_and_locked(connection: &mut Connection, key: &str) -> Result<BudgetRow, Failure> {
    loop {
        let unused = Budget { failures: 0, last_at: Timestamp::from_unix_millis(0) };
        diesel::insert_into(failure_budgets::table)
            .values(BudgetRow::new(key, unused))
            .on_conflict_do_nothing()
            .execute(connection)?;
        if let Some(row) = lock_budget(connection, key)? {
            return Ok(row);
        }
    }
}

fn store(connection: &mut Connection, key: &str, budget: Budget) -> QueryResult<()> {
    let row = BudgetRow::new(key, budget);
    diesel::update(failure_budgets::table.find(key))
        .set((failure_budgets::failures.eq(row.failures), failure_budgets::last_at.eq(row.last_at)))
        .execute(connection)
        .map(drop)
}

/// Forgets all failures under a key.
pub(super) fn clear(connection: &mut Connection, key: &str) -> QueryResult<()> {
    diesel::delete(failure_budgets::table.find(key)).execute(connection).map(drop)
}
