//! Identity proved by a passkey alone, wherever an endpoint asks for it.

use serde_json::{Value, json};
use thunderhead_testkit::authenticator::{Authenticator, Forgery, USER_PRESENT};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, ORIGIN, TestApp, passkey};
use crate::errors::{
    CHALLENGE_REQUIRED, INVALID_SECOND_FACTOR_METHOD, MALFORMED_SECOND_FACTOR, MISSING_FIELDS, NOT_AUTHENTICATED,
    REFUSED_SECOND_FACTOR, USER_EXISTS,
};

on_both_engines!(
    a_passkey_proves_identity_in_one_step,
    a_challenge_is_good_for_its_session_its_method_and_its_path_once,
    a_challenge_of_one_kind_is_no_answer_to_another,
    a_change_that_is_refused_leaves_the_answer_good,
    a_passkey_of_somebody_else_or_without_a_verified_user_proves_nothing,
    who_has_no_passkey_is_asked_for_none,
    what_a_session_rests_on_after_it,
);

const RENAME: &str = "/api/users/me/username";

fn ada_with_passkey(app: &TestApp) -> (Client, Authenticator, Vec<String>) {
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let codes = ada.enrol_passkey(&mut key).codes;
    (ada, key, codes)
}

/// The challenge for a passkey at an endpoint.
fn asked(client: &Client, method: &str, path: &str, body: &Value) -> Value {
    let mut body = body.clone();
    body["passkey"] = json!({});
    let challenge = client.call(method, path).json(&body).send();
    let told = challenge.expect(CHALLENGE_REQUIRED.status);
    assert_eq!((&told["code"], &told["types"]), (&json!(CHALLENGE_REQUIRED.code), &json!(["passkey"])));
    told
}

fn shown(client: &Client, method: &str, path: &str, body: &Value, answer: &Value) -> crate::app::Response {
    let mut body = body.clone();
    body["passkey"] = answer.clone();
    client.call(method, path).json(&body).send()
}

fn a_passkey_proves_identity_in_one_step(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, _) = ada_with_passkey(&app);
    let body = json!({"username": "lovelace"});
    app.asked();
    let challenge = asked(&ada, "PUT", RENAME, &body);
    assert!(app.asked().iter().all(|operation| !operation.contains("challenge")), "it is stored nowhere");
    assert_eq!(challenge["challenge"]["userVerification"], "required");
    assert_eq!(challenge["challenge"]["allowCredentials"].as_array().unwrap().len(), 1);
    let replica = app.replica();
    let answer = passkey(&challenge, &mut key);
    assert_eq!(shown(&ada.at(&replica), "PUT", RENAME, &body, &answer).expect(200)["username"], "lovelace");
}

fn a_challenge_is_good_for_its_session_its_method_and_its_path_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, codes) = ada_with_passkey(&app);
    let other = ada.login_by_backup(&codes[0]);
    let body = json!({"username": "lovelace", "email": "lovelace@example.org"});
    let challenge = asked(&ada, "PUT", RENAME, &body);
    let mut answer = || passkey(&challenge, &mut key);
    shown(&other, "PUT", RENAME, &body, &answer()).is(REFUSED_SECOND_FACTOR);
    shown(&ada, "PUT", "/api/users/me/email", &body, &answer()).is(REFUSED_SECOND_FACTOR);
    shown(&ada, "DELETE", "/api/users/me", &json!({}), &answer()).is(REFUSED_SECOND_FACTOR);
    shown(&ada, "PUT", RENAME, &body, &answer()).expect(200);
    shown(&ada, "PUT", RENAME, &body, &answer()).is(REFUSED_SECOND_FACTOR);
    let late = asked(&ada, "PUT", RENAME, &body);
    app.clock().advance_seconds(300);
    shown(&ada, "PUT", RENAME, &body, &passkey(&late, &mut key)).is(REFUSED_SECOND_FACTOR);
}

