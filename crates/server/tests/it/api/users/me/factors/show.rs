//! `GET /users/me/2fa` and `GET /users/me/2fa/:id`.

use serde_json::json;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{PATH, path};
use crate::app::{Client, TestApp, assertion, totp};
use crate::errors::INVALID_SECOND_FACTOR;
use crate::routes::NO_FACTOR;

on_both_engines!(
    a_list_names_factors_newest_first_and_says_no_more,
    a_factor_is_shown_without_its_secrets,
    a_use_is_shown_and_a_refused_one_is_not,
    what_is_no_factor_of_ones_own_is_404,
);

fn a_list_names_factors_newest_first_and_says_no_more(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert_eq!(ada.get(PATH).expect(200), json!({"count": 0, "items": []}));
    let (_, phone) = ada.enrol_totp(&app);
    app.clock().advance_seconds(1);
    let key = ada.enrol_webauthn_by_backup(&mut Authenticator::default(), &phone.codes[0]);
    let [newer, older] = [json!({"id": key.id, "name": "My key"}), json!({"id": phone.id, "name": "My phone"})];
    assert_eq!(ada.get(PATH).expect(200), json!({"count": 2, "items": [newer, older]}));
    let page = |query: &str| ada.get(&format!("{PATH}?{query}")).expect(200);
    assert_eq!(page("limit=1"), json!({"count": 2, "items": [newer]}));
    assert_eq!(page("limit=1&offset=1"), json!({"count": 2, "items": [older]}));
    assert_eq!(page("limit=0"), json!({"count": 2, "items": []}));
    assert_eq!(page("limit=-1&offset=x")["items"].as_array().unwrap().len(), 2);
    let script = ada.login_by_backup(&phone.codes[1]).scoped_by_backup(&[Scope::SecondFactorRead], &phone.codes[2]);
    assert_eq!(script.get(PATH).expect(200)["count"], 2);
    assert_eq!(script.get(&path(&key.id)).expect(200)["id"], key.id);
}

fn a_factor_is_shown_without_its_secrets(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, phone) = ada.enrol_totp(&app);
    let key = ada.enrol_webauthn_by_backup(&mut Authenticator::default(), &phone.codes[0]);
    let now = "2026-01-15T12:00:00.250Z";
    for (id, name, kind) in [(&phone.id, "My phone", "totp"), (&key.id, "My key", "webauthn")] {
        let expected = json!({
            "id": id, "name": name, "type": kind, "usedAt": now, "createdAt": now, "updatedAt": now,
        });
        assert_eq!(ada.get(&path(id)).expect(200), expected);
    }
}

fn used_at(client: &Client, id: &str) -> String {
    client.get(&path(id)).expect(200)["usedAt"].as_str().unwrap().to_owned()
}

fn a_use_is_shown_and_a_refused_one_is_not(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, enrolled) = ada.enrol_totp(&app);
    let mut key = Authenticator::default();
    let touched = ada.enrol_webauthn_by_backup(&mut key, &enrolled.codes[0]);
    let first = used_at(&ada, &enrolled.id);
    app.clock().advance_seconds(60);
    let challenge = app.anonymous().login_challenged("ada");
    assert_eq!(app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, 5))).status, 401);
    assert_eq!(used_at(&ada, &enrolled.id), first);
    app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, 0))).expect(201);
    assert_eq!((used_at(&ada, &enrolled.id).as_str(), used_at(&ada, &touched.id)), ("2026-01-15T12:01:00.250Z", first));
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&assertion(&challenge, &mut key)).expect(201);
    assert_eq!(used_at(&ada, &touched.id), "2026-01-15T12:01:00.250Z");
}

fn what_is_no_factor_of_ones_own_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (_, phone) = ada.enrol_totp(&app);
    bob.get(&path(&phone.id)).is(INVALID_SECOND_FACTOR);
    for id in [NO_FACTOR, "x", "me", "0", &phone.id.to_uppercase(), &phone.id.replace('-', "")] {
        ada.get(&path(id)).is(INVALID_SECOND_FACTOR);
    }
    ada.get(&path(&phone.id)).expect(200);
}
