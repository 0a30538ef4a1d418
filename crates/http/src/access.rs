//! What stands in front of every handler: who calls, whether they may, and how often; and what a dialect is, whose
//! table says all that.

pub mod rate_limit;

pub(crate) mod authorization;
pub(crate) mod call;
pub(crate) mod dialect;
pub(crate) mod documentation;
pub(crate) mod endpoint;
pub(crate) mod limit_class;
pub(crate) mod mount;
pub(crate) mod route;
