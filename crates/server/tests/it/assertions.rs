//! Answers of security keys that are no good: refused, counted, and without a trace in what is stored (`docs/MODEL.md`,
//! *Identity reverification*).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use thunderhead_domain::factor::{Factor, FactorKeys};
use thunderhead_testkit::authenticator::{Authenticator, Forgery};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Enrolled, ORIGIN, TestApp, assertion, passkey};
use crate::errors::{RATE_LIMITED, REFUSED_SECOND_FACTOR};

on_both_engines!(
    lies_and_garbage_open_nothing_and_leave_no_trace,
    lies_and_garbage_prove_nothing_again_and_leave_no_trace,
    lies_and_garbage_of_a_passkey_open_nothing_and_leave_no_trace,
    every_bad_assertion_counts_against_the_account,
    a_counter_that_does_not_move_forward_is_refused,
    an_assertion_from_before_a_later_one_is_refused,
    anothers_key_is_refused,
    a_key_that_was_removed_meanwhile_is_refused,
);

/// What base64url stands for.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// All that is stored of a user's one factor.
fn stored(app: &TestApp, user: &Client, id: &str) -> (FactorKeys, Factor) {
    let keys = block_on(app.storage().factor_keys(user.user_id())).unwrap();
    let factor = block_on(app.storage().factor_find(user.user_id(), id.parse().unwrap())).unwrap().unwrap();
    (keys, factor)
}

/// Lies that no server may believe.
fn lies() -> Vec<(&'static str, Forgery)> {
    let lie = Forgery::default;
    vec![
        ("another relying party", Forgery { rp_id: Some("example".to_owned()), ..lie() }),
        ("another challenge", Forgery { challenge: Some(vec![7; 32]), ..lie() }),
        ("no challenge", Forgery { challenge: Some(vec![]), ..lie() }),
        ("a registration", Forgery { client_type: Some("webauthn.create".to_owned()), ..lie() }),
        ("a payment", Forgery { client_type: Some("payment.get".to_owned()), ..lie() }),
        ("nobody present", Forgery { flags: Some(0), ..lie() }),
        ("a user verified and not present", Forgery { flags: Some(0x04), ..lie() }),
        ("a frame of another site", Forgery { cross_origin: true, ..lie() }),
        ("a bad signature", Forgery { bad_signature: true, ..lie() }),
        ("an unknown credential", Forgery { credential_id: Some(vec![7; 32]), ..lie() }),
    ]
}

const FOREIGN: [&str; 7] = [
    "https://badauth.example",
    "https://auth.example.evil.org",
    "https://sub.auth.example",
    "https://auth.example:8443",
    "http://auth.example",
    "null",
    "",
];

/// What is no answer, made from one that is good.
fn mutilated(good: &Value) -> Vec<(&'static str, Value)> {
    let set = |path: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        bad
    };
    let text = |path: &str| good.pointer(path).unwrap().as_str().unwrap().to_owned();
    let cut = |path: &str| set(path, json!(text(path)[..8]));
    vec![
        ("nothing", json!({})),
        ("another type", set("/type", json!("password"))),
        ("a credential of another form", set("/rawId", json!("%"))),
        ("no response", set("/response", json!({}))),
        ("a cut signature", cut("/response/signature")),
        ("no signature", set("/response/signature", json!(""))),
        ("cut client data", cut("/response/clientDataJSON")),
        ("cut authenticator data", cut("/response/authenticatorData")),
        ("no authenticator data", set("/response/authenticatorData", json!(""))),
        ("numbers", set("/response/signature", json!(1))),
        ("a megabyte less some", set("/response/signature", json!("A".repeat(40_000)))),
    ]
}

