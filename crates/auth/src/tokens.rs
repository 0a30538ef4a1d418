//! Tokens, and the keys that sign and encrypt.

pub mod audience;
pub mod flow;
pub mod form;
pub mod keys;
pub(crate) mod passkey_challenge;
pub(crate) mod secret;
pub mod token;
pub mod verification;
