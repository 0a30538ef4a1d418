//! What clients ask for.

use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::live::http::Request;

/// A password that no estimator refuses.
pub const PASSWORD: &str = "seven kettles on the moor";

pub fn register(name: &str) -> Request {
    Request::new("POST", "/api/register").json(&json!({
        "username": name,
        "email": address_of(name),
        "password": PASSWORD,
        "confirmPassword": PASSWORD,
    }))
}

pub fn address_of(name: &str) -> String {
    format!("{name}@example.org")
}

pub fn log_in(name: &str, password: &str) -> Request {
    Request::new("POST", "/api/login").json(&json!({"username": name, "password": password}))
}

pub fn who_am_i(token: &str) -> Request {
    Request::new("GET", "/api/users/me").token(token)
}

/// Ends the session that it is made with.
pub fn log_out(token: &str) -> Request {
    Request::new("DELETE", "/api/users/me/sessions/me").token(token)
}

/// The code that an authenticator app shows in so many seconds.
#[expect(clippy::disallowed_methods, reason = "the servers under test live in real time")]
pub fn totp_code(secret: &str, later: u64) -> Result<String> {
    let secret = Secret::try_from_base32(secret).ok().context("a secret that is not base32")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(Builder::new().with_secret(secret).build_noncompliant().generate(now + later).to_string())
}

/// A generator for choices that are to differ, and to be the same in the next run (xorshift64, Marsaglia 2003).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}
