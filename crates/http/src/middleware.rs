//! What every request and response passes on its way to the routes and back.

pub mod cors;
pub mod shield;

pub(crate) mod error_body;
pub(crate) mod path;
pub(crate) mod record;
pub(crate) mod request_context;
