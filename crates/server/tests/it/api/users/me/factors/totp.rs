//! `POST /users/me/2fa/totp` and `POST /users/me/2fa/totp/confirm`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::factor::{
    FactorChoice, FactorId, FactorMaterial, FactorName, MOST_FACTORS, NewFactor, OtherSessions,
};
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::app::{Client, CodeApp, ORIGIN, Offer, Response, TestApp, claims, totp};
use crate::errors::{
    INVALID_SECOND_FACTOR_METHOD, MALFORMED_SECOND_FACTOR, MISSING_FIELDS, NOT_AUTHENTICATED, REFUSED_SECOND_FACTOR,
};
use crate::stale_preconditions::action;

on_both_engines!(
    an_offer_tells_what_an_app_needs,
    the_first_right_code_enrols_and_brings_ten_backup_codes,
    who_has_a_factor_shows_it_to_enrol_another_which_brings_no_codes,
    a_code_of_the_step_before_or_after_confirms_and_no_other,
    the_code_that_confirms_is_used,
    a_wrong_code_enrols_nothing_and_the_right_one_still_does,
    an_offer_is_good_for_five_minutes,
    an_offer_is_good_for_the_session_that_asked_alone,
    an_offer_is_good_once,
    an_offer_ends_with_the_password_that_it_was_made_on,
    an_offer_that_was_made_on_the_password_alone_ends_with_the_first_factor,
    a_factor_too_many_is_refused_and_its_offer_is_not_used_up,
    the_secret_is_stored_encrypted_under_another_text_each_time,
    all_that_is_missing_or_mistyped_is_listed_in_order,
);

const CONFIRM: &str = "/api/users/me/2fa/totp/confirm";

fn an_offer_tells_what_an_app_needs(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let secret = offer.body["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() == 32 && secret.bytes().all(|byte| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".contains(&byte)));
    let expected = json!({
        "token": offer.token,
        "exp": app.seconds() + 300,
        "type": "totp",
        "secret": secret,
        "algorithm": "SHA1",
        "digits": 6,
        "period": 30,
        "uri": format!("otpauth://totp/Thunderhead:ada?secret={secret}&issuer=Thunderhead"),
    });
    assert_eq!(offer.body, expected);
    let other = ada.offer("totp");
    assert!(other.body["secret"] != offer.body["secret"] && other.token != offer.token);
    assert_eq!(ada.factor_count(), 0);
}

fn the_first_right_code_enrols_and_brings_ten_backup_codes(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let enrolled = ada.confirm_totp(&offer, &offer.code_app().code(&app, 0)).expect(201);
    let codes: BTreeSet<&str> =
        enrolled["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(codes.len(), 10);
    let expected = json!({
        "id": enrolled["id"], "name": "My phone", "type": "totp", "codes": enrolled["codes"],
    });
    assert_eq!(enrolled, expected);
    assert_eq!(ada.factor_count(), 1);
    let other = ada.get(super::PATH).expect(200)["items"][0]["id"].clone();
    assert_eq!(other, enrolled["id"]);
}

fn who_has_a_factor_shows_it_to_enrol_another_which_brings_no_codes(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let path = "/api/users/me/2fa/totp";
    let challenge = ada.challenged("POST", path, &json!({}));
    assert_eq!(ada.factor_count(), 1);
    let answer = totp(&challenge, &phone.fresh_code(&app));
    let offer = ada.answer("POST", path, &json!({}), &answer).expect(200);
    let tablet = CodeApp::new(offer["secret"].as_str().unwrap());
    let body = json!({"token": offer["token"], "name": "My tablet", "code": tablet.code(&app, 0)});
    let enrolled = ada.post(CONFIRM, &body).expect(201);
    assert_eq!(enrolled, json!({"id": enrolled["id"], "name": "My tablet", "type": "totp"}));
    // Either app will do from now on.
    for device in [&phone, &tablet] {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&totp(&challenge, &device.fresh_code(&app))).expect(201);
    }
}

