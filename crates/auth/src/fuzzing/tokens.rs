//! Tokens, and places in lists.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thunderhead_domain::challenge::ChallengePurpose;
use thunderhead_domain::event::{EventCursor, EventTypes};
use thunderhead_domain::factor::FactorId;
use thunderhead_domain::id::{SessionId, UserId};
use thunderhead_domain::ports::SessionCursor;
use thunderhead_domain::session::{SessionKey, TokenDigest};

use super::{NOW, SameByte, StandingClock};
use crate::tokens::form::Forms;
use crate::tokens::keys::EncryptionKey;
use crate::tokens::passkey_challenge::PasskeyTokens;
use crate::tokens::secret;
use crate::tokens::token::{Purpose, TokenError, TokenSigner};

static SIGNER: LazyLock<Option<TokenSigner>> = LazyLock::new(TokenSigner::of_a_new_key);
static PASSKEYS: LazyLock<PasskeyTokens> = LazyLock::new(|| PasskeyTokens::new(&EncryptionKey::generate(&SameByte(1))));
static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    Forms::new(Arc::new(StandingClock), Arc::new(SameByte(7)), &EncryptionKey::generate(&SameByte(1)))
});

/// No text is a token that nobody has signed; what is refused is spelt like one, and what is malformed is not.
pub fn token(data: &[u8]) {
    assert!(SIGNER.is_some(), "there is no key");
    let (Ok(text), Some(signer)) = (str::from_utf8(data), &*SIGNER) else { return };
    let opaque = text.strip_prefix("ory_st_").unwrap_or(text);
    let is_opaque = opaque.len() == 32 && opaque.chars().all(|character| character.is_ascii_alphanumeric());
    match signer.session_key(text, NOW) {
        Ok(SessionKey::Opaque(digest)) => {
            assert!(is_opaque, "{text:?}");
            assert_eq!(digest, TokenDigest(Sha256::digest(opaque).into()), "{text:?}");
        }
        Ok(key) => assert!(matches!(key, SessionKey::Opaque(_)), "{text:?} leads to {key:?}"),
        Err(TokenError::Malformed) => assert!(!is_opaque, "{text:?}"),
        Err(TokenError::Refused | TokenError::UnknownKey) => assert!(is_spelt(text), "{text:?}"),
        Err(error @ TokenError::UnreadableKey) => assert_ne!(error, TokenError::UnreadableKey, "{text:?}"),
    }
    if !is_opaque && !is_spelt(text) {
        assert_eq!(signer.session_key_at_any_time(text), Err(TokenError::Malformed), "{text:?}");
    }
    assert!(signer.challenge(text, Purpose::Challenge, NOW).is_err(), "{text:?}");
    assert!(PASSKEYS.read(text, &ChallengePurpose::Login, NOW).is_err(), "{text:?}");
    if secret::has_form(text) {
        assert!(secret::is_marked(text) && text.len() == 47, "{text:?}");
    }
}

/// Whether a text is three parts in base64 for URLs, each in its one spelling.
fn is_spelt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    text.len() <= 2_048 && parts.len() == 3 && parts.iter().all(|part| is_base64url(part.as_bytes()))
}

fn is_base64url(part: &[u8]) -> bool {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let Some(values) = part.iter().map(value).collect::<Option<Vec<u8>>>() else { return false };
    // What is left over of the last character holds nothing.
    match (values.len() % 4, values.last()) {
        (0, _) => true,
        (2, Some(last)) => last & 0x0F == 0,
        (3, Some(last)) => last & 0x03 == 0,
        _ => false,
    }
}

/// Of what our own key signs, that alone is a session's token which says so in every claim. The input is a header and
/// claims, with a line end between them.
pub fn claims(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims), Some(signer)) = (parts.next(), parts.next(), &*SIGNER) else { return };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let Some(signature) = signer.signature_of(&message) else { return };
    let found = signer.session_key(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)), NOW);
    let (Ok(header), Ok(claims)) = (serde_json::from_slice::<Value>(header), serde_json::from_slice::<Value>(claims))
    else {
        return;
    };
    let second = NOW.unix_seconds();
    let whole = |name: &str| claims[name].as_i64();
    let is_good = header["alg"] == "ES256"
        && header["typ"] == "JWT"
        && header["crit"].is_null()
        && claims["iss"] == "thunderhead"
        && claims["purpose"] == "session"
        && whole("iat").is_some_and(|iat| iat <= second)
        && whole("exp").is_some_and(|exp| exp > second)
        && claims.get("nbf").is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= second));
    match found {
        Ok(SessionKey::Uuid(uuid, user)) => {
            assert!(is_good, "{header} {claims}");
            assert_eq!(claims["sub"], user.to_string());
            let jti = claims["jti"].as_str().unwrap_or_default().replace(['-', '{', '}'], "").to_ascii_lowercase();
            assert!(jti.ends_with(&uuid.0.simple().to_string()), "{jti}");
        }
        Ok(key) => assert!(matches!(key, SessionKey::Uuid(..)), "{header} {claims} leads to {key:?}"),
        Err(_) => {}
    }
}

/// A cursor, an id, a list of types or a form that is read is written as it was.
pub fn cursor(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(cursor) = text.parse::<EventCursor>() {
        assert_eq!(cursor.to_string(), text);
        assert!(cursor.number >= 0, "{text:?}");
    }
    if let Ok(cursor) = text.parse::<SessionCursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(id) = text.parse::<SessionId>() {
        assert!(id.to_string() == text && id.number() > 0, "{text:?}");
    }
    if let Ok(id) = text.parse::<UserId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<FactorId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(types) = text.parse::<EventTypes>() {
        assert_eq!(types.to_string().parse(), Ok(types), "{text:?}");
        assert!(types.kinds().next().is_some(), "{text:?}");
    }
    if let Some(form) = FORMS.find(text) {
        assert_eq!(form.text(), text);
    }
}
