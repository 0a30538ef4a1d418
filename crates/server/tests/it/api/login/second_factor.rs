//! Answers to challenges that were never given.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::attempt;
use crate::app::{PASSWORD, TestApp};
use crate::errors::{INVALID_SECOND_FACTOR_METHOD, MALFORMED_SECOND_FACTOR, MISSING_FIELDS, REFUSED_SECOND_FACTOR};

on_both_engines!(
    a_malformed_challenge_token_is_400,
    a_session_token_is_no_challenge_token,
    a_challenge_of_unknown_type_is_400,
    an_answer_of_the_wrong_shape_is_a_missing_field,
    a_made_up_answer_does_not_stand_in_for_the_password,
);

fn answer(token: &str, kind: &str) -> Value {
    json!({"2fa": {"token": token, "type": kind, "code": "123456"}})
}

fn a_malformed_challenge_token_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    for token in ["", "garbage", "a.b", "a.b.c", "....", &"x".repeat(10_000)] {
        attempt(&app, &answer(token, "totp")).is(MALFORMED_SECOND_FACTOR);
    }
}

fn a_session_token_is_no_challenge_token(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    other.delete("/api/users/me/sessions/me").expect(200);
    for kind in ["totp", "webauthn", "backup"] {
        for token in [ada.token(), other.token()] {
            let answer = json!({"token": token, "type": kind, "code": "123456", "response": {}});
            attempt(&app, &json!({"2fa": answer})).is(REFUSED_SECOND_FACTOR);
        }
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_challenge_of_unknown_type_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    for kind in ["", "sms", "TOTP"] {
        attempt(&app, &answer("a.b.c", kind)).is(INVALID_SECOND_FACTOR_METHOD);
    }
}

fn an_answer_of_the_wrong_shape_is_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    for wrong in
        [json!(true), json!("x"), json!([]), json!({}), json!({"token": "a.b.c"}), json!({"token": 1, "type": 1})]
    {
        let body = json!({"2fa": wrong});
        attempt(&app, &body).is_with(MISSING_FIELDS, json!({"fields": ["2fa"]}));
        let body = json!({"2fa": wrong, "rememberMe": 0, "username": 7});
        attempt(&app, &body).is_with(MISSING_FIELDS, json!({"fields": ["2fa", "rememberMe"]}));
    }
}

/// A truthy `2fa` from an account without factors once skipped the check of the password elsewhere.
fn a_made_up_answer_does_not_stand_in_for_the_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut body = answer(ada.token(), "totp");
    body["username"] = json!("ada");
    attempt(&app, &body).is(REFUSED_SECOND_FACTOR);
    body["password"] = json!(PASSWORD);
    attempt(&app, &body).is(REFUSED_SECOND_FACTOR);
    body["name"] = json!("x");
    body["permissionFlags"] = json!(1);
    ada.post("/api/users/me/sessions", &body).is(REFUSED_SECOND_FACTOR);
}
