//! What every adapter must do: each sentence is tested on SQLite and on Postgres.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test: what must not be, fails it")]

mod accounts;
mod audit;
mod challenges;
mod change_authorization;
mod change_log;
mod factors;
mod feed;
mod first_release;
mod imported_codes;
mod imports;
mod keys;
mod kratos;
mod links;
mod outages;
mod overheard;
mod passkeys;
mod plans;
mod prepared;
mod reference;
mod retention;
mod schema;
mod search;
mod services;
mod sessions;
mod standby;
mod support;
mod switches;
mod throttle;
mod unreadable;
mod upgrades;
mod webhooks;
