//! What keeps guessing slow.

mod budgets;
mod failed_logins;
