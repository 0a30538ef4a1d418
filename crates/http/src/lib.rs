//! The HTTP edge of Thunderhead.

mod body;
pub mod client_ip;
pub mod cors;
mod credential;
mod edge;
pub mod flood;
mod health;
pub mod limit;
mod query;
