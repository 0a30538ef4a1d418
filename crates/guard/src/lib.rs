//! Asks the session server Thunderhead who calls a service, and whether they may.
//!
//! A service is made known to the server (`thunderhead service create uploads --events`), and sets up a
//! [`guard::SessionGuard`] with its name and secret by a [`settings::SessionGuardBuilder`]. Its routes say what they ask of a
//! session, by a [`requirement::SessionRequirement`]; what is let in comes with a [`session::LiveSession`], which nobody else
//! can make.
//!
//! There are two ways of knowing ([`guard::Staleness`]): `Exact` asks for each request, and `Within` keeps answers for a
//! while, and hears by the server's feed of events what has ended.
//!
//! It fails closed. A server that is away, hangs or answers nonsense is a 503 ([`error::Unavailable`]), within the deadline:
//! never a pass, and never a 401, which would log people out. Memory, questions and waiting requests are bounded; tokens
//! are kept by their SHA-256 alone, and no longer than they are asked about.
//!
//! Kill switches are none of its business, because introspection tells nothing of them: ask `/forward-auth` about those.
//!
//! # Features
//!
//! All are off by default.
//!
//! - `actix`: [`actix`], extractors for actix-web.
//! - `tower`: [`tower`], a layer for axum.
//! - `tls`: `https` to the server.
#![cfg_attr(not(feature = "actix"), doc = "", doc = "[`actix`]: https://docs.rs/thunderhead-guard")]
#![cfg_attr(not(feature = "tower"), doc = "", doc = "[`tower`]: https://docs.rs/thunderhead-guard")]

#[cfg(feature = "actix")]
pub mod actix;
pub mod credential;
pub mod error;
pub mod guard;
pub mod requirement;
pub mod session;
pub mod settings;
#[cfg(feature = "tower")]
pub mod tower;
pub mod watch;

mod answer;
mod cache;
mod client;
mod feed;
mod invalidation;
mod questions;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;
mod token;
