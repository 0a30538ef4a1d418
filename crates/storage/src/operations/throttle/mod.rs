//! What keeps guessing slow: failure budgets, the networks that an account is used from, and counts of failed logins.

pub(crate) mod budgets;
mod failed_logins;
pub(crate) mod networks;

use super::{self as operations};
