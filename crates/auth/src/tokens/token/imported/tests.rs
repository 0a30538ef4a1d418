//! Tokens of another program under attack.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jws::JwsSigner;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::tokens::keys::SigningKey;
use crate::tokens::token::{EncryptionKeys, Key, KnownKeys, TokenSigner};
use thunderhead_domain::session::SessionKey;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
const IAT: i64 = 1_699_999_000;
const EXP: i64 = 1_700_000_060;

struct Scene {
    signer: TokenSigner,
    foreign: Jwk,
    own: Jwk,
}

fn pair() -> Jwk {
    EcKeyPair::generate(EcCurve::P256).unwrap().to_jwk_key_pair()
}

fn record(jwk: &Jwk, number: u128, issuer: Option<&str>) -> VerificationKey {
    let jwk = jwk.to_public_key().unwrap().to_string();
    let id = VerificationKeyId(Uuid::from_u128(number));
    VerificationKey { id, jwk, issuer: issuer.map(str::to_owned), created_at: NOW }
}

/// A server that has a key of its own, and those of another program: of tokens with an `iss`, and without.
fn scene() -> Scene {
    let (foreign, own) = (pair(), pair());
    let signing = SigningKey { kid: "own".to_owned(), jwk: own.clone(), signs_from: NOW };
    let ring = KnownKeys {
        keys: vec![Arc::new(Key::new(&signing).unwrap())],
        verify_only: read(&[record(&foreign, 1, Some("localhost")), record(&foreign, 2, None)]),
        ..KnownKeys::EMPTY
    };
    let encryption_keys = EncryptionKeys::parse(&"00".repeat(32)).unwrap();
    Scene { signer: TokenSigner::new("thunderhead".to_owned(), encryption_keys, Arc::new(ring)), foreign, own }
}

