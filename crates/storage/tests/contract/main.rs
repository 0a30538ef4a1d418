//! What every adapter must do: each sentence is tested on SQLite and on Postgres.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test: what must not be, fails it")]

mod accounts;
mod audit;
mod budgets;
mod caps;
mod challenges;
mod changes;
mod changing;
mod deleting;
mod ending;
mod everywhere;
mod factors;
mod failed_logins;
mod generations;
mod keys;
mod opening;
mod outages;
mod passwords;
mod raising;
mod reading;
mod retention;
mod schema;
mod services;
mod staff_power;
mod standby;
mod support;
mod switches;
mod unreadable;
mod walking;
mod warrants;
