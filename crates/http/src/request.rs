//! What a request carries: its client, its credential, its query, its body.

pub mod client_ip;
pub mod cookie;
pub mod credential_order;
pub mod origin;
pub mod traceparent;

pub(crate) mod body;
pub(crate) mod credential;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod moment;
pub(crate) mod pass_cookie;
pub(crate) mod query;

#[cfg(test)]
pub(crate) mod testing;