/// Has every bad answer refused at a door that gives challenges and takes answers, each under a fresh challenge.
fn refuse_all(
    app: &TestApp,
    key: &mut Authenticator,
    challenge: impl Fn() -> Value,
    answer: impl Fn(&Value) -> crate::app::Response,
    untouched: impl Fn() -> (FactorKeys, Factor),
) {
    let before = untouched();
    let refuse = |what: &str, bad: &Value| {
        let refused = answer(bad);
        assert_eq!(refused.status, 401, "{what}: {refused:?}");
        refused.is(REFUSED_SECOND_FACTOR);
        assert_eq!(untouched(), before, "{what}");
        // Failures add up, but not for ever.
        app.clock().advance_seconds(900);
    };
    for (what, lie) in lies() {
        key.forgery = lie;
        refuse(what, &assertion(&challenge(), key));
    }
    key.forgery = Forgery::default();
    for origin in FOREIGN {
        let challenge = challenge();
        let response = key.assert(&challenge["challenge"], origin);
        refuse(origin, &json!({"token": challenge["token"], "type": "webauthn", "response": response}));
    }
    let kinds = mutilated(&key.assert(&challenge()["challenge"], ORIGIN)).len();
    for index in 0..kinds {
        let challenge = challenge();
        let (what, response) = mutilated(&key.assert(&challenge["challenge"], ORIGIN)).swap_remove(index);
        refuse(what, &json!({"token": challenge["token"], "type": "webauthn", "response": response}));
    }
    // The same key still does it rightly.
    assert!(answer(&assertion(&challenge(), key)).status < 300);
    assert_ne!(untouched(), before);
}

fn lies_and_garbage_open_nothing_and_leave_no_trace(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let Enrolled { id, .. } = ada.enrol_webauthn(&mut key);
    let anonymous = app.anonymous();
    let challenge = || anonymous.login_challenged("ada");
    refuse_all(&app, &mut key, challenge, |answer| anonymous.answer_login(answer), || stored(&app, &ada, &id));
}

fn lies_and_garbage_prove_nothing_again_and_leave_no_trace(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let Enrolled { id, .. } = ada.enrol_webauthn(&mut key);
    let (path, body) = ("/api/users/me/username", json!({"username": "lovelace"}));
    let challenge = || ada.challenged("PUT", path, &body);
    let answer = |answer: &Value| ada.answer("PUT", path, &body, answer);
    refuse_all(&app, &mut key, challenge, answer, || stored(&app, &ada, &id));
    assert_eq!(ada.get("/api/users/me").expect(200)["username"], "lovelace");
}

fn lies_and_garbage_of_a_passkey_open_nothing_and_leave_no_trace(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let Enrolled { id, .. } = ada.enrol_passkey(&mut key);
    let anonymous = app.anonymous();
    let challenge = || anonymous.passkey_challenge();
    let answer = |answer: &Value| {
        let shown = json!({"token": answer["token"], "response": answer["response"]});
        anonymous.login_by_passkey(&shown)
    };
    refuse_all(&app, &mut key, challenge, answer, || stored(&app, &ada, &id));
    // The counter moves forward alone.
    let before = stored(&app, &ada, &id);
    for counter in [0, before.0.webauthn[0].sign_count - 1] {
        key.counter = counter;
        let refused = anonymous.login_by_passkey(&passkey(&challenge(), &mut key));
        refused.is(REFUSED_SECOND_FACTOR);
        assert_eq!(stored(&app, &ada, &id), before);
    }
    // And of two answers under one counter, the earlier one comes too late.
    key.counter = before.0.webauthn[0].sign_count;
    let [first, second] = [challenge(), challenge()];
    let (earlier, later) = (passkey(&first, &mut key), passkey(&second, &mut key));
    anonymous.login_by_passkey(&later).expect(201);
    let before = stored(&app, &ada, &id);
    anonymous.login_by_passkey(&earlier).is(REFUSED_SECOND_FACTOR);
    assert_eq!(stored(&app, &ada, &id), before);
}

