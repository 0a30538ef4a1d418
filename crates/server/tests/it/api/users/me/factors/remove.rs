//! `DELETE /users/me/2fa/:id`, `DELETE /users/me/2fa` and `DELETE /users/me/2fa/all`.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{PATH, path};
use crate::app::{Client, CodeApp, Enrolled, PASSWORD, TestApp, assertion, backup, totp};
use crate::errors::{
    INVALID_SECOND_FACTOR, INVALID_SECOND_FACTOR_METHOD, MISSING_FIELDS, REFUSED_SECOND_FACTOR, TOO_MANY_IDS,
};
use crate::routes::NO_FACTOR;

on_both_engines!(
    one_factor_is_removed_and_the_others_and_the_codes_stay,
    with_the_last_factor_the_codes_are_void_and_none_is_asked_for,
    some_are_removed_and_counted_once,
    all_are_removed_and_counted,
    anothers_factor_is_404_and_stays,
    what_is_refused_spends_neither_challenge_nor_code,
    too_many_ids_and_what_is_no_id_are_400,
    other_sessions_end_with_a_factor_that_comes_or_goes_where_that_is_asked_for,
);

/// A user with a phone and a key, and unused backup codes.
struct Owner {
    client: Client,
    phone: CodeApp,
    phone_id: String,
    key: Authenticator,
    key_id: String,
    codes: Vec<String>,
}

impl Owner {
    fn new(app: &TestApp, name: &str) -> Self {
        let client = app.user(name);
        let (phone, Enrolled { id: phone_id, mut codes }) = client.enrol_totp(app);
        let mut key = Authenticator::default();
        let key_id = client.enrol_webauthn_by_backup(&mut key, &codes.remove(0)).id;
        Self { client, phone, phone_id, key, key_id, codes }
    }

    /// Removes what the path and the body say, by a backup code.
    fn remove(&mut self, path: &str, body: &Value) -> crate::app::Response {
        self.client.by_backup(&self.codes.remove(0), "DELETE", path, body)
    }
}

fn removed(count: u64) -> Value {
    json!({
        "code": "DELETE_SECOND_FACTORS_SUCCESS", "message": "Second Factors Successfully Deleted", "count": count,
    })
}

fn one_factor_is_removed_and_the_others_and_the_codes_stay(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut ada = Owner::new(&app, "ada");
    let id = ada.phone_id.clone();
    let answer = ada.remove(&path(&id), &json!({})).expect(200);
    let code = "DELETE_SECOND_FACTOR_SUCCESS";
    assert_eq!(answer, json!({"code": code, "message": "Second Factor Successfully Deleted"}));
    ada.client.get(&path(&id)).is(INVALID_SECOND_FACTOR);
    let challenge = app.anonymous().login_challenged("ada");
    assert_eq!(challenge["types"], json!(["webauthn", "backup"]));
    let code = ada.phone.fresh_code(&app);
    app.anonymous().answer_login(&totp(&challenge, &code)).is(INVALID_SECOND_FACTOR_METHOD);
    app.anonymous().answer_login(&backup(&challenge, &ada.codes[0])).expect(201);
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&assertion(&challenge, &mut ada.key)).expect(201);
    ada.remove(&path(&id), &json!({})).is(REFUSED_SECOND_FACTOR);
    ada.remove(&path(&id), &json!({})).is(INVALID_SECOND_FACTOR);
}

fn with_the_last_factor_the_codes_are_void_and_none_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut ada = Owner::new(&app, "ada");
    let login = app.anonymous().login_challenged("ada");
    ada.remove(&format!("{PATH}/all"), &json!({})).expect(200);
    let left = [totp(&login, &ada.phone.fresh_code(&app)), backup(&login, &ada.codes[0])];
    for answer in left {
        app.anonymous().answer_login(&answer).is(INVALID_SECOND_FACTOR_METHOD);
    }
    assert!(ada.client.log_in("ada").works());
    // The codes do not come back with the next factor.
    let (_, enrolled) = ada.client.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&backup(&challenge, &ada.codes[0])).is(REFUSED_SECOND_FACTOR);
    app.anonymous().answer_login(&backup(&challenge, &enrolled.codes[0])).expect(201);
}

fn some_are_removed_and_counted_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let (mut ada, bob) = (Owner::new(&app, "ada"), Owner::new(&app, "bob"));
    assert_eq!(ada.remove(PATH, &json!({"ids": []})).expect(200), removed(0));
    let ids = json!([ada.key_id, ada.key_id, bob.phone_id, bob.key_id, NO_FACTOR, "x", 7, ada.key_id.to_uppercase()]);
    assert_eq!(ada.remove(PATH, &json!({"ids": ids})).expect(200), removed(1));
    assert_eq!((ada.client.factor_count(), bob.client.factor_count()), (json!(1), json!(2)));
    ada.client.get(&path(&ada.phone_id)).expect(200);
    assert_eq!(ada.remove(PATH, &json!({"ids": ids})).expect(200), removed(0));
}

