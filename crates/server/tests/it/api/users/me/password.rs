//! `PUT /api/users/me/password`.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{PASSWORD, TestApp};
use crate::errors::{INVALID_PASSWORD, MISSING_FIELDS, NOT_AUTHENTICATED, PASSWORDS_DO_NOT_MATCH};

on_both_engines!(
    a_new_password_ends_every_other_session_at_once_and_everywhere,
    the_old_password_is_refused_and_the_new_one_taken,
    a_weak_password_is_a_missing_field,
    passwords_that_differ_are_told_before_the_old_one_is_checked,
    all_that_is_missing_or_mistyped_is_listed_in_order,
);

const PATH: &str = "/api/users/me/password";
const NEW: &str = "amber quarry lantern 9";

fn change(new: &str, confirmation: &str, password: &str) -> Value {
    json!({"newPassword": new, "confirmNewPassword": confirmation, "password": password})
}

fn a_new_password_ends_every_other_session_at_once_and_everywhere(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let others = [ada.log_in("ada"), ada.scoped(&[Scope::All])];
    assert!(others.iter().all(|other| other.at(&replica).works()));
    let answer = ada.put(PATH, &change(NEW, NEW, PASSWORD)).expect(200);
    assert_eq!(answer["username"], "ada");
    for other in &others {
        other.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
        other.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    assert!(ada.works() && ada.at(&replica).works() && bob.works());
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn the_old_password_is_refused_and_the_new_one_taken(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    ada.put(PATH, &change(NEW, NEW, PASSWORD)).expect(200);
    for server in [&app, &replica] {
        let log_in =
            |password: &str| server.anonymous().post("/api/login", &json!({"username": "ada", "password": password}));
        log_in(PASSWORD).is(INVALID_PASSWORD);
        log_in(NEW).expect(201);
    }
    ada.put(PATH, &change(PASSWORD, PASSWORD, PASSWORD)).is(INVALID_PASSWORD);
    ada.put(PATH, &change(PASSWORD, PASSWORD, NEW)).expect(200);
    assert!(ada.log_in("ada").works());
}

fn a_weak_password_is_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let name = "xk7-quarry-lamp";
    let user = app.user(name);
    let long = "correct horse ".repeat(74);
    for password in ["", "short", name, "xk7-quarry-lamp@example.org", &long] {
        for confirmation in [password, NEW] {
            let refused = user.put(PATH, &change(password, confirmation, PASSWORD));
            refused.is_with(MISSING_FIELDS, json!({"fields": ["newPassword"]}));
        }
    }
    // How soon it is guessed takes work to tell, so that is told last.
    for common in ["password", "12345678", "qwertyuiop", "p@$$w0rd"] {
        user.put(PATH, &change(common, NEW, PASSWORD)).is(PASSWORDS_DO_NOT_MATCH);
        user.put(PATH, &change(common, common, "wrong")).is(INVALID_PASSWORD);
        let refused = user.put(PATH, &change(common, common, PASSWORD));
        refused.is_with(MISSING_FIELDS, json!({"fields": ["newPassword"]}));
    }
    assert!(user.log_in(name).works());
}

fn passwords_that_differ_are_told_before_the_old_one_is_checked(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for confirmation in ["", "amber quarry lantern 8", "AMBER QUARRY LANTERN 9", "amber quarry lantern 9 "] {
        for password in [PASSWORD, "wrong"] {
            ada.put(PATH, &change(NEW, confirmation, password)).is(PASSWORDS_DO_NOT_MATCH);
        }
    }
    assert!(ada.log_in("ada").works());
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let all = json!({"fields": ["newPassword", "confirmNewPassword", "password"]});
    ada.put(PATH, &json!({})).is_with(MISSING_FIELDS, all.clone());
    let mistyped = json!({"password": 1, "confirmNewPassword": null, "newPassword": ["x"]});
    ada.put(PATH, &mistyped).is_with(MISSING_FIELDS, all.clone());
    let weak = json!({"newPassword": "short"});
    ada.put(PATH, &weak).is_with(MISSING_FIELDS, all);
    let no_confirmation = json!({"newPassword": NEW, "password": PASSWORD});
    ada.put(PATH, &no_confirmation).is_with(MISSING_FIELDS, json!({"fields": ["confirmNewPassword"]}));
}
