//! What stands in front of every handler: who calls, whether they may, and how often.

pub mod rate_limit;

pub(crate) mod authorization;
pub(crate) mod call;
pub(crate) mod dialect;
pub(crate) mod limit_class;
pub(crate) mod route;
