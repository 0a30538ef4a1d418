//! `POST /users/me/2fa/webauthn` and `POST /users/me/2fa/webauthn/confirm`.

use serde_json::json;
use thunderhead_testkit::authenticator::{Authenticator, Forgery};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{ORIGIN, TestApp, assertion};
use crate::errors::{MALFORMED_SECOND_FACTOR, MISSING_FIELDS, RATE_LIMITED, REFUSED_SECOND_FACTOR};

on_both_engines!(
    an_offer_is_what_browsers_parse,
    a_key_that_was_touched_is_enrolled_and_logs_in,
    a_key_that_does_not_count_logs_in_time_and_again,
    keys_that_are_known_are_not_enrolled_again,
    a_bad_answer_enrols_nothing_and_is_counted,
    an_offer_is_good_once_and_for_the_session_that_asked,
    all_that_is_missing_or_mistyped_is_listed_in_order,
);

const CONFIRM: &str = "/api/users/me/2fa/webauthn/confirm";

fn an_offer_is_what_browsers_parse(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("webauthn");
    let body = &offer.body;
    assert_eq!((&body["type"], &body["exp"]), (&json!("webauthn"), &json!(app.seconds() + 300)));
    assert_eq!(body["rp"], json!({"id": "auth.example", "name": "Thunderhead"}));
    assert_eq!(body["user"]["name"], "ada");
    assert_eq!(body["attestation"], "none");
    assert_eq!(body["authenticatorSelection"]["userVerification"], "discouraged");
    assert!(body["challenge"].as_str().unwrap().len() >= 22);
    assert_eq!(ada.factor_count(), 0);
}

fn a_key_that_was_touched_is_enrolled_and_logs_in(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let offer = ada.offer("webauthn");
    let enrolled = ada.confirm_webauthn(&offer, &key.register(&offer.body, ORIGIN)).expect(201);
    assert_eq!(enrolled["codes"].as_array().unwrap().len(), 10);
    let expected = json!({"id": enrolled["id"], "name": "My key", "type": "webauthn", "codes": enrolled["codes"]});
    assert_eq!(enrolled, expected);
    let replica = app.replica();
    for (asked, answered) in [(&app, &app), (&app, &replica), (&replica, &app)] {
        let challenge = asked.anonymous().login_challenged("ada");
        assert_eq!(challenge["types"], json!(["webauthn", "backup"]));
        assert_eq!(challenge["challenge"]["rpId"], "auth.example");
        let answer = assertion(&challenge, &mut key);
        let session = answered.anonymous().answer_login(&answer);
        assert!(ada.with_token(session.expect(201)["token"].as_str().unwrap()).works());
        answered.anonymous().answer_login(&answer).is(REFUSED_SECOND_FACTOR);
    }
}

fn a_key_that_does_not_count_logs_in_time_and_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut key = Authenticator::without_counter();
    app.user("ada").enrol_webauthn(&mut key);
    for _ in 0..3 {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&assertion(&challenge, &mut key)).expect(201);
    }
}

fn keys_that_are_known_are_not_enrolled_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let mut key = Authenticator::default();
    let enrolled = ada.enrol_webauthn(&mut key);
    let again = ada.offer_by_backup("webauthn", &enrolled.codes[0]);
    let known = again.body["excludeCredentials"].as_array().unwrap();
    assert_eq!(known.len(), 1);
    // An authenticator that does it all the same, and one that takes another's name at another account.
    let id = crate::assertions::bytes(known[0]["id"].as_str().unwrap());
    let mut liar = Authenticator::default();
    liar.forgery = Forgery { credential_id: Some(id), ..Forgery::default() };
    ada.confirm_webauthn(&again, &liar.register(&again.body, ORIGIN)).is(REFUSED_SECOND_FACTOR);
    let offer = bob.offer("webauthn");
    bob.confirm_webauthn(&offer, &liar.register(&offer.body, ORIGIN)).is(REFUSED_SECOND_FACTOR);
    assert_eq!((ada.factor_count(), bob.factor_count()), (json!(1), json!(0)));
    // The offer was good, and still is.
    liar.forgery = Forgery::default();
    bob.confirm_webauthn(&offer, &liar.register(&offer.body, ORIGIN)).expect(201);
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&assertion(&challenge, &mut key)).expect(201);
}

fn a_bad_answer_enrols_nothing_and_is_counted(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let forge = |forgery: Forgery| {
        let mut key = Authenticator::default();
        key.forgery = forgery;
        key
    };
    let lies = [
        Forgery { rp_id: Some("example.org".to_owned()), ..Forgery::default() },
        Forgery { challenge: Some(vec![7; 32]), ..Forgery::default() },
        Forgery { client_type: Some("webauthn.get".to_owned()), ..Forgery::default() },
        Forgery { flags: Some(0), ..Forgery::default() },
        Forgery { cross_origin: true, ..Forgery::default() },
    ];
    let offer = ada.offer("webauthn");
    for lie in lies {
        let response = forge(lie.clone()).register(&offer.body, ORIGIN);
        ada.confirm_webauthn(&offer, &response).is(REFUSED_SECOND_FACTOR);
        assert_eq!(ada.factor_count(), 0, "{lie:?}");
    }
    let good = Authenticator::default().register(&offer.body, ORIGIN);
    ada.confirm_webauthn(&offer, &good).is(REFUSED_SECOND_FACTOR);
    // A right password clears what was counted, so the offer comes first.
    let offers = [ada.offer("webauthn"), ada.offer("webauthn")];
    let elsewhere = Authenticator::default().register(&offers[0].body, "https://badauth.example");
    for offer in &offers {
        for _ in 0..5 {
            ada.confirm_webauthn(offer, &elsewhere).is(REFUSED_SECOND_FACTOR);
        }
    }
    let throttled = ada.post("/api/users/me/2fa/webauthn", &json!({"password": crate::app::PASSWORD}));
    throttled.is(RATE_LIMITED);
    assert_eq!(ada.factor_count(), 0);
}

fn an_offer_is_good_once_and_for_the_session_that_asked(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let offer = ada.offer("webauthn");
    let response = Authenticator::default().register(&offer.body, ORIGIN);
    for other in [&ada.log_in("ada"), &bob] {
        other.confirm_webauthn(&offer, &response).is(REFUSED_SECOND_FACTOR);
    }
    ada.at(&app.replica()).confirm_webauthn(&offer, &response).expect(201);
    let another = Authenticator::default().register(&offer.body, ORIGIN);
    for response in [&response, &another] {
        ada.confirm_webauthn(&offer, response).is(REFUSED_SECOND_FACTOR);
    }
    assert_eq!(ada.factor_count(), 1);
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let all = json!({"fields": ["token", "name", "response"]});
    ada.post(CONFIRM, &json!({})).is_with(MISSING_FIELDS, all.clone());
    ada.post(CONFIRM, &json!({"response": "x", "name": 1, "token": 1})).is_with(MISSING_FIELDS, all);
    let garbage = json!({"token": "garbage", "name": "x", "response": {}});
    ada.post(CONFIRM, &garbage).is(MALFORMED_SECOND_FACTOR);
}
