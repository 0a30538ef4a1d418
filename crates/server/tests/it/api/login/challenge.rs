//! The second step of a login: the answer to its challenge.

use serde_json::json;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{attempt, credentials};
use crate::app::{Enrolled, PASSWORD, TestApp, assertion, backup, claims, totp};
use crate::errors::{
    BANNED, CHALLENGE_REQUIRED, INVALID_PASSWORD, INVALID_SECOND_FACTOR_METHOD, NOT_AUTHENTICATED, RATE_LIMITED,
    REFUSED_SECOND_FACTOR, UNAVAILABLE,
};

on_both_engines!(
    a_right_password_earns_a_challenge_and_no_session,
    a_wrong_password_earns_no_challenge,
    every_kind_of_answer_opens_a_session,
    a_kind_that_the_user_does_not_have_is_400,
    the_second_call_says_how_long_the_session_lives,
    what_else_a_second_call_says_does_not_matter,
    a_challenge_is_good_for_five_minutes,
    a_challenge_ends_with_the_password_that_earned_it,
    a_challenge_of_a_factor_that_came_later_is_answered_by_codes,
    a_ban_closes_the_second_step,
    a_challenge_ends_with_its_account,
    a_switch_shuts_the_second_step_for_all_but_staff,
    a_right_password_clears_nothing_while_the_second_factor_is_pending,
    a_request_with_a_valid_session_is_refused,
);

fn a_right_password_earns_a_challenge_and_no_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let challenge = attempt(&app, &credentials("ada", PASSWORD));
    let token = challenge.token();
    let expected = json!({"token": token, "exp": app.seconds() + 300, "types": ["totp", "backup"]});
    challenge.is_with(CHALLENGE_REQUIRED, expected);
    ada.with_token(&token).get("/api/users/me").is(NOT_AUTHENTICATED);
    ada.enrol_webauthn_by_backup(&mut key, &codes[0]);
    let challenge = app.anonymous().login_challenged("ada");
    assert_eq!(challenge["types"], json!(["totp", "webauthn", "backup"]));
    assert_eq!(challenge["challenge"]["rpId"], "auth.example");
    assert_eq!(challenge["challenge"]["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_wrong_password_earns_no_challenge(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada").enrol_totp(&app);
    attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
}

fn every_kind_of_answer_opens_a_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let (phone, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    ada.enrol_webauthn_by_backup(&mut key, &codes[0]);
    let code = phone.fresh_code(&app);
    for kind in ["totp", "backup", "webauthn"] {
        let challenge = app.anonymous().login_challenged("ada");
        let answer = match kind {
            "totp" => totp(&challenge, &code),
            "backup" => backup(&challenge, &codes[1]),
            _ => assertion(&challenge, &mut key),
        };
        let opened = app.anonymous().answer_login(&answer).expect(201);
        let token = opened["token"].as_str().unwrap();
        assert_eq!(opened, json!({"token": token, "exp": app.seconds() + 86_400}), "{kind}");
        assert_eq!(claims(token)["sub"], ada.id());
        assert!(ada.with_token(token).works());
        app.anonymous().answer_login(&answer).is(REFUSED_SECOND_FACTOR);
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 4);
}

fn a_kind_that_the_user_does_not_have_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    let (phone, _) = app.user("ada").enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    let answer = json!({"token": challenge["token"], "type": "webauthn", "response": {}});
    for _ in 0..12 {
        app.anonymous().answer_login(&answer).is(INVALID_SECOND_FACTOR_METHOD);
    }
    app.anonymous().answer_login(&totp(&challenge, &phone.fresh_code(&app))).expect(201);
}

fn the_second_call_says_how_long_the_session_lives(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, Enrolled { codes, .. }) = app.user("ada").enrol_totp(&app);
    for (asked, answered, seconds) in [(true, false, 86_400), (false, true, 315_576_000)] {
        let first = json!({"username": "ada", "password": PASSWORD, "rememberMe": asked});
        let challenge = attempt(&app, &first).json();
        let answer = backup(&challenge, &codes[usize::from(asked)]);
        let opened = attempt(&app, &json!({"2fa": answer, "rememberMe": answered})).expect(201);
        assert_eq!(opened["exp"], app.seconds() + seconds);
    }
}

fn what_else_a_second_call_says_does_not_matter(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    app.user("bob");
    for (code, body) in codes.iter().zip([
        json!({"username": "ada"}),
        json!({"username": "bob", "password": PASSWORD}),
        json!({"username": 1, "password": "wrong"}),
    ]) {
        let challenge = app.anonymous().login_challenged("ada");
        let mut body = body;
        body["2fa"] = backup(&challenge, code);
        let opened = attempt(&app, &body).expect(201);
        assert_eq!(claims(opened["token"].as_str().unwrap())["sub"], ada.id());
    }
}

