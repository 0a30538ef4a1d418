//! Second factors, without storage or HTTP: what a secret, a code or a security key's answer is worth by itself
//! (`docs/MODEL.md`, *Second factors*).

pub mod backup;
pub mod totp;
pub mod webauthn;
