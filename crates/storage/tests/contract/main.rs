//! What every adapter must do: each sentence is tested on SQLite and on Postgres.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test: what must not be, fails it")]

mod accounts;
mod budgets;
mod ending;
mod keys;
mod opening;
mod outages;
mod reading;
mod schema;
mod support;
mod switches;
