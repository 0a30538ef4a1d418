//! Holding back password attempts at one account, and recording those that failed.

pub(crate) mod account_locks;
pub(crate) mod failures;
