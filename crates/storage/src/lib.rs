//! The ports of the domain on Postgres and on SQLite.
//!
//! Two adapters stand side by side. What is the same – the tables, the rows, nearly every operation – is written once,
//! in `operations`, and compiled for each engine's connection; what differs is in `engine`. Which engine it is never
//! shows outside, but for [`DatabaseUrl::sqlite_path`].
//!
//! A process first brings the schema up to date with [`migrate`] or makes sure with [`check_schema`] that it is,
//! and then calls [`connect`]. The result is used within a Tokio runtime that has timers.
#![expect(clippy::duplicate_mod, reason = "operations are compiled once for each engine's connection type")]

mod backup;
mod connect;
mod dsl;
mod engine;
mod error;
mod file;
mod lock;
mod migrate;
mod on_postgres;
mod on_sqlite;
mod rows;
mod schema;
mod settings;
mod sources;
mod text;
mod unreadable;
mod url;

pub use backup::{
    Difference, DifferenceKind, Replacement, RowCounts, Snapshot, SnapshotError, Spare, SpareError, finish_replacement,
    is_replacement_unfinished, sync_name,
};
pub use connect::connect;
pub use file::{FileError, beside, resolve};
pub use lock::{DatabaseLock, LockError};
pub use migrate::{MigrateError, check_schema, check_writable, migrate, migrate_back, revert};
pub use settings::{ConnectError, StorageSettings};
pub use sources::{InvalidTraitPath, KratosSource, ReferenceSource, ReferenceVersion, TraitPath};
pub use url::{DatabaseUrl, InvalidDatabaseUrl};
