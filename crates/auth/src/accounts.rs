//! Accounts: making, seeing, changing and deleting them.

pub mod register;
pub mod update;
