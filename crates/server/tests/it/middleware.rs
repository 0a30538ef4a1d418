//! What every request and response has, whichever endpoint it is about.

mod bodies;
#[cfg(target_os = "linux")]
mod connections;
mod cors;
mod headers;
mod index;
mod kept_alive;
mod paths;
mod slow;