fn a_code_of_the_step_before_or_after_confirms_and_no_other(database: TestDatabase) {
    let app = TestApp::start(database);
    for (steps, right) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let user = app.spare();
        let offer = user.offer("totp");
        let response = user.confirm_totp(&offer, &offer.code_app().code(&app, steps));
        if right {
            drop(response.expect(201))
        } else {
            response.is(REFUSED_SECOND_FACTOR)
        }
        assert_eq!(user.factor_count(), i32::from(right), "{steps}");
    }
}

fn the_code_that_confirms_is_used(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let code = phone.code(&app, 0);
    for server in [&app, &replica] {
        let challenge = server.anonymous().login_challenged("ada");
        server.anonymous().answer_login(&totp(&challenge, &code)).is(REFUSED_SECOND_FACTOR);
        let ada = ada.at(server);
        let challenge = ada.challenged("DELETE", "/api/users/me/2fa/all", &json!({}));
        let again = ada.answer("DELETE", "/api/users/me/2fa/all", &json!({}), &totp(&challenge, &code));
        again.is(REFUSED_SECOND_FACTOR);
    }
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, 1))).expect(201);
}

fn a_wrong_code_enrols_nothing_and_the_right_one_still_does(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let phone = offer.code_app();
    let right = phone.code(&app, 0);
    for wrong in [phone.code(&app, 3), String::new(), right[1..].to_owned(), format!("{right}0"), "abcdef".to_owned()] {
        ada.confirm_totp(&offer, &wrong).is(REFUSED_SECOND_FACTOR);
        assert_eq!(ada.factor_count(), 0);
        ada.get("/api/users/me").expect(200);
    }
    // Five wrong ones are the most.
    ada.confirm_totp(&offer, &right).is(REFUSED_SECOND_FACTOR);
    let offer = ada.offer("totp");
    for _ in 0..4 {
        ada.confirm_totp(&offer, "abcdef").is(REFUSED_SECOND_FACTOR);
    }
    let spaced = offer.code_app().code(&app, 0);
    ada.confirm_totp(&offer, &format!("{} {}", &spaced[..3], &spaced[3..])).expect(201);
}

fn confirm_now(app: &TestApp, client: &Client, offer: &Offer) -> Response {
    client.confirm_totp(offer, &offer.code_app().code(app, 0))
}

fn an_offer_is_good_for_five_minutes(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let offers = [ada.offer("totp"), bob.offer("totp")];
    app.clock().advance_millis(299_749);
    confirm_now(&app, &ada, &offers[0]).expect(201);
    app.clock().advance_millis(1);
    confirm_now(&app, &bob, &offers[1]).is(REFUSED_SECOND_FACTOR);
    assert_eq!(bob.factor_count(), 0);
}

fn an_offer_is_good_for_the_session_that_asked_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let offer = ada.offer("totp");
    // A token that is somebody else's counts as nothing, however often it is shown.
    for _ in 0..6 {
        confirm_now(&app, &ada.log_in("ada"), &offer).is(REFUSED_SECOND_FACTOR);
        confirm_now(&app, &bob, &offer).is(REFUSED_SECOND_FACTOR);
    }
    confirm_now(&app, &app.anonymous(), &offer).is(NOT_AUTHENTICATED);
    confirm_now(&app, &ada.at(&app.replica()), &offer).expect(201);
    assert_eq!((ada.factor_count(), bob.factor_count()), (json!(1), json!(0)));
}

fn an_offer_is_good_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    confirm_now(&app, &ada, &offer).expect(201);
    for _ in 0..2 {
        confirm_now(&app, &ada, &offer).is(REFUSED_SECOND_FACTOR);
        confirm_now(&app, &ada.at(&app.replica()), &offer).is(REFUSED_SECOND_FACTOR);
        app.clock().advance_seconds(30);
    }
    assert_eq!(ada.factor_count(), 1);
}

