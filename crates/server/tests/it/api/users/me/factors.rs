//! `/api/users/me/2fa…`.

mod backup;
mod passkey;
mod remove;
mod show;
mod totp;
mod webauthn;

/// The path of one's own factors.
const PATH: &str = "/api/users/me/2fa";

/// The path of one factor.
fn path(id: &str) -> String {
    format!("{PATH}/{id}")
}
