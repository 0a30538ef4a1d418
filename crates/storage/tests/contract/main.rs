//! What every adapter must do: each sentence is tested on SQLite and on Postgres.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test: what must not be, fails it")]

mod accounts;
mod audit;
mod authorizations;
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
mod first_release;
mod generations;
mod keys;
mod listing;
mod opening;
mod outages;
mod passwords;
mod reading;
mod retention;
mod schema;
mod services;
mod staff_power;
mod standby;
mod step_up;
mod support;
mod switches;
mod unreadable;
