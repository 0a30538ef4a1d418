//! Tokens under attack: every way to spell, forge or misuse one that the hazards name.

mod refreshing;

use std::sync::atomic::AtomicU8;

use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use proptest::prelude::*;
use serde_json::{Value, json};
use thunderhead_testkit::sample;

use super::*;
use crate::testing::SameByte;
use crate::tokens::keys::next_key;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn signing_key(kid: &str) -> SigningKey {
    let jwk = EcKeyPair::generate(EcCurve::P256).unwrap().to_jwk_key_pair();
    SigningKey { kid: kid.to_owned(), jwk, signs_from: NOW }
}

fn signer() -> TokenSigner {
    with_keys(vec![signing_key("new"), signing_key("old")])
}

fn with_keys(keys: Vec<SigningKey>) -> TokenSigner {
    let encryption_keys = EncryptionKeys::parse(&"00".repeat(32)).unwrap();
    let keys = keys.iter().map(|key| Arc::new(Key::new(key).unwrap())).collect();
    TokenSigner::new("thunderhead".to_owned(), encryption_keys, Arc::new(KnownKeys { keys, ..KnownKeys::EMPTY }))
}

fn session() -> Session {
    sample::session(UserId::from_number(1_600_000_000_000), NOW)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims() -> Value {
    json!({ "iss": "thunderhead", "sub": "1600000000000", "iat": NOW.unix_seconds(),
        "exp": NOW.unix_seconds() + 60, "jti": Uuid::from_u128(7), "purpose": "session" })
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "JWT", "kid": "new" })
}

