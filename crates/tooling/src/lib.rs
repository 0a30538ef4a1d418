//! What `xtask`, the system tests and the benchmarks share: running other programs, and Postgres.

pub mod installed;
pub mod postgres;
pub mod process;
pub mod throwaway;
