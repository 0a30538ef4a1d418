//! Second factors, without storage or HTTP: what a secret, a code or a security key's answer is worth by itself
//! (`spec/accounts-and-factors.md`, *Second factors*).

pub mod backup;
pub mod totp;
pub mod webauthn;