fn every_bad_assertion_counts_against_the_account(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    ada.enrol_webauthn(&mut key);
    let challenges: Vec<Value> = (0..3).map(|_| app.anonymous().login_challenged("ada")).collect();
    key.forgery.bad_signature = true;
    for index in 0..10 {
        app.anonymous().answer_login(&assertion(&challenges[index / 4], &mut key)).is(REFUSED_SECOND_FACTOR);
    }
    key.forgery.bad_signature = false;
    let right = assertion(&challenges[2], &mut key);
    app.anonymous().answer_login(&right).is(RATE_LIMITED);
    app.clock().advance_seconds(1);
    app.anonymous().answer_login(&right).expect(201);
}

fn a_counter_that_does_not_move_forward_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let Enrolled { id, .. } = ada.enrol_webauthn(&mut key);
    key.counter = 10;
    let log_in = |key: &mut Authenticator| {
        app.anonymous().answer_login(&assertion(&app.anonymous().login_challenged("ada"), key))
    };
    log_in(&mut key).expect(201);
    let before = stored(&app, &ada, &id);
    assert_eq!(before.0.webauthn[0].sign_count, 11);
    for counter in [0, 5, 10] {
        key.counter = counter;
        log_in(&mut key).is(REFUSED_SECOND_FACTOR);
        assert_eq!(stored(&app, &ada, &id), before);
    }
    (key.counter, key.step) = (0, 0);
    log_in(&mut key).is(REFUSED_SECOND_FACTOR);
    (key.counter, key.step) = (11, 1);
    log_in(&mut key).expect(201);
}

/// Both challenges were given under the same counter; only the row tells which answer came too late.
fn an_assertion_from_before_a_later_one_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let Enrolled { id, .. } = ada.enrol_webauthn(&mut key);
    let [first, second] = [&app, &replica].map(|server| server.anonymous().login_challenged("ada"));
    let (earlier, later) = (assertion(&first, &mut key), assertion(&second, &mut key));
    app.anonymous().answer_login(&later).expect(201);
    let before = stored(&app, &ada, &id);
    replica.anonymous().answer_login(&earlier).is(REFUSED_SECOND_FACTOR);
    assert_eq!(stored(&app, &ada, &id), before);
}

fn anothers_key_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (mut key, mut other) = (Authenticator::default(), Authenticator::default());
    let Enrolled { id, .. } = ada.enrol_webauthn(&mut key);
    let Enrolled { id: other_id, .. } = bob.enrol_webauthn(&mut other);
    let before = [stored(&app, &ada, &id), stored(&app, &bob, &other_id)];
    other.forgery.any_key = true;
    let refuse = |other: &mut Authenticator| {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&assertion(&challenge, other)).is(REFUSED_SECOND_FACTOR);
    };
    refuse(&mut other);
    other.forgery.credential_id = Some(before[0].0.webauthn[0].credential_id.clone());
    refuse(&mut other);
    // Nor is an answer to one's own challenge one to somebody else's.
    other.forgery = Forgery::default();
    let mut answer = assertion(&app.anonymous().login_challenged("bob"), &mut other);
    answer["token"] = app.anonymous().login_challenged("ada")["token"].clone();
    app.anonymous().answer_login(&answer).is(REFUSED_SECOND_FACTOR);
    assert_eq!([stored(&app, &ada, &id), stored(&app, &bob, &other_id)], before);
}

fn a_key_that_was_removed_meanwhile_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (mut lost, mut kept) = (Authenticator::default(), Authenticator::default());
    let Enrolled { id, codes } = ada.enrol_webauthn(&mut lost);
    ada.enrol_webauthn_by_backup(&mut kept, &codes[0]);
    let challenge = app.anonymous().login_challenged("ada");
    ada.by_backup(&codes[1], "DELETE", &format!("/api/users/me/2fa/{id}"), &json!({})).expect(200);
    app.anonymous().answer_login(&assertion(&challenge, &mut lost)).is(REFUSED_SECOND_FACTOR);
    app.anonymous().answer_login(&assertion(&challenge, &mut kept)).expect(201);
}
