//! Failure budgets as rows.

use diesel::prelude::*;
use thunderhead_domain::budget::{Budget, BudgetKey};
use thunderhead_domain::id::UserId;
use thunderhead_domain::time::Timestamp;

use crate::error::DataError;
use crate::schema::failure_budgets;
use crate::text;

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = failure_budgets, treat_none_as_default_value = false)]
pub(crate) struct BudgetRow {
    pub(crate) key: String,
    pub(crate) failures: i64,
    pub(crate) last_at: i64,
    pub(crate) user_id: Option<i64>,
}

impl BudgetRow {
    /// Nothing is used of it yet.
    pub(crate) fn unused(key: &BudgetKey) -> Self {
        Self { key: text::budget_key(key), failures: 0, last_at: 0, user_id: key.user().map(UserId::number) }
    }

    /// What is used of the budget; `None` for a row that was only made to be locked.
    pub(crate) fn used(&self) -> Result<Option<Budget>, DataError> {
        let failures = u32::try_from(self.failures).map_err(|_| DataError::Column("failure_budgets.failures"))?;
        let last_at = Timestamp::from_unix_millis(self.last_at);
        Ok((failures > 0).then_some(Budget { failures, last_at }))
    }
}

/// Budgets that are forgotten together.
#[derive(Clone, Debug)]
pub(crate) enum ClearedBudgets {
    /// The one of this key.
    One(String),
    /// Those of strangers at an account, whatever they typed.
    StrangersAt { user: i64, account: String },
}

impl ClearedBudgets {
    /// What goes with a key.
    pub(crate) fn of(key: &BudgetKey) -> Self {
        let strangers_at = match key {
            BudgetKey::Account(user) => Some(*user),
            BudgetKey::Typed(_, user) => *user,
            BudgetKey::Network(..) | BudgetKey::Session(..) => None,
        };
        match strangers_at {
            None => Self::One(text::budget_key(key)),
            Some(user) => {
                Self::StrangersAt { user: user.number(), account: text::budget_key(&BudgetKey::Account(user)) }
            }
        }
    }
}