fn a_challenge_is_good_for_five_minutes(database: TestDatabase) {
    let app = TestApp::start(database);
    let (phone, _) = app.user("ada").enrol_totp(&app);
    let challenges = [app.anonymous().login_challenged("ada"), app.anonymous().login_challenged("ada")];
    app.clock().advance_millis(299_749);
    app.anonymous().answer_login(&totp(&challenges[0], &phone.code(&app, 0))).expect(201);
    app.clock().advance_millis(1);
    app.anonymous().answer_login(&totp(&challenges[1], &phone.code(&app, 1))).is(REFUSED_SECOND_FACTOR);
}

fn a_challenge_ends_with_the_password_that_earned_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    let new = json!({"newPassword": "amber quarry lantern 9", "confirmNewPassword": "amber quarry lantern 9"});
    ada.by_backup(&codes[0], "PUT", "/api/users/me/password", &new).expect(200);
    for _ in 0..2 {
        app.anonymous().answer_login(&backup(&challenge, &codes[1])).is(INVALID_PASSWORD);
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_challenge_of_a_factor_that_came_later_is_answered_by_codes(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let early = app.anonymous().login_challenged("ada");
    ada.enrol_webauthn_by_backup(&mut key, &codes[0]);
    let late = app.anonymous().login_challenged("ada");
    let mut answer = assertion(&late, &mut key);
    answer["token"] = early["token"].clone();
    app.anonymous().answer_login(&answer).is(REFUSED_SECOND_FACTOR);
    app.anonymous().answer_login(&backup(&early, &codes[1])).expect(201);
}

fn a_ban_closes_the_second_step(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    app.ban("ada");
    let answer = totp(&challenge, &phone.fresh_code(&app));
    app.anonymous().answer_login(&answer).is(BANNED);
    app.anonymous().answer_login(&totp(&challenge, "000000")).is(REFUSED_SECOND_FACTOR);
    attempt(&app, &credentials("ada", PASSWORD)).is(BANNED);
    assert_eq!(ada.get("/api/users/me").status, 403);
}

fn a_challenge_ends_with_its_account(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    ada.by_backup(&codes[0], "DELETE", "/api/users/me", &json!({})).expect(200);
    for _ in 0..12 {
        app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, 1))).is(REFUSED_SECOND_FACTOR);
        app.anonymous().answer_login(&backup(&challenge, &codes[1])).is(REFUSED_SECOND_FACTOR);
    }
}

fn a_switch_shuts_the_second_step_for_all_but_staff(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (phone, _) = ada.enrol_totp(&app);
    let (staff_phone, _) = root.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    for switch in [KillSwitch::AccountLogin, KillSwitch::Global] {
        let shut = json!({"feature": switch.id()});
        app.switch(switch, true);
        attempt(&app, &credentials("ada", PASSWORD)).is_with(UNAVAILABLE, shut.clone());
        let right = totp(&challenge, &phone.fresh_code(&app));
        for answer in [&right, &totp(&challenge, "abcdef"), &json!({"token": "x", "type": "totp", "code": ""})] {
            app.anonymous().answer_login(answer).is_with(UNAVAILABLE, shut.clone());
        }
        let staff_challenge = app.anonymous().login_challenged("root");
        app.anonymous().answer_login(&totp(&staff_challenge, "abcdef")).is_with(UNAVAILABLE, shut);
        app.anonymous().answer_login(&totp(&staff_challenge, &staff_phone.code(&app, 0))).expect(201);
        app.switch(switch, false);
    }
    app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, 0))).expect(201);
}

fn a_right_password_clears_nothing_while_the_second_factor_is_pending(database: TestDatabase) {
    let app = TestApp::start(database);
    let (phone, _) = app.user("ada").enrol_totp(&app);
    for _ in 0..10 {
        attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
        if app.number() < 9 {
            app.anonymous().login_challenged("ada");
        }
    }
    attempt(&app, &credentials("ada", PASSWORD)).is(RATE_LIMITED);
    app.clock().advance_seconds(1);
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&totp(&challenge, &phone.fresh_code(&app))).expect(201);
    for _ in 0..10 {
        attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
    }
}

fn a_request_with_a_valid_session_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    let answer = totp(&challenge, &phone.fresh_code(&app));
    ada.answer_login(&answer).is(NOT_AUTHENTICATED);
    app.anonymous().answer_login(&answer).expect(201);
}
