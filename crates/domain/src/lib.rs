//! Sessions, scopes, kill switches and the order in which a request is checked.
//!
//! This crate is pure: it does no input or output, reads no clock, draws no random number and knows no
//! database, no HTTP and no async runtime. What it needs from outside are the traits in [`ports`].

pub mod assurance;
pub mod audit;
pub mod authorization;
pub mod budget;
pub mod challenge;
pub mod change_authorization;
pub mod device;
pub mod event;
pub mod factor;
pub mod failed_login;
pub mod id;
pub mod import;
pub mod label;
pub mod link;
pub mod network;
pub mod policy;
pub mod ports;
pub mod scope;
pub mod search;
pub mod service;
pub mod session;
pub mod switch;
pub mod time;
pub mod user;
pub mod webhook;

mod named;
