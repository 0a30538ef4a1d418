//! The endpoints for those who carry no session.

pub(crate) mod docs;
pub(crate) mod hello;
pub(crate) mod login;
pub(crate) mod passkey;
pub(crate) mod register;
