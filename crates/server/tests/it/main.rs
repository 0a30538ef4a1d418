//! The server as its clients see it, over HTTP, on both engines. The tree of modules mirrors the URLs; what
//! concerns all of them stands beside it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: what fails here is the test")]

mod api;
mod app;
mod audit;
mod credentials;
mod edge;
mod errors;
mod forward_auth;
mod introspect;
mod judgement;
mod keys;
mod kratos;
mod limits;
mod metrics;
mod outage;
mod overtaken;
mod process;
mod routes;
mod shutdown;
mod upload_service;