fn all_are_removed_and_counted(database: TestDatabase) {
    let app = TestApp::start(database);
    let (mut ada, bob) = (Owner::new(&app, "ada"), Owner::new(&app, "bob"));
    let all = format!("{PATH}/all");
    assert_eq!(ada.remove(&all, &json!({})).expect(200), removed(2));
    assert_eq!((ada.client.factor_count(), bob.client.factor_count()), (json!(0), json!(2)));
    assert_eq!(ada.client.delete_with(&all, &json!({"password": PASSWORD})).expect(200), removed(0));
}

fn anothers_factor_is_404_and_stays(database: TestDatabase) {
    let app = TestApp::start(database);
    let (mut ada, bob) = (Owner::new(&app, "ada"), Owner::new(&app, "bob"));
    for id in [&bob.phone_id, &bob.key_id] {
        ada.remove(&path(id), &json!({})).is(INVALID_SECOND_FACTOR);
        ada.client.get(&path(id)).is(INVALID_SECOND_FACTOR);
        bob.client.get(&path(id)).expect(200);
    }
    let eve = app.user("eve");
    eve.delete_with(&path(&bob.key_id), &json!({"password": PASSWORD})).is(INVALID_SECOND_FACTOR);
    assert_eq!(bob.client.factor_count(), 2);
}

fn what_is_refused_spends_neither_challenge_nor_code(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = Owner::new(&app, "ada");
    let gone = path(NO_FACTOR);
    let challenge = ada.client.challenged("DELETE", &gone, &json!({}));
    let answer = totp(&challenge, &ada.phone.fresh_code(&app));
    for _ in 0..12 {
        ada.client.answer("DELETE", &gone, &json!({}), &answer).is(INVALID_SECOND_FACTOR);
    }
    // Nor is it good for anything else.
    ada.client.answer("DELETE", &path(&ada.key_id), &json!({}), &answer).is(REFUSED_SECOND_FACTOR);
    assert_eq!(ada.client.factor_count(), 2);
    let login = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&totp(&login, answer["code"].as_str().unwrap())).expect(201);
    ada.client.answer("DELETE", &gone, &json!({}), &answer).is(REFUSED_SECOND_FACTOR);
}

fn too_many_ids_and_what_is_no_id_are_400(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let send = |ids: Value| ada.delete_with(PATH, &json!({"ids": ids, "password": PASSWORD}));
    send(json!(vec![NO_FACTOR; 51])).is(TOO_MANY_IDS);
    assert_eq!(send(json!(vec![NO_FACTOR; 50])).expect(200), removed(0));
    for wrong in [json!("x"), json!([null]), json!([["x"]]), json!({})] {
        send(wrong).is_with(MISSING_FIELDS, json!({"fields": ["ids"]}));
    }
}

fn other_sessions_end_with_a_factor_that_comes_or_goes_where_that_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let near = app.replica();
    let ada = app.user("ada");
    let bob = app.user("bob");
    let others = [app.anonymous().log_in("ada"), ada.scoped(&[Scope::AccountRead])];
    assert!(others.iter().all(|other| other.at(&near).works()));
    let offer = ada.offer("totp");
    let confirm = |code: &str| {
        let body = json!({"token": offer.token, "name": "Phone", "code": code});
        ada.post(&format!("{PATH}/totp/confirm?end-others=true"), &body)
    };
    // What is refused ends nothing.
    confirm("000000").expect(401);
    assert!(others.iter().all(|other| other.at(&near).works()));
    let enrolled = confirm(&offer.code_app().code(&app, 0)).expect(201);
    let code = |number: usize| enrolled["codes"][number].as_str().unwrap().to_owned();
    assert!(others.iter().all(|other| !other.at(&near).works()) && ada.at(&near).works() && bob.works());
    let other = ada.login_by_backup(&code(0));
    let gone = json!({"ids": [NO_FACTOR]});
    ada.by_backup(&code(1), "DELETE", &format!("{PATH}?end-others=1"), &gone).expect(200);
    assert!(other.at(&near).works(), "nothing was removed");
    ada.by_backup(&code(2), "DELETE", &format!("{PATH}/all?end-others=1"), &json!({})).expect(200);
    assert!(!other.at(&near).works() && ada.at(&near).works());
    let other = app.anonymous().log_in("ada");
    ada.enrol_totp(&app);
    assert!(other.at(&near).works(), "it is not asked for");
}