fn an_offer_ends_with_the_password_that_it_was_made_on(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let body = json!({
        "newPassword": "amber quarry lantern 9",
        "confirmNewPassword": "amber quarry lantern 9",
        "password": crate::app::PASSWORD,
    });
    ada.put("/api/users/me/password", &body).expect(200);
    confirm_now(&app, &ada, &offer).is(REFUSED_SECOND_FACTOR);
    assert_eq!(ada.factor_count(), 0);
}

fn an_offer_that_was_made_on_the_password_alone_ends_with_the_first_factor(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let thief = ada.log_in("ada");
    let (offers, mut key) = ([thief.offer("totp"), thief.offer("webauthn")], Authenticator::default());
    let (_, enrolled) = ada.enrol_totp(&app);
    confirm_now(&app, &thief, &offers[0]).is(REFUSED_SECOND_FACTOR);
    thief.confirm_webauthn(&offers[1], &key.register(&offers[1].body, ORIGIN)).is(REFUSED_SECOND_FACTOR);
    assert_eq!(ada.factor_count(), 1);
    let shown = thief.offer_by_backup("totp", &enrolled.codes[0]);
    confirm_now(&app, &thief, &shown).expect(201);
}

fn a_factor_too_many_is_refused_and_its_offer_is_not_used_up(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    let offer = ada.offer_by_backup("totp", &enrolled.codes[0]);
    let others: Vec<_> = (1..MOST_FACTORS).map(|number| FactorId(Uuid::from_u128(number as u128))).collect();
    for (number, id) in others.iter().enumerate() {
        let name = FactorName::try_from(format!("key {number}")).unwrap();
        let credential_id = number.to_be_bytes().to_vec();
        let material = FactorMaterial::Webauthn { credential_id, credential: "key".to_owned(), sign_count: 0 };
        let new = NewFactor { id: *id, name, material };
        block_on(app.storage().factor_add(ada.user_id(), new, vec![], OtherSessions::Stay, action().into()))
            .unwrap()
            .unwrap();
    }
    for _ in 0..6 {
        confirm_now(&app, &ada, &offer).is(INVALID_SECOND_FACTOR_METHOD);
    }
    assert_eq!(ada.factor_count(), MOST_FACTORS);
    let one = FactorChoice::One(others[0]);
    block_on(app.storage().factor_remove(ada.user_id(), one, OtherSessions::Stay, action().into())).unwrap().unwrap();
    confirm_now(&app, &ada, &offer).expect(201);
    assert_eq!(ada.factor_count(), MOST_FACTORS);
}

fn the_secret_is_stored_encrypted_under_another_text_each_time(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let id = ChallengeId(claims(&offer.token)["jti"].as_str().unwrap().parse().unwrap());
    let pending = block_on(app.storage().challenge_find(id)).unwrap().unwrap().state.unwrap();
    confirm_now(&app, &ada, &offer).expect(201);
    let keys = block_on(app.storage().factor_keys(ada.user_id())).unwrap();
    let sealed = keys.totp[0].sealed.clone();
    assert!(pending != sealed);
    for stored in [pending, sealed] {
        assert!(!stored.contains(offer.body["secret"].as_str().unwrap()) && stored.len() > 32, "{stored}");
    }
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let good = json!({"token": offer.token, "name": "My phone", "code": offer.code_app().code(&app, 0)});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let all = json!({"fields": ["token", "name", "code"]});
    ada.post(CONFIRM, &json!({})).is_with(MISSING_FIELDS, all.clone());
    ada.post(CONFIRM, &json!({"code": 123_456, "name": " ", "token": null})).is_with(MISSING_FIELDS, all);
    for name in [String::new(), "a\tb".to_owned(), "x".repeat(129)] {
        ada.post(CONFIRM, &with("name", json!(name))).is_with(MISSING_FIELDS, json!({"fields": ["name"]}));
    }
    for token in ["", "garbage", "a.b.c"] {
        ada.post(CONFIRM, &with("token", json!(token))).is(MALFORMED_SECOND_FACTOR);
    }
    let long = "é".repeat(128);
    assert_eq!(ada.post(CONFIRM, &with("name", json!(long))).expect(201)["name"], long);
}
