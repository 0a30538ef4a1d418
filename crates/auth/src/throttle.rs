//! Holding back attempts at one account, and recording those that failed.

pub(crate) mod account_locks;
pub(crate) mod budgets;
pub(crate) mod failed_logins;
pub(crate) mod recent_strangers;
