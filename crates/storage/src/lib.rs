//! The ports of the domain on Postgres and on SQLite.
//!
//! Two adapters stand side by side. What is really the same – the tables, the rows, nearly every operation – is
//! written once and compiled for each engine's connection; what differs (locks, transactions, set-up) is in
//! `postgres.rs` and `sqlite.rs`. Which engine it is never shows outside, but for [`DatabaseUrl::sqlite_path`].
//!
//! A process first brings the schema up to date with [`migrate`] or makes sure with [`check_schema`] that it is,
//! and then calls [`connect`]. The result is used within a Tokio runtime that has timers.
#![expect(clippy::duplicate_mod, reason = "operations are compiled once for each engine's connection type")]

mod connect;
mod fault;
mod file;
mod lane;
mod lock;
mod meter;
mod migrate;
mod pool;
mod postgres;
mod replace;
mod rows;
mod schema;
mod snapshot;
mod spare;
mod sqlite;
mod text;
mod touched;
mod unreadable;
mod url;

pub use connect::{ConnectError, Settings, connect};
pub use file::{FileError, beside, resolve};
pub use lock::{DatabaseLock, LockError};
pub use migrate::{MigrateError, check_schema, check_writable, migrate, revert};
pub use snapshot::{
    Counts, Difference, DifferenceKind, Replacement, Snapshot, SnapshotError, finish_replacement,
    is_replacement_unfinished, sync_name,
};
pub use spare::{Spare, SpareError};
pub use url::{DatabaseUrl, InvalidDatabaseUrl};
