//! Webhooks (Standard Webhooks 1.0): the events of the feed, posted to endpoints in order, at least once each.

pub mod delivery;
pub mod manage;
pub mod message;
pub mod secret;
pub mod url;

mod run;
mod schedule;
