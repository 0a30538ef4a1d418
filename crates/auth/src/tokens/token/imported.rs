//! Tokens of a program that was moved away from: of exactly the form in which it wrote them. What else the same key has
//! signed there – challenges, links in mails – is no token; what has the form of one is told by the session's row.

use std::sync::Arc;

use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use josekit::jws::{ES256, JwsVerifier};
use serde::Deserialize;
use thunderhead_domain::id::{SessionId, UserId, VerificationKeyId};
use thunderhead_domain::import::{MOST_VERIFICATION_KEYS, VerificationKey};
use thunderhead_domain::session::ImportedToken;
use thunderhead_domain::time::Timestamp;

use super::{TokenError, TokenSigner, decode, is_plausible, split};

/// `{"alg":"ES256","typ":"JWT"}` with the dot behind it: such tokens have this header, letter by letter.
const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.";

/// A key that verifies, and of which nothing is published.
pub(super) struct VerifyOnlyKey {
    pub(super) id: VerificationKeyId,
    issuer: Option<String>,
    verifier: EcdsaJwsVerifier,
}

/// The claims of such a token: these and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    #[serde(default, deserialize_with = "text")]
    iss: Option<String>,
    sub: String,
    iat: i64,
    exp: i64,
}

/// What a token says that such a key has signed.
#[derive(Debug)]
pub(super) struct ImportedClaims(pub(super) ImportedToken);

impl ImportedClaims {
    pub(super) fn in_time(self, now: Timestamp) -> Result<ImportedToken, TokenError> {
        let ImportedToken { id, expires_at, .. } = self.0;
        let in_time = id.number() <= now.unix_seconds() && expires_at > now;
        if in_time { Ok(self.0) } else { Err(TokenError::Refused) }
    }
}

/// A claim that may be absent, and is a text where it is not: null is none.
fn text<'de, D: serde::Deserializer<'de>>(claim: D) -> Result<Option<String>, D::Error> {
    String::deserialize(claim).map(Some)
}

impl TokenSigner {
    /// What a token of a program says that was moved away from, if a key that came from there has signed it. A key that is
    /// not known here yet may have come a moment ago.
    pub(super) fn verify_imported(&self, text: &str) -> Result<ImportedClaims, TokenError> {
        let (message, signature) = split(text)?;
        let (_, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        let ring = self.ring();
        if !is_plausible(&signature) {
            return Err(TokenError::Refused);
        }
        verify(&ring.verify_only, message.as_bytes(), &payload, &signature)
    }
}

/// Whether a text begins as such tokens do. Tokens of our own have a `kid`.
pub(super) fn has_header(text: &str) -> bool {
    text.starts_with(HEADER)
}

/// The stored keys that can be read. One that cannot is logged, and stops no other.
pub(super) fn read(records: &[VerificationKey]) -> Vec<Arc<VerifyOnlyKey>> {
    records.iter().take(MOST_VERIFICATION_KEYS).filter_map(key).map(Arc::new).collect()
}

fn key(record: &VerificationKey) -> Option<VerifyOnlyKey> {
    match Jwk::from_bytes(&record.jwk).and_then(|jwk| ES256.verifier_from_jwk(&jwk)) {
        Ok(verifier) => Some(VerifyOnlyKey { id: record.id, issuer: record.issuer.clone(), verifier }),
        Err(error) => {
            tracing::error!(error = %error, key = %record.id.0, "a verify-only key cannot be read");
            None
        }
    }
}

/// What a token says, if one of the keys has signed it whose tokens look like it.
fn verify(
    keys: &[Arc<VerifyOnlyKey>],
    message: &[u8],
    payload: &[u8],
    signature: &[u8],
) -> Result<ImportedClaims, TokenError> {
    let claims: Claims = serde_json::from_slice(payload).map_err(|_| TokenError::Refused)?;
    let user: UserId = claims.sub.parse().map_err(|_| TokenError::Refused)?;
    // A date that no clock reaches is none.
    let is_date = |second: i64| (0..=LAST_SECOND).contains(&second);
    if !is_date(claims.iat) || !is_date(claims.exp) {
        return Err(TokenError::Refused);
    }
    let mut fitting = keys.iter().filter(|key| key.issuer == claims.iss).peekable();
    if fitting.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let signed_by = fitting.find(|key| key.verifier.verify(message, signature).is_ok()).ok_or(TokenError::Refused)?;
    Ok(ImportedClaims(ImportedToken {
        key: signed_by.id,
        user,
        id: SessionId::from_number(claims.iat),
        expires_at: Timestamp::from_unix_seconds(claims.exp),
    }))
}

/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests;
