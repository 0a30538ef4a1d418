//! `POST /users/me/2fa/passkey` and `POST /users/me/2fa/passkey/confirm`.

use serde_json::json;
use thunderhead_testkit::authenticator::{Authenticator, Forgery, USER_PRESENT};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{ORIGIN, TestApp, assertion};
use crate::errors::REFUSED_SECOND_FACTOR;

on_both_engines!(
    an_offer_asks_for_a_key_that_is_found_by_itself_and_knows_its_user,
    a_passkey_is_shown_as_one_and_whether_it_is_synced,
    a_passkey_is_a_second_factor_wherever_a_security_key_is,
    a_key_that_does_not_know_its_user_or_is_not_found_again_is_no_passkey,
    passkeys_that_are_known_are_not_enrolled_again_and_security_keys_may_be_beside_them,
    an_offer_of_one_kind_enrols_no_other,
);

fn an_offer_asks_for_a_key_that_is_found_by_itself_and_knows_its_user(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let body = ada.offer("passkey").body;
    assert_eq!((&body["type"], &body["exp"]), (&json!("passkey"), &json!(app.seconds() + 300)));
    let selection = &body["authenticatorSelection"];
    assert_eq!((&selection["residentKey"], &selection["requireResidentKey"]), (&json!("required"), &json!(true)));
    assert_eq!(selection["userVerification"], "required");
    assert_eq!((&body["rp"]["id"], &body["attestation"]), (&json!("auth.example"), &json!("none")));
    assert_eq!(ada.factor_count(), 0);
}

fn a_passkey_is_shown_as_one_and_whether_it_is_synced(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let enrolled = ada.enrol_passkey(&mut Authenticator::default());
    assert_eq!(enrolled.codes.len(), 10);
    let mut copied = Authenticator::without_counter();
    copied.synced = true;
    let synced = ada.enrol_passkey_by_backup(&mut copied, &enrolled.codes[0]);
    let key = ada.enrol_webauthn_by_backup(&mut Authenticator::default(), &enrolled.codes[1]);
    for (id, kind, synced) in [
        (&enrolled.id, "passkey", json!(false)),
        (&synced.id, "passkey", json!(true)),
        (&key.id, "webauthn", json!(null)),
    ] {
        let shown = ada.get(&super::path(id)).expect(200);
        assert_eq!((&shown["type"], &shown["synced"]), (&json!(kind), &synced), "{shown}");
    }
}

fn a_passkey_is_a_second_factor_wherever_a_security_key_is(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    ada.enrol_passkey(&mut key);
    let challenge = app.anonymous().login_challenged("ada");
    assert_eq!(challenge["types"], json!(["webauthn", "backup"]));
    // The passkey would not sign for anybody else; a key that knows nobody is not kept out.
    assert_eq!(challenge["challenge"]["userVerification"], "preferred");
    app.anonymous().answer_login(&assertion(&challenge, &mut key)).expect(201);
    let body = json!({"username": "lovelace"});
    let challenge = ada.challenged("PUT", "/api/users/me/username", &body);
    ada.answer("PUT", "/api/users/me/username", &body, &assertion(&challenge, &mut key)).expect(200);
    let challenge = app.anonymous().login_challenged("lovelace");
    key.forgery.flags = Some(USER_PRESENT);
    app.anonymous().answer_login(&assertion(&challenge, &mut key)).is(REFUSED_SECOND_FACTOR);
}

fn a_key_that_does_not_know_its_user_or_is_not_found_again_is_no_passkey(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("passkey");
    let mut key = Authenticator::default();
    key.forgery = Forgery { flags: Some(USER_PRESENT), ..Forgery::default() };
    ada.confirm_passkey(&offer, &key.register(&offer.body, ORIGIN)).is(REFUSED_SECOND_FACTOR);
    let mut lost = Authenticator::default().register(&offer.body, ORIGIN);
    lost["clientExtensionResults"] = json!({"credProps": {"rk": false}});
    ada.confirm_passkey(&offer, &lost).is(REFUSED_SECOND_FACTOR);
    assert_eq!(ada.factor_count(), 0);
    // Not every browser says it.
    let mut silent = Authenticator::default().register(&offer.body, ORIGIN);
    silent["clientExtensionResults"] = json!({});
    ada.confirm_passkey(&offer, &silent).expect(201);
}

fn passkeys_that_are_known_are_not_enrolled_again_and_security_keys_may_be_beside_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let known = |offer: &serde_json::Value| offer["excludeCredentials"].as_array().unwrap().len();
    let codes = ada.enrol_webauthn(&mut Authenticator::default()).codes;
    let offer = ada.offer_by_backup("passkey", &codes[0]);
    assert_eq!(known(&offer.body), 0);
    ada.confirm_passkey(&offer, &Authenticator::default().register(&offer.body, ORIGIN)).expect(201);
    assert_eq!(known(&ada.offer_by_backup("passkey", &codes[1]).body), 1);
    // A passkey serves as a security key, so that no other is needed on the same device.
    assert_eq!(known(&ada.offer_by_backup("webauthn", &codes[2]).body), 2);
}

fn an_offer_of_one_kind_enrols_no_other(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (key, passkey) = (ada.offer("webauthn"), ada.offer("passkey"));
    let [of_key, of_passkey] = [&key, &passkey].map(|offer| Authenticator::default().register(&offer.body, ORIGIN));
    ada.confirm_passkey(&key, &of_key).is(REFUSED_SECOND_FACTOR);
    ada.confirm_webauthn(&passkey, &of_passkey).is(REFUSED_SECOND_FACTOR);
    assert_eq!(ada.factor_count(), 0);
    ada.confirm_passkey(&passkey, &of_passkey).expect(201);
}
