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
mod error;
mod file;
mod lock;
mod metrics;
mod migrate;
mod pending;
mod pool;
mod postgres;
mod replace;
mod rows;
mod schema;
mod snapshot;
mod spare;
mod sqlite;
mod text;
mod unreadable;
mod url;
mod worker_pool;

pub use connect::{ConnectError, StorageSettings, connect};
pub use file::{FileError, beside, resolve};
pub use lock::{DatabaseLock, LockError};
pub use migrate::{MigrateError, check_schema, check_writable, migrate, revert};
pub use snapshot::{
    Difference, DifferenceKind, Replacement, RowCounts, Snapshot, SnapshotError, finish_replacement,
    is_replacement_unfinished, sync_name,
};
pub use spare::{Spare, SpareError};
pub use url::{DatabaseUrl, InvalidDatabaseUrl};
