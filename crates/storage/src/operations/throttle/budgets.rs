//! Failure budgets. Each call is a transaction of its own.

use async_trait::async_trait;
use diesel::prelude::*;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::budget::{Budget, BudgetKey, Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{FailureBudgets, Stored};

use super::operations::engine::lock_budget;
use super::operations::{Connection, Database, audit};
use crate::error::OperationError;
use crate::rows::BudgetRow;
use crate::schema::failure_budgets;
use crate::text;

#[async_trait]
impl FailureBudgets for Database {
    async fn budget_charge(&self, key: &BudgetKey, action: ActionContext) -> Stored<Charge> {
        let key = key.clone();
        self.write(move |connection| charge(connection, &key, &action)).await
    }

    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()> {
        let key = key.clone();
        self.write(move |connection| refund(connection, &key, receipt)).await
    }

    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()> {
        let key = key.clone();
        self.write(move |connection| Ok(clear(connection, &key)?)).await
    }

    async fn budget_unlock(&self, user: UserId, action: ActionContext) -> Stored<bool> {
        self.write(move |connection| {
            let unlocked = clear_all(connection, &[user.number()])? > 0;
            if unlocked {
                audit::record(connection, &action, AuditKind::AccountUnlocked, user, None)?;
            }
            Ok(unlocked)
        })
        .await
    }
}

/// Charges an attempt, if it may be made now.
pub(crate) fn charge(
    connection: &mut Connection,
    key: &BudgetKey,
    action: &ActionContext,
) -> Result<Charge, OperationError> {
    let row = made_and_locked(connection, key)?;
    let charge = Budget::charge(row.used()?, action.at);
    if let Charge::Admitted(receipt) = charge {
        store(connection, &row.key, receipt.after)?;
        if let Some(user) = key.user()
            && receipt.after.is_used_up()
        {
            audit::record(connection, action, AuditKind::AttemptedBeyondBudget, user, None)?;
        }
    }
    Ok(charge)
}

/// Takes a charge back.
pub(crate) fn refund(connection: &mut Connection, key: &BudgetKey, receipt: Receipt) -> Result<(), OperationError> {
    let text = text::budget_key(key);
    let Some(row) = lock_budget(connection, &text)? else { return Ok(()) };
    match row.used()?.and_then(|used| used.refund(receipt)) {
        Some(left) => store(connection, &text, left)?,
        None => diesel::delete(failure_budgets::table.find(text)).execute(connection).map(drop)?,
    }
    Ok(())
}

/// The key's row, made if there was none, so that the first two attempts find one to wait for. Between the two
/// statements somebody may clear the budget: then it is made again. A name that a budget was kept for may have found an
/// owner since.
fn made_and_locked(connection: &mut Connection, key: &BudgetKey) -> Result<BudgetRow, OperationError> {
    let unused = BudgetRow::unused(key);
    loop {
        diesel::insert_into(failure_budgets::table).values(&unused).on_conflict_do_nothing().execute(connection)?;
        if let Some(row) = lock_budget(connection, &unused.key)? {
            if row.user_id != unused.user_id {
                let named = failure_budgets::table.find(&unused.key);
                diesel::update(named).set(failure_budgets::user_id.eq(unused.user_id)).execute(connection)?;
            }
            return Ok(row);
        }
    }
}

fn store(connection: &mut Connection, key: &str, budget: Budget) -> QueryResult<()> {
    let used = (
        failure_budgets::failures.eq(i64::from(budget.failures)),
        failure_budgets::last_at.eq(budget.last_at.unix_millis()),
    );
    diesel::update(failure_budgets::table.find(key)).set(used).execute(connection).map(drop)
}

/// Forgets all failures that a key counts. Those of strangers at an account are forgotten together, whatever they
/// typed.
pub(crate) fn clear(connection: &mut Connection, key: &BudgetKey) -> QueryResult<()> {
    let named = failure_budgets::table.find(text::budget_key(key));
    let strangers_at = match key {
        BudgetKey::Account(user) => Some(*user),
        BudgetKey::Typed(_, user) => *user,
        BudgetKey::Network(..) | BudgetKey::Session(..) => None,
    };
    let Some(user) = strangers_at else { return diesel::delete(named).execute(connection).map(drop) };
    let account = text::budget_key(&BudgetKey::Account(user));
    let strangers = failure_budgets::key.eq(account).or(failure_budgets::key.like("name:%"));
    let all = failure_budgets::table.filter(failure_budgets::user_id.eq(user.number()).and(strangers));
    diesel::delete(all).execute(connection).map(drop)
}

/// Forgets all failures at these accounts, whoever made them; returns how many budgets that were.
pub(crate) fn clear_all(connection: &mut Connection, users: &[i64]) -> QueryResult<usize> {
    let all = failure_budgets::table.filter(failure_budgets::user_id.eq_any(users));
    diesel::delete(all).execute(connection)
}
