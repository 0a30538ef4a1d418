//! The ports on Postgres.

use crate::engine::postgres::Postgres as Database;

#[path = "operations/mod.rs"]
mod operations;
