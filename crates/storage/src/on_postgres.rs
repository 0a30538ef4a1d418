//! The ports on Postgres.

use crate::engine::postgres as engine;

#[path = "operations/mod.rs"]
mod operations;
