//! The server as its clients see it, over HTTP, on both engines. The tree of modules mirrors the URLs; what
//! concerns all of them stands beside it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: what fails here is the test")]

mod answers;
mod api;
mod app;
mod assertions;
mod audit;
mod authorization;
mod backups;
mod caps;
mod confirm;
mod credentials;
mod deploy;
mod dialects;
mod errors;
mod events;
#[cfg(feature = "flood")]
mod flood;
mod forward_auth;
mod hashing_queue;
mod imported_codes;
mod imported_sessions;
mod introspect;
mod keys;
mod kratos;
mod legacy;
mod limits;
mod lists;
mod log;
mod metadata;
mod metrics;
mod middleware;
mod new_device;
mod outage;
mod pages;
mod passwordless;
mod policy;
mod process;
mod purposes;
mod request_log;
mod revoke;
mod routes;
mod secrets;
mod shutdown;
mod staff_power;
mod stale;
mod stale_preconditions;
#[cfg(unix)]
mod unix_socket;
mod unreadable;
mod upload_service;
mod webhooks;
