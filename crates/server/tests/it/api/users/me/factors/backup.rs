//! `POST /users/me/2fa/backup`, and what the codes are good for.

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Enrolled, PASSWORD, TestApp, backup, totp};
use crate::errors::{INVALID_PASSWORD, INVALID_SECOND_FACTOR_METHOD, REFUSED_SECOND_FACTOR};

on_both_engines!(
    who_has_no_factor_gets_no_codes,
    ten_new_codes_void_the_old_ones,
    a_code_works_once_at_any_door_and_any_replica,
    spaces_hyphens_and_case_do_not_matter,
    once_all_are_used_no_code_is_asked_for,
);

const PATH: &str = "/api/users/me/2fa/backup";

fn who_has_no_factor_gets_no_codes(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.post(PATH, &json!({"password": "wrong"})).is(INVALID_PASSWORD);
    ada.post(PATH, &json!({"password": PASSWORD})).is(INVALID_SECOND_FACTOR_METHOD);
    let challenge = json!({"token": ada.token()});
    ada.answer("POST", PATH, &json!({}), &backup(&challenge, "AAAAAA-AAAAAA-AAAAAA-AAAAAA")).is(REFUSED_SECOND_FACTOR);
    ada.log_in("ada");
}

fn ten_new_codes_void_the_old_ones(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, Enrolled { codes: old, .. }) = ada.enrol_totp(&app);
    let renewed = ada.by_backup(&old[0], "POST", PATH, &json!({})).expect(201);
    let new: Vec<&str> = renewed["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(renewed, json!({"codes": new}));
    assert!(new.len() == 10 && new.iter().all(|code| !old.iter().any(|old| old == code)));
    for (index, code) in new.iter().enumerate() {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&backup(&challenge, &old[index])).is(REFUSED_SECOND_FACTOR);
        app.anonymous().answer_login(&backup(&challenge, code)).expect(201);
    }
}

fn a_code_works_once_at_any_door_and_any_replica(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let rename = json!({"username": "lovelace"});
    ada.by_backup(&codes[0], "PUT", "/api/users/me/username", &rename).expect(200);
    for server in [&app, &replica] {
        let challenge = server.anonymous().login_challenged("lovelace");
        server.anonymous().answer_login(&backup(&challenge, &codes[0])).is(REFUSED_SECOND_FACTOR);
        ada.at(server).by_backup(&codes[0], "POST", PATH, &json!({})).is(REFUSED_SECOND_FACTOR);
    }
    let challenge = replica.anonymous().login_challenged("lovelace");
    replica.anonymous().answer_login(&backup(&challenge, &codes[1])).expect(201);
    ada.by_backup(&codes[1], "POST", PATH, &json!({})).is(REFUSED_SECOND_FACTOR);
}

fn spaces_hyphens_and_case_do_not_matter(database: TestDatabase) {
    let app = TestApp::start(database);
    let (_, Enrolled { codes, .. }) = app.user("ada").enrol_totp(&app);
    let spellings = [codes[0].to_lowercase(), codes[1].replace('-', ""), format!(" {} ", codes[2].replace('-', "  "))];
    for spelling in spellings {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&backup(&challenge, &spelling)).expect(201);
        let challenge = app.anonymous().login_challenged("ada");
        let again = spelling.replace([' ', '-'], "").to_uppercase();
        app.anonymous().answer_login(&backup(&challenge, &again)).is(REFUSED_SECOND_FACTOR);
    }
}

fn once_all_are_used_no_code_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    for code in &codes {
        let challenge = app.anonymous().login_challenged("ada");
        assert_eq!(challenge["types"], json!(["totp", "backup"]));
        app.anonymous().answer_login(&backup(&challenge, code)).expect(201);
    }
    let challenge = app.anonymous().login_challenged("ada");
    assert_eq!(challenge["types"], json!(["totp"]));
    app.anonymous().answer_login(&backup(&challenge, &codes[0])).is(INVALID_SECOND_FACTOR_METHOD);
    app.anonymous().answer_login(&totp(&challenge, &phone.fresh_code(&app))).expect(201);
}
