//! The session check, what is cached for it, and what keeps that fresh.

pub(crate) mod freshness;
pub mod lookup;
pub(crate) mod session_cache;
pub(crate) mod usage;
