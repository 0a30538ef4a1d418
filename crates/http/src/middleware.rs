//! What every request and response passes on its way to the routes and back.

pub mod cors;
pub mod logged_requests;
pub mod record;
pub mod request_span;
pub mod shield;

pub(crate) mod decoration;
pub(crate) mod path;
pub(crate) mod request_context;
