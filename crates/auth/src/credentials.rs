//! What users prove their identity by: passwords, second factors, and the challenges for them.

pub mod backup;
pub mod challenge;
pub(crate) mod checks;
pub mod confirm;
pub mod link;
pub mod new_password;
pub mod passkey;
pub mod password;
pub(crate) mod password_attempt;
pub mod reverify;
pub mod totp;
pub mod webauthn;
