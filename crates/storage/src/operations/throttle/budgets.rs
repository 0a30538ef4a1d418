//! Failure budgets. Each call is a transaction of its own.

use async_trait::async_trait;
use thunderhead_domain::audit::{ActionContext, AuditKind};
use thunderhead_domain::budget::{Budget, BudgetKey, Charge, Receipt};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{FailureBudgets, Stored};
use thunderhead_domain::time::Timestamp;
use tracing::instrument;

use super::operations::{Database, UncheckedStatement, WriteTransaction};
use crate::dsl::*;
use crate::engine::DatabaseEngine as _;
use crate::error::OperationError;
use crate::rows::{BudgetRow, ClearedBudgets};
use crate::schema::failure_budgets;
use crate::text;

#[async_trait]
impl FailureBudgets for Database {
    #[instrument(level = "debug", skip_all)]
    async fn budget_charge(&self, key: &BudgetKey, action: ActionContext) -> Stored<Charge> {
        if let Some(charge) = self.charge_at_once(BudgetRow::unused(key), action.at).await? {
            return Ok(charge);
        }
        let key = key.clone();
        self.write(move |transaction| charge(transaction, &key, &action)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn budget_refund(&self, key: &BudgetKey, receipt: Receipt) -> Stored<()> {
        if let Some(()) = self.refund_at_once(text::budget_key(key), receipt).await? {
            return Ok(());
        }
        let key = key.clone();
        self.write(move |transaction| refund(transaction, &key, receipt)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn budget_clear(&self, key: &BudgetKey) -> Stored<()> {
        let key = key.clone();
        self.write(move |transaction| Ok(clear(transaction, &key)?)).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn budget_unlock(&self, user: UserId, action: ActionContext) -> Stored<bool> {
        self.write(move |transaction| {
            let unlocked = clear_all(transaction, &[user.number()])? > 0;
            if unlocked {
                transaction.audit(&action, AuditKind::AccountUnlocked, user, None)?;
            }
            Ok(unlocked)
        })
        .await
    }
}

/// Charges an attempt, if it may be made now.
pub(crate) fn charge(
    transaction: &mut WriteTransaction<'_>,
    key: &BudgetKey,
    action: &ActionContext,
) -> Result<Charge, OperationError> {
    let row = match made_or_locked(transaction, key, action.at)? {
        MadeOrLocked::Made(receipt) => return Ok(Charge::Admitted(receipt)),
        MadeOrLocked::Locked(row) => row,
    };
    let charge = Budget::charge(row.used()?, action.at);
    if let Charge::Admitted(receipt) = charge {
        store(transaction, &row.key, receipt.after)?;
        if let Some(user) = key.user()
            && receipt.after.is_used_up()
        {
            transaction.audit(action, AuditKind::AttemptedBeyondBudget, user, None)?;
        }
    }
    Ok(charge)
}

pub(crate) fn refund(
    transaction: &mut WriteTransaction<'_>,
    key: &BudgetKey,
    receipt: Receipt,
) -> Result<(), OperationError> {
    let text = text::budget_key(key);
    let Some(row) = transaction.lock_budget(&text)? else { return Ok(()) };
    match row.used()?.and_then(|used| used.refund(receipt)) {
        Some(left) => store(transaction, &text, left)?,
        None => diesel::delete(failure_budgets::table.find(text)).execute(transaction).map(drop)?,
    }
    Ok(())
}

/// The budget of a key.
enum MadeOrLocked {
    /// There was none: it has been made, with its first failure.
    Made(Receipt),
    Locked(BudgetRow),
}

/// Between the two statements somebody may clear the budget: then it is made after all. A name that a budget was kept for
/// may have found an owner since.
fn made_or_locked(
    transaction: &mut WriteTransaction<'_>,
    key: &BudgetKey,
    at: Timestamp,
) -> Result<MadeOrLocked, OperationError> {
    let first = BudgetRow { failures: 1, last_at: at.unix_millis(), ..BudgetRow::unused(key) };
    loop {
        let made = diesel::insert_into(failure_budgets::table).values(&first).on_conflict_do_nothing();
        if made.execute(transaction)? > 0 {
            let after = Budget { failures: 1, last_at: at };
            return Ok(MadeOrLocked::Made(Receipt { before: None, after }));
        }
        if let Some(row) = transaction.lock_budget(&first.key)? {
            if row.user_id != first.user_id {
                let named = failure_budgets::table.find(&first.key);
                diesel::update(named).set(failure_budgets::user_id.eq(first.user_id)).execute(transaction)?;
            }
            return Ok(MadeOrLocked::Locked(row));
        }
    }
}

fn store(transaction: &mut WriteTransaction<'_>, key: &str, budget: Budget) -> QueryResult<()> {
    let used = (
        failure_budgets::failures.eq(i64::from(budget.failures)),
        failure_budgets::last_at.eq(budget.last_at.unix_millis()),
    );
    diesel::update(failure_budgets::table.find(key)).set(used).execute(transaction).map(drop)
}

/// Forgets all failures that a key counts. Those of strangers at an account are forgotten together, whatever they
/// typed.
pub(crate) fn clear(transaction: &mut WriteTransaction<'_>, key: &BudgetKey) -> QueryResult<()> {
    match ClearedBudgets::of(key) {
        ClearedBudgets::One(key) => diesel::delete(failure_budgets::table.find(key)).execute(transaction).map(drop),
        ClearedBudgets::StrangersAt { user, account } => {
            let strangers = failure_budgets::key.eq(account).or(failure_budgets::key.like("name:%"));
            let all = failure_budgets::table.filter(failure_budgets::user_id.eq(user).and(strangers));
            diesel::delete(all).execute(transaction).map(drop)
        }
    }
}

/// Forgets all failures at these accounts, whoever made them; returns how many budgets that were.
pub(crate) fn clear_all(transaction: &mut WriteTransaction<'_>, users: &[i64]) -> QueryResult<usize> {
    let all = failure_budgets::table.filter(failure_budgets::user_id.eq_any(users));
    diesel::delete(all).execute(transaction)
}
