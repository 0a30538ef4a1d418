//! The two engines: their connections, the threads that work with them, and what differs between them.

mod metrics;
mod pool;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod worker_pool;
