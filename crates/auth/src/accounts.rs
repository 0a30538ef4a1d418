//! Accounts: making, seeing, changing and deleting them.

pub mod own;
pub mod register;
pub mod staff;