fn signed(signer: &TokenSigner, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.ring().keys[0].signer.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

#[test]
fn session_tokens_say_whom_they_are_for_and_lead_to_their_row_whoever_that_is() {
    let claims = |token: &PlainToken| -> Value {
        let payload = token.expose().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let without = signer();
    let audience = vec!["uploads".to_owned(), "mail".to_owned()].try_into().unwrap();
    let with = TokenSigner::new("thunderhead".to_owned(), without.encryption_keys.clone(), without.ring());
    let with = with.for_audience(audience);
    let plain = without.session_token(&session(), NOW).unwrap();
    let told = with.session_token(&session(), NOW).unwrap();
    assert_eq!(claims(&plain).get("aud"), None);
    assert_eq!(claims(&told)["aud"], json!(["uploads", "mail"]));
    for token in [&plain, &told] {
        for signer in [&without, &with] {
            assert_eq!(
                signer.session_key(token.expose(), NOW).unwrap(),
                SessionKey::Uuid(session().uuid, session().user)
            );
        }
    }
    for aud in [json!(7), json!(null), json!("other"), json!([]), json!({"a": 1})] {
        let token = signed(&with, &header(), &self::with(self::claims(), "aud", aud));
        assert!(with.session_key(&token, NOW).is_ok(), "{token}");
    }
}

#[test]
fn a_session_token_leads_to_its_row_and_carries_whole_dates() {
    let signer = signer();
    let token = signer.session_token(&session(), NOW).unwrap();
    let key = SessionKey::Uuid(session().uuid, session().user);
    assert_eq!(signer.session_key(token.expose(), NOW), Ok(key));
    let payload = token.expose().split('.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(payload, claims());
    assert!(!format!("{token:?}").contains(token.expose()));
}

#[test]
fn a_key_signs_once_its_time_has_come_and_the_older_one_goes_on_verifying() {
    let (mut new, old) = (signing_key("new"), signing_key("old"));
    new.signs_from = NOW.plus_seconds(60);
    let signer = with_keys(vec![new, old]);
    let kid_at = |seconds| {
        let token = signer.session_token(&session(), NOW.plus_seconds(seconds)).unwrap();
        assert!(signer.session_key(token.expose(), NOW).is_ok());
        let header = URL_SAFE_NO_PAD.decode(token.expose().split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(kid_at(0), "old");
    assert_eq!(kid_at(59), "old");
    assert_eq!(kid_at(60), "new");
}

#[test]
fn unknown_keys_are_asked_for_at_most_once_a_second() {
    let signer = signer();
    assert!(signer.may_ask(NOW));
    assert!(!signer.may_ask(NOW));
    assert!(!signer.may_ask(NOW.plus_millis(999)));
    assert!(signer.may_ask(NOW.plus_millis(1_000)));
    assert!(signer.may_ask(NOW), "a clock that was set back shuts nobody out");
}

#[test]
fn a_token_is_valid_from_its_second_until_the_second_it_expires_in() {
    let signer = signer();
    let token = signer.session_token(&session(), NOW).unwrap();
    let at = |seconds| signer.session_key(token.expose(), NOW.plus_seconds(seconds));
    assert_eq!(at(-1), Err(TokenError::Refused));
    assert!(at(0).is_ok());
    assert!(at(59).is_ok());
    assert_eq!(at(60), Err(TokenError::Refused));
}

#[test]
fn whose_a_token_was_is_told_when_its_time_is_over_and_of_no_text_that_was_none() {
    let signer = signer();
    let token = signer.session_token(&session(), NOW).unwrap();
    let key = signer.session_key(token.expose(), NOW);
    assert_eq!(signer.session_key(token.expose(), NOW.plus_seconds(1_000_000)), Err(TokenError::Refused));
    assert_eq!(signer.session_key_at_any_time(token.expose()), key);
    let opaque = "x7".repeat(16);
    assert_eq!(signer.session_key_at_any_time(&opaque), signer.session_key(&opaque, NOW));
    let others = with_keys(vec![signing_key("new")]);
    let forged = others.session_token(&session(), NOW).unwrap();
    assert_eq!(signer.session_key_at_any_time(forged.expose()), Err(TokenError::Refused));
    let challenge = signed(&signer, &header(), &with(claims(), "purpose", json!(Purpose::Challenge)));
    assert_eq!(signer.session_key_at_any_time(&challenge), Err(TokenError::Refused));
    assert_eq!(signer.session_key_at_any_time("x"), Err(TokenError::Malformed));
}

#[test]
fn a_token_that_says_from_when_it_is_good_is_not_good_before() {
    let signer = signer();
    let from = |nbf: Value| signer.session_key(&signed(&signer, &header(), &with(claims(), "nbf", nbf)), NOW).is_ok();
    let now = NOW.unix_seconds();
    assert!(from(json!(now)) && from(json!(now - 1)) && from(json!(i64::MIN)));
    for mistyped in [json!(now.to_string()), json!(null), json!(now as f64), json!([now]), json!(true), json!({})] {
        assert!(!from(mistyped.clone()), "{mistyped}");
    }
    for later in [now + 1, i64::MAX] {
        assert!(!from(json!(later)), "{later}");
    }
}

#[test]
fn a_key_that_cannot_be_read_stops_no_other_and_its_tokens_are_neither_good_nor_bad() {
    let [ours, foreign] = ["01", "02"].map(|digits| EncryptionKeys::parse(&digits.repeat(32)).unwrap());
    let record = |kid: &str, keys: &EncryptionKeys, from: i64| {
        let signs_from = NOW.plus_seconds(from);
        let SigningKeyRecord { kid: made, sealed, .. } = next_key(keys, NOW, &SameByte(kid.as_bytes()[0])).unwrap();
        SigningKeyRecord { kid: made, sealed, created_at: NOW, signs_from }
    };
    let (newest, older) = (record("b", &foreign, -1), record("a", &ours, -2));
    let ring = KnownKeys::read(vec![newest.clone(), older.clone()], vec![], &ours, &KnownKeys::EMPTY).unwrap();
    let signer = TokenSigner::new("thunderhead".to_owned(), ours.clone(), ring);
    let token = signer.session_token(&session(), NOW).unwrap();
    assert!(signer.session_key(token.expose(), NOW).is_ok(), "the newest that can be read signs");
    let theirs = signed(&signer, &with(header(), "kid", json!(newest.kid)), &claims());
    assert_eq!(signer.session_key(&theirs, NOW), Err(TokenError::UnreadableKey));
    // What was read once is not lost where the row cannot be read any more, and nothing is gained by nothing.
    let resealed = SigningKeyRecord { sealed: newest.sealed.clone(), ..older };
    let again = KnownKeys::read(vec![resealed], vec![], &ours, &signer.ring()).unwrap();
    assert!(again.kids().eq(signer.ring().kids()));
    assert!(matches!(
        KnownKeys::read(vec![newest], vec![], &ours, &KnownKeys::EMPTY),
        Err(SigningKeyError::Sealed { .. })
    ));
}

#[test]
fn keys_that_were_read_earlier_do_not_replace_those_that_were_read_later() {
    let keys = EncryptionKeys::parse(&"01".repeat(32)).unwrap();
    let records = [1, 2].map(|byte| next_key(&keys, NOW, &SameByte(byte)).unwrap());
    let ring = KnownKeys::read(records.to_vec(), vec![], &keys, &KnownKeys::EMPTY).unwrap();
    let signer = TokenSigner::new("thunderhead".to_owned(), keys, ring);
    let (read, answer) = tokio::sync::oneshot::channel();
    let mut early = std::pin::pin!(signer.refresh_by(async { Ok((answer.await.unwrap(), vec![])) }));
    let mut poll = || early.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(poll().is_pending());
    let late = std::pin::pin!(signer.refresh_by(async { Ok((vec![records[0].clone()], vec![])) }));
    assert!(late.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
    read.send(records.to_vec()).unwrap();
    assert!(poll().is_ready());
    assert!(signer.ring().kids().eq([records[0].kid.as_str()]), "the other one was removed meanwhile");
    assert_eq!(signer.generation(), 1);
}

#[test]
fn only_es256_with_a_published_key_and_plain_headers_is_accepted() {
    let signer = signer();
    assert!(signer.session_key(&signed(&signer, &header(), &claims()), NOW).is_ok());
    let bad = [
        with(header(), "alg", json!("none")),
        with(header(), "alg", json!("HS256")),
        with(header(), "alg", json!("ES384")),
        with(header(), "alg", json!("es256")),
        with(header(), "typ", json!("at+jwt")),
        with(header(), "kid", json!("old")),
        with(header(), "crit", json!(["exp"])),
        with(header(), "crit", json!([])),
    ];
    for header in bad {
        assert_eq!(signer.session_key(&signed(&signer, &header, &claims()), NOW), Err(TokenError::Refused), "{header}");
    }
    let unknown = with(header(), "kid", json!("unknown"));
    assert_eq!(signer.session_key(&signed(&signer, &unknown, &claims()), NOW), Err(TokenError::UnknownKey));
    let malformed = [json!([]), json!({}), json!({ "alg": "ES256" }), with(header(), "kid", json!(1))];
    for header in malformed {
        assert_eq!(
            signer.session_key(&signed(&signer, &header, &claims()), NOW),
            Err(TokenError::Malformed),
            "{header}"
        );
    }
}

#[test]
fn keys_that_a_header_brings_along_are_not_used() {
    let ours = signer();
    let theirs = with_keys(vec![signing_key("new")]);
    let header = with(header(), "jwk", theirs.ring().keys[0].public.clone());
    let header = with(header, "jku", json!("https://attacker.example/jwks.json"));
    assert_eq!(ours.session_key(&signed(&theirs, &header, &claims()), NOW), Err(TokenError::Refused));
    assert!(ours.session_key(&signed(&ours, &header, &claims()), NOW).is_ok());
}

#[test]
fn claims_that_are_missing_or_of_another_type_are_refused() {
    let signer = signer();
    for name in ["iss", "sub", "iat", "exp", "jti", "purpose"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        let mut cases = vec![without];
        for value in [json!(null), json!(true), json!("x"), json!(1.5), json!([]), json!({})] {
            cases.push(with(claims(), name, value));
        }
        for case in cases {
            assert_eq!(
                signer.session_key(&signed(&signer, &header(), &case), NOW),
                Err(TokenError::Refused),
                "{name}: {case}"
            );
        }
    }
    let text_date = with(claims(), "exp", json!((NOW.unix_seconds() + 60).to_string()));
    assert_eq!(signer.session_key(&signed(&signer, &header(), &text_date), NOW), Err(TokenError::Refused));
}

#[test]
fn a_token_of_one_purpose_is_refused_where_another_is_expected() {
    let signer = signer();
    let purposes = [Purpose::Session, Purpose::Challenge, Purpose::Enrolment];
    let of = |purpose| signed(&signer, &header(), &with(claims(), "purpose", json!(purpose)));
    for purpose in purposes {
        let session = signer.session_key(&of(purpose), NOW);
        assert_eq!(session.is_ok(), purpose == Purpose::Session, "{purpose:?}: {session:?}");
        for expected in [Purpose::Challenge, Purpose::Enrolment] {
            let challenge = signer.challenge(&of(purpose), expected, NOW);
            let right = purpose == expected;
            assert_eq!(challenge.is_ok(), right, "{purpose:?} for {expected:?}: {challenge:?}");
            assert_eq!(challenge.err(), (!right).then_some(TokenError::Refused));
        }
    }
    assert_eq!(signer.challenge("x", Purpose::Challenge, NOW), Err(TokenError::Malformed));
    assert_eq!(signer.challenge(&"A".repeat(32), Purpose::Challenge, NOW), Err(TokenError::Malformed));
}

#[test]
fn signatures_that_are_zero_short_long_or_of_another_message_are_refused() {
    let signer = signer();
    let token = signed(&signer, &header(), &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let other = signed(&signer, &header(), &with(claims(), "sub", json!("1600000000001")));
    let other = other.rsplit_once('.').unwrap().1;
    let mut half_zero = signature.clone();
    half_zero[..32].fill(0);
    for bad in [vec![], vec![0; 64], half_zero, vec![0xff; 64], signature[..63].to_vec(), [signature, vec![0]].concat()]
    {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bad));
        assert_eq!(signer.session_key(&token, NOW), Err(TokenError::Refused));
    }
    assert_eq!(signer.session_key(&format!("{message}.{other}"), NOW), Err(TokenError::Refused));
}

#[test]
fn there_is_one_spelling_of_a_token() {
    let signer = signer();
    let token = signed(&signer, &header(), &claims());
    // 64 bytes leave four unused bits in the last character; they must be zero.
    let last = token.chars().last().unwrap();
    let twin = char::from_u32(u32::from(last) + 1).unwrap();
    let head = &token[..token.len() - 1];
    for loose in [
        format!("{head}{twin}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace('.', ".."),
        token.replace('.', ""),
    ] {
        assert!(signer.session_key(&loose, NOW).is_err(), "{loose:?}");
    }
}

#[test]
fn an_opaque_token_is_known_by_its_digest() {
    let signer = signer();
    let text = "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj";
    let SessionKey::Opaque(digest) = signer.session_key(text, NOW).unwrap() else { panic!("an opaque token") };
    assert_eq!(digest.0[..], Sha256::digest(text)[..]);
    for bad in [&text[1..], "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPa-", "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj1"] {
        assert_eq!(signer.session_key(bad, NOW), Err(TokenError::Malformed), "{bad}");
    }
    let of_kratos = format!("ory_st_{text}");
    assert_eq!(signer.session_key(&of_kratos, NOW), Ok(SessionKey::Opaque(digest)));
    assert_eq!(signer.session_key(&format!("ory_st_{of_kratos}"), NOW), Err(TokenError::Malformed));
}

/// One byte after the other.
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

#[test]
fn an_opaque_token_is_made_of_all_random_bytes_but_those_beyond_the_alphabet() {
    let made = |first| PlainToken::opaque(&Counting(AtomicU8::new(first)));
    assert_eq!(made(0).expose(), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef");
    // 62 and 63 stand for nothing, so two more bytes are asked for; of each the upper two bits do not count.
    for first in [40, 104, 168, 232] {
        assert_eq!(made(first).expose(), "opqrstuvwxyz0123456789ABCDEFGHIJ", "{first}");
    }
    let token = made(0);
    assert!(is_opaque(token.expose()));
    assert_eq!(token.digest(), digest(token.expose()));
}

#[test]
fn a_token_has_two_dots_and_2048_bytes_at_most() {
    let longest = format!("{}.{}.", "a".repeat(1_000), "b".repeat(1_046));
    assert_eq!(longest.len(), LONGEST);
    assert_eq!(split(&longest), Ok((&longest[..LONGEST - 1], "")));
    assert_eq!(split("a.b.c"), Ok(("a.b", "c")));
    let too_long = format!("a{longest}");
    for text in ["", "a", "a.b", "a.b.c.d", "...", too_long.as_str()] {
        assert_eq!(split(text), Err(TokenError::Malformed), "{text:.10}");
    }
}

#[test]
fn a_signature_has_64_bytes_and_neither_half_of_it_is_zero() {
    let halves = |r: u8, s: u8| [[0; 31], [0; 31]].concat().into_iter().chain([r, s]).collect::<Vec<_>>();
    let with = |place: usize| {
        let mut signature = halves(0, 0);
        signature[place] = 1;
        signature
    };
    let (mut both, zero) = (with(0), halves(0, 0));
    both[32] = 1;
    assert!(is_plausible(&both) && is_plausible(&[7; 64]));
    for other in [zero, with(0), with(31), with(32), with(63), vec![], vec![7; 31], vec![7; 63], vec![7; 65]] {
        assert!(!is_plausible(&other), "{other:?}");
    }
}

#[test]
fn published_keys_are_public() {
    let published = signer().published_keys();
    let keys = published["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(!names.contains(&"d"), "{names:?}");
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
            (&json!("EC"), &json!("P-256"), &json!("sig"), &json!("ES256"))
        );
    }
    assert_eq!(keys[0]["kid"], "new");
}

#[test]
fn a_megabyte_of_anything_is_refused_at_once() {
    let signer = signer();
    for text in [".".repeat(1 << 20), "A".repeat(1 << 20), format!("{}..", "A".repeat(1 << 20))] {
        assert_eq!(signer.session_key(&text, NOW), Err(TokenError::Malformed));
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let _ = SIGNER.session_key(&text, NOW);
    }

    #[test]
    fn no_tampered_byte_is_accepted(position in 0_usize..300, byte in any::<u8>()) {
        let mut bytes = TOKEN.clone().into_bytes();
        let position = position % bytes.len();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(SIGNER.session_key(&text, NOW).is_err());
        }
    }
}

static SIGNER: std::sync::LazyLock<TokenSigner> = std::sync::LazyLock::new(signer);
static TOKEN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| signed(&SIGNER, &header(), &claims()));
