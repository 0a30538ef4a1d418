//! Who is let in, who is not, and what Thunderhead is asked meanwhile.

use josekit::jws::{ES256, HS256};
use josekit::jwt;
use serde_json::json;
use thunderhead_domain::scope::Scope;

use super::*;
use crate::guard::Denied;
use crate::keys::{ASK_INTERVAL, MAX_AGE};

/// The status that it comes to.
fn status(guard: &Guard, token: &str) -> u16 {
    match guard.authorise(token, Scope::UploadFile) {
        Ok(grant) => {
            assert_eq!(grant.user().to_string(), USER);
            201
        }
        Err(Denied::NoSession) => 401,
        Err(Denied::Scope) => 403,
        Err(Denied::Away(_)) => 503,
    }
}

#[test]
fn scopes_decide_and_unknown_ones_give_nothing() {
    let (world, guard) = World::new();
    for (scope, expected) in [
        ("FULL", 201),
        ("ALL", 201),
        ("UPLOAD_FILE", 201),
        ("FILE_READ UPLOAD_FILE BRAND_NEW", 201),
        ("FILE_READ FILE_MODIFY", 403),
        ("BRAND_NEW", 403),
        ("upload_file", 403),
        ("FULL FILE_READ", 403),
        ("", 403),
    ] {
        world.fake.grant(scope);
        assert_eq!(status(&guard, &world.token()), expected, "{scope:?}");
    }
}

#[test]
fn a_good_signature_does_not_help_a_session_that_has_ended() {
    let (world, guard) = World::new();
    assert_eq!(status(&guard, &world.token()), 201);
    world.fake.say(Says::Inactive);
    assert_eq!(status(&guard, &world.token()), 401);
}

#[test]
fn what_is_no_good_session_token_is_refused_without_asking_about_it() {
    let (world, guard) = World::new();
    let sign = |claims: Value| sign(&world.key, "first", &claims);
    let signer = ES256.signer_from_jwk(&world.key).unwrap();
    let public = world.key.to_public_key().unwrap().to_string();
    let mut critical = header("first");
    critical.set_critical(&vec!["b64"]);
    let (typeless, token) = (JwsHeader::new(), world.token());
    let mut bad = vec![
        sign(but("purpose", json!("challenge"))),
        sign(but("purpose", json!(null))),
        sign(but("iss", json!("https://elsewhere.example"))),
        sign(but("iss", json!(null))),
        sign(but("exp", json!(NOW))),
        sign(but("exp", json!(null))),
        sign(but("exp", json!("tomorrow"))),
        sign(but("iat", json!(NOW + 60))),
        sign(but("jti", json!(null))),
        super::sign(&key("first"), "first", &claims()),
        serialize(&claims(), &critical, &signer),
        serialize(&claims(), &typeless, &signer),
        serialize(&claims(), &header("first"), &HS256.signer_from_bytes(public.as_bytes()).unwrap()),
        jwt::encode_unsecured(
            &jwt::JwtPayload::from_map(claims().as_object().unwrap().clone()).unwrap(),
            &header("first"),
        )
        .unwrap(),
        format!("{token}="),
        format!("{token}.{token}"),
        format!("{}{}", &token[..token.len() - 4], "AAAA"),
        format!("{}.{}", &token[..token.rfind('.').unwrap()], "A".repeat(86)),
        ".".repeat(1 << 20),
        "k".repeat(32),
        String::new(),
    ];
    for text in bad.drain(..) {
        assert_eq!(status(&guard, &text), 401, "{}", &text[..text.len().min(200)]);
    }
    assert_eq!(world.introspected(), 0);
    assert_eq!(status(&guard, &token), 201);
}

#[test]
fn an_outage_is_never_taken_for_a_refusal() {
    let (world, guard) = World::new();
    world.fake.publish(None);
    assert_eq!(status(&guard, &world.token()), 503);
    // Nor is it while nobody asks again.
    assert_eq!(status(&guard, &world.token()), 503);
    assert_eq!(world.keys_asked(), 1);
    world.fake.publish(Some(&[&world.key]));
    world.clock.advance(ASK_INTERVAL);
    world.fake.say(Says::Nothing);
    assert_eq!(status(&guard, &world.token()), 503);
    world.fake.grant("UPLOAD_FILE");
    assert_eq!(status(&guard, &world.token()), 201);
}

#[test]
fn an_answer_about_another_session_lets_nobody_in() {
    let (world, guard) = World::new();
    for (sub, jti) in [("1700000000124", SESSION), (USER, "another")] {
        world.fake.say(Says::Live(Live { sub: sub.to_owned(), jti: jti.to_owned(), scope: "FULL".to_owned() }));
        assert_eq!(status(&guard, &world.token()), 503);
    }
}

#[test]
fn made_up_key_names_have_the_keys_fetched_once_a_second_and_hinder_nobody() {
    let (world, guard) = World::new();
    assert_eq!(status(&guard, &world.token()), 201);
    for number in 0..50 {
        assert_eq!(status(&guard, &sign(&world.key, &format!("made up {number}"), &claims())), 401);
        assert_eq!(status(&guard, &world.token()), 201);
    }
    assert_eq!(world.keys_asked(), 1);
    world.clock.advance(ASK_INTERVAL);
    assert_eq!(status(&guard, &sign(&world.key, "made up", &claims())), 401);
    assert_eq!(world.keys_asked(), 2);
}

#[test]
fn a_new_key_is_learnt_when_it_is_named_and_a_withdrawn_one_is_forgotten() {
    let (world, guard) = World::new();
    assert_eq!(status(&guard, &world.token()), 201);
    let second = key("second");
    world.fake.publish(Some(&[&second]));
    let token = sign(&second, "second", &claims());
    world.clock.advance(ASK_INTERVAL);
    assert_eq!(status(&guard, &token), 201);
    assert_eq!(status(&guard, &world.token()), 401);
    // Also where nobody names another one.
    world.fake.publish(Some(&[]));
    world.clock.advance(MAX_AGE);
    assert_eq!(status(&guard, &token), 401);
}
