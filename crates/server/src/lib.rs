//! The program `thunderhead`: configuration, command line, and the one place where storage, use cases and HTTP are put
//! together. A library, so that tests run the very [`application::Application`] that production runs.

pub mod application;
pub mod cli;
pub mod config;
pub mod error;

mod database;
mod key_file;
mod log;
mod metrics;
mod serve;
mod signals;
mod system;
mod tasks;
mod traces;
