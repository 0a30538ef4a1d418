//! What every request and response has, whichever endpoint it is about.

mod bodies;
mod cors;
mod headers;
mod paths;
