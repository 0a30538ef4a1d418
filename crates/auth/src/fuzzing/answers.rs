//! Codes and security keys' answers.

use std::sync::LazyLock;

use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};
use thunderhead_domain::session::TokenDigest;
use totp_rs::Builder;
use uuid::Uuid;

use super::NOW;
use crate::credentials::backup::{TypedCode, digest};
use crate::credentials::totp::{TotpSecret, step_at};
use crate::credentials::webauthn::{
    PendingAuthentication, PendingRegistration, RelyingParty, SecurityKeys, WebauthnError,
};

/// The secret of RFC 6238, appendix B.
const SECRET: &[u8] = b"12345678901234567890";

/// The codes that are good now, with their steps.
static CODES: LazyLock<Vec<(String, i64)>> = LazyLock::new(|| {
    let Ok(totp) = Builder::new().with_secret(SECRET).build() else { return vec![] };
    let steps = step_at(NOW) - 1..=step_at(NOW) + 1;
    steps.map(|step| (totp.generate(u64::try_from(step * 30).unwrap_or(0)).to_string(), step)).collect()
});

/// A text is a code by one reading alone, and by the same as if it were read in the most simple way.
pub fn one_time_code(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let plain = text.replace([' ', '-'], "");
    let upper = plain.to_ascii_uppercase();
    let is_own = upper.chars().count() == 24 && upper.chars().all(|digit| matches!(digit, 'A'..='Z' | '2'..='7'));
    assert_eq!(digest(text), is_own.then(|| TokenDigest(Sha256::digest(&upper).into())), "{text:?}");

    let lower = plain.to_ascii_lowercase();
    let is_plain = lower.chars().all(|digit| digit.is_ascii_alphanumeric());
    match TypedCode::new(text) {
        Some(TypedCode::Hashed(hash)) => {
            assert!(lower.len() == 20 && lower.chars().all(|digit| digit.is_ascii_hexdigit()), "{text:?}");
            assert_eq!(hash[..], Sha512::digest(&lower)[..], "{text:?}");
        }
        Some(TypedCode::Short(short)) => {
            assert!(is_plain && lower.len() == 8 && short.expose_secret() == lower, "{text:?}")
        }
        None => assert!(!(is_plain && lower.len() == 8), "{text:?}"),
    }

    let Some(secret) = TotpSecret::from_bytes(SECRET) else { return };
    let digits = text.replace(' ', "");
    let expected = CODES.iter().find(|(code, _)| *code == digits).map(|(_, step)| *step);
    assert_eq!(secret.matching_step(text, NOW, None), expected, "{text:?}");
    assert_eq!(secret.matching_step(text, NOW, Some(step_at(NOW) + 1)), None, "used already: {text:?}");
}

/// Somebody who waits for answers.
struct Asking {
    keys: SecurityKeys,
    registration: PendingRegistration,
    passkey: PendingRegistration,
    authentication: PendingAuthentication,
}

static ASKING: LazyLock<Option<Asking>> = LazyLock::new(|| {
    let keys = SecurityKeys::new(RelyingParty {
        id: "example.com".to_owned(),
        name: "Thunderhead".to_owned(),
        origins: vec!["https://example.com".to_owned()],
        related_origins: vec![],
    });
    let keys = keys.ok()?;
    let (_, registration) = keys.begin_registration(Uuid::from_u128(0xADA), "ada", &[]).ok()?;
    let (_, passkey) = keys.begin_passkey_registration(Uuid::from_u128(0xADA), "ada", &[]).ok()?;
    let (_, authentication) = keys.begin_passkey_authentication().ok()?;
    Some(Asking { keys, registration, passkey, authentication })
});

/// No answer is good that nobody gave to what was asked, and none is a defect of ours.
pub fn webauthn(data: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<Value>(data) else { return };
    let asking = ASKING.as_ref();
    assert!(asking.is_some(), "nobody asks");
    let Some(Asking { keys, registration, passkey, authentication }) = asking else { return };
    let refused = |error: WebauthnError| assert!(matches!(error, WebauthnError::Refused(_)), "{error:?}: {answer}");
    for registered in
        [keys.finish_registration(registration, &answer), keys.finish_passkey_registration(passkey, &answer)]
    {
        assert!(registered.is_err(), "registered: {answer}");
        registered.map_or_else(refused, drop);
    }
    match keys.read_passkey_response(&answer) {
        Ok(response) => {
            assert!(response.credential_id.len() <= data.len(), "{answer}");
            // It is no key's that could be read.
            assert!(keys.finish_passkey_authentication(authentication, &response, "{}").is_err(), "{answer}");
        }
        Err(error) => refused(error),
    }
}