fn a_challenge_of_one_kind_is_no_answer_to_another(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, _) = ada_with_passkey(&app);
    let body = json!({"username": "lovelace"});
    let to_log_in = app.anonymous().passkey_challenge();
    shown(&ada, "PUT", RENAME, &body, &passkey(&to_log_in, &mut key)).is(REFUSED_SECOND_FACTOR);
    let asked_here = asked(&ada, "PUT", RENAME, &body);
    let mut stray = asked_here.clone();
    stray["challenge"]["allowCredentials"] = json!([]);
    app.anonymous().login_by_passkey(&passkey(&stray, &mut key)).is(REFUSED_SECOND_FACTOR);
    // Nor is it the second step of a password, which has shown nothing here.
    let response = key.assert(&asked_here["challenge"], ORIGIN);
    let factor = json!({"token": asked_here["token"], "type": "webauthn", "response": response});
    ada.answer("PUT", RENAME, &body, &factor).is(MALFORMED_SECOND_FACTOR);
    // And what follows a password is no passkey's.
    let challenge = ada.challenged("PUT", RENAME, &body);
    shown(&ada, "PUT", RENAME, &body, &passkey(&challenge, &mut key)).is(MALFORMED_SECOND_FACTOR);
    shown(&ada, "PUT", RENAME, &body, &passkey(&asked_here, &mut key)).expect(200);
}

fn a_change_that_is_refused_leaves_the_answer_good(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, _) = ada_with_passkey(&app);
    app.user("grace");
    let taken = json!({"username": "grace"});
    let answer = passkey(&asked(&ada, "PUT", RENAME, &taken), &mut key);
    shown(&ada, "PUT", RENAME, &taken, &answer).is(USER_EXISTS);
    shown(&ada, "PUT", RENAME, &json!({"username": "lovelace"}), &answer).expect(200);
}

fn a_passkey_of_somebody_else_or_without_a_verified_user_proves_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, _) = ada_with_passkey(&app);
    let mut bobs = Authenticator::default();
    app.user("bob").enrol_passkey(&mut bobs);
    let body = json!({"username": "lovelace"});
    let challenge = asked(&ada, "PUT", RENAME, &body);
    bobs.forgery.any_key = true;
    shown(&ada, "PUT", RENAME, &body, &passkey(&challenge, &mut bobs)).is(REFUSED_SECOND_FACTOR);
    for forgery in [
        Forgery { flags: Some(USER_PRESENT), ..Forgery::default() },
        Forgery { bad_signature: true, ..Forgery::default() },
        Forgery { user_handle: Some(vec![7; 16]), ..Forgery::default() },
    ] {
        key.forgery = forgery;
        shown(&ada, "PUT", RENAME, &body, &passkey(&challenge, &mut key)).is(REFUSED_SECOND_FACTOR);
    }
    key.forgery = Forgery::default();
    shown(&ada, "PUT", RENAME, &body, &passkey(&challenge, &mut key)).expect(200);
}

fn who_has_no_passkey_is_asked_for_none(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    bob.enrol_webauthn(&mut Authenticator::default());
    let body = json!({"username": "lovelace", "passkey": {}});
    for client in [&ada, &bob] {
        client.call("PUT", RENAME).json(&body).send().is(INVALID_SECOND_FACTOR_METHOD);
    }
    let wrong = json!({"username": "lovelace", "passkey": {"token": "x"}});
    ada.call("PUT", RENAME).json(&wrong).send().is_with(MISSING_FIELDS, json!({"fields": ["passkey"]}));
    ada.with_token("garbage").call("PUT", RENAME).json(&body).send().is(NOT_AUTHENTICATED);
}

fn what_a_session_rests_on_after_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, mut key, codes) = ada_with_passkey(&app);
    let other = ada.login_by_backup(&codes[0]);
    let body = json!({"name": "script", "permissionFlags": 1});
    let answer = passkey(&asked(&other, "POST", "/api/users/me/sessions", &body), &mut key);
    let issued = shown(&other, "POST", "/api/users/me/sessions", &body, &answer);
    let methods = |token: &str| {
        let whoami = app.anonymous().call("GET", "/auth/sessions/whoami").header("X-Session-Token", token).send();
        let methods = whoami.expect(200)["authentication_methods"].as_array().unwrap().clone();
        methods.iter().map(|shown| shown["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(methods(other.token()), ["password", "lookup_secret", "webauthn"]);
    assert_eq!(methods(&issued.token()), ["webauthn"]);
}