fn token(jwk: &Jwk, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = ES256.signer_from_jwk(jwk).unwrap().sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

const PLAIN: &str = r#"{"alg":"ES256","typ":"JWT"}"#;

fn claims() -> Value {
    json!({ "iss": "localhost", "sub": "1600000000000", "iat": IAT, "exp": EXP })
}

fn with(key: &str, value: Value) -> String {
    let mut claims = claims();
    claims[key] = value;
    claims.to_string()
}

fn without(key: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims.to_string()
}

fn found(key: u128) -> Result<SessionKey, TokenError> {
    Ok(SessionKey::Imported(ImportedToken {
        key: VerificationKeyId(Uuid::from_u128(key)),
        user: UserId::from_number(1_600_000_000_000),
        id: SessionId::from_number(IAT),
        expires_at: Timestamp::from_unix_seconds(EXP),
    }))
}

#[test]
fn a_token_of_exactly_the_old_form_points_to_the_session_of_its_key() {
    let Scene { signer, foreign, .. } = scene();
    assert_eq!(signer.session_key(&token(&foreign, PLAIN, &claims().to_string()), NOW), found(1));
    assert_eq!(signer.session_key(&token(&foreign, PLAIN, &without("iss")), NOW), found(2));
    let in_time =
        |seconds| signer.session_key(&token(&foreign, PLAIN, &claims().to_string()), NOW.plus_seconds(seconds));
    assert!(in_time(59).is_ok());
    assert_eq!(in_time(60), Err(TokenError::Refused));
    assert_eq!(in_time(-1_001), Err(TokenError::Refused));
    let late = signer.session_key_at_any_time(&token(&foreign, PLAIN, &claims().to_string()));
    assert_eq!(late, found(1));
}

#[test]
fn every_other_form_of_it_is_refused() {
    let Scene { signer, foreign, own } = scene();
    let good = claims().to_string();
    let refused = [
        ("our own key", token(&own, PLAIN, &good)),
        ("a stranger's key", token(&pair(), PLAIN, &good)),
        ("a kid", token(&foreign, r#"{"alg":"ES256","typ":"JWT","kid":"own"}"#, &good)),
        ("an unknown kid", token(&foreign, r#"{"alg":"ES256","typ":"JWT","kid":"x"}"#, &good)),
        ("another order", token(&foreign, r#"{"typ":"JWT","alg":"ES256"}"#, &good)),
        ("no typ", token(&foreign, r#"{"alg":"ES256"}"#, &good)),
        ("a space", token(&foreign, r#"{"alg":"ES256", "typ":"JWT"}"#, &good)),
        ("none", token(&foreign, r#"{"alg":"none","typ":"JWT"}"#, &good)),
        ("HS256", token(&foreign, r#"{"alg":"HS256","typ":"JWT"}"#, &good)),
        ("a crit", token(&foreign, r#"{"alg":"ES256","typ":"JWT","crit":["b64"]}"#, &good)),
        ("a jti", token(&foreign, PLAIN, &with("jti", json!(Uuid::from_u128(7))))),
        ("a purpose", token(&foreign, PLAIN, &with("purpose", json!("session")))),
        ("a challenge", token(&foreign, PLAIN, &with("challenge", json!("abc")))),
        ("a secret", token(&foreign, PLAIN, &with("secret", json!("abc")))),
        ("nbf", token(&foreign, PLAIN, &with("nbf", json!(0)))),
        ("aud", token(&foreign, PLAIN, &with("aud", json!("localhost")))),
        ("another issuer", token(&foreign, PLAIN, &with("iss", json!("elsewhere")))),
        ("an empty issuer", token(&foreign, PLAIN, &with("iss", json!("")))),
        ("no text as issuer", token(&foreign, PLAIN, &with("iss", Value::Null))),
        ("no sub", token(&foreign, PLAIN, &without("sub"))),
        ("an address as sub", token(&foreign, PLAIN, &with("sub", json!("annie@example.org")))),
        ("a number as sub", token(&foreign, PLAIN, &with("sub", json!(1_600_000_000_000_i64)))),
        ("no iat", token(&foreign, PLAIN, &without("iat"))),
        ("no exp", token(&foreign, PLAIN, &without("exp"))),
        ("a fraction", token(&foreign, PLAIN, &with("exp", json!(1_700_000_060.5)))),
        ("a text as exp", token(&foreign, PLAIN, &with("exp", json!("1700000060")))),
        ("an endless exp", token(&foreign, PLAIN, &with("exp", json!(i64::MAX)))),
        ("a claim twice", token(&foreign, PLAIN, &format!("{},\"exp\":{}}}", &good[..good.len() - 1], EXP + 1))),
        ("no object", token(&foreign, PLAIN, "[]")),
    ];
    for (what, token) in refused {
        assert!(signer.session_key(&token, NOW).is_err(), "{what}");
        assert!(signer.session_key_at_any_time(&token).is_err(), "{what}");
    }
}

#[test]
fn a_signature_that_is_none_is_refused() {
    let Scene { signer, foreign, .. } = scene();
    let good = token(&foreign, PLAIN, &claims().to_string());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    for signature in ["", "AAAA", &zeros, &signature[1..], &format!("{signature}AA"), &format!("{signature}=")] {
        assert!(signer.session_key(&format!("{message}.{signature}"), NOW).is_err(), "{signature}");
    }
}

#[test]
fn no_challenge_and_no_published_key_comes_of_it() {
    use crate::tokens::token::Purpose;
    let Scene { signer, foreign, .. } = scene();
    let good = token(&foreign, PLAIN, &claims().to_string());
    for purpose in [Purpose::Challenge, Purpose::Enrolment] {
        assert!(signer.challenge(&good, purpose, NOW).is_err());
    }
    assert_eq!(signer.published_keys()["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn where_no_key_came_the_token_may_be_one_of_a_key_that_is_not_known_yet() {
    let Scene { signer, foreign, .. } = scene();
    let ring = signer.ring();
    let keys = ring.keys.clone();
    let signer = TokenSigner::new(
        "thunderhead".to_owned(),
        EncryptionKeys::parse(&"00".repeat(32)).unwrap(),
        Arc::new(KnownKeys { keys, ..KnownKeys::EMPTY }),
    );
    let good = token(&foreign, PLAIN, &claims().to_string());
    assert_eq!(signer.session_key(&good, NOW), Err(TokenError::UnknownKey));
}
