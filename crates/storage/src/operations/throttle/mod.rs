//! What keeps guessing slow: failure budgets, and counts of failed logins.

pub(crate) mod budgets;
mod failed_logins;

use super::{self as operations};
