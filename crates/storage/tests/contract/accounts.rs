//! Accounts: made, found, changed, deleted.

mod create;
mod delete;
mod password;
mod staff;
mod update;
