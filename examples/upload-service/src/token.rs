//! What a signature can tell: that Thunderhead made this token, for a session, and that it has not expired.

use josekit::jws;
use josekit::jwt;
use serde::Deserialize;
use serde_json::Value;
use thunderhead_domain::time::Timestamp;

use crate::keys::Keys;
use crate::thunderhead::Away;

/// The longest text that is looked at, in bytes. Thunderhead's tokens are about 350 long.
const LONGEST: usize = 2_048;

/// What a token says. No claim is optional.
#[derive(Debug, Deserialize)]
pub struct Claims {
    iss: String,
    /// The user's id.
    pub sub: String,
    iat: i64,
    exp: i64,
    /// Which session.
    pub jti: String,
    /// What the token is for: that of a second-factor challenge, say, has a good signature too.
    purpose: String,
}

/// The claims of a good session token; nothing where it is not one.
///
/// # Errors
/// [`Away`] where the keys to check it with cannot be had.
pub fn verify(text: &str, keys: &Keys, issuer: &str, now: Timestamp) -> Result<Option<Claims>, Away> {
    let Some(kid) = key_name(text) else { return Ok(None) };
    let ring = keys.with(&kid)?;
    // The verifier takes ES256 and nothing else, whatever the header says (RFC 8725, section 3.1).
    let verified = ring.get(&kid).and_then(|key| jws::deserialize_compact(text, key).ok());
    let claims = verified.and_then(|(payload, _)| serde_json::from_slice::<Claims>(&payload).ok());
    let now = now.unix_seconds();
    // A second of leeway: the clocks of two machines are never quite the same.
    let in_time = |claims: &Claims| claims.iat <= now.saturating_add(1) && claims.exp > now;
    Ok(claims.filter(|claims| claims.iss == issuer && claims.purpose == "session" && in_time(claims)))
}

/// The key that a token names, where it is spelt like one of Thunderhead's. Nothing is believed yet.
fn key_name(text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let header = jwt::decode_header(text).ok()?;
    let typed = header.claim("typ").and_then(Value::as_str) == Some("JWT");
    let kid = header.claim("kid").and_then(Value::as_str)?;
    (typed && header.claim("crit").is_none()).then(|| kid.to_owned())
}
