//! `PUT /api/users/me/username`.

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INVALID_USER, INVALID_USERNAME, USER_EXISTS};

on_both_engines!(
    a_user_takes_another_name_and_logs_in_by_it,
    a_name_that_somebody_has_is_409_however_it_is_spelt,
    ones_own_name_may_be_spelt_otherwise,
    a_name_that_is_given_up_is_free,
    a_text_that_is_no_name_is_400_before_the_password_is_checked,
);

fn rename(client: &Client, name: &str) -> Response {
    client.put("/api/users/me/username", &json!({"username": name, "password": PASSWORD}))
}

fn a_user_takes_another_name_and_logs_in_by_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, script) = (app.user("ada"), app.anonymous().log_in("ada"));
    app.clock().advance_seconds(5);
    let answer = rename(&ada, "Lovelace").expect(200);
    assert_eq!(answer, ada.get("/api/users/me").expect(200));
    assert_eq!((&answer["username"], &answer["email"]), (&json!("Lovelace"), &json!("ada@example.org")));
    assert_eq!(answer["updatedAt"], "2026-01-15T12:00:05.250Z");
    assert!(ada.works() && script.works(), "a new name ends no session");
    assert_eq!(ada.log_in("lovelace").id(), ada.id());
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).is(INVALID_USER);
}

fn a_name_that_somebody_has_is_409_however_it_is_spelt(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, _bob) = (app.user("ada"), app.user("Bob"));
    for name in ["Bob", "bob", "bOB"] {
        rename(&ada, name).is(USER_EXISTS);
    }
    assert_eq!(ada.get("/api/users/me").expect(200)["username"], "ada");
}

fn ones_own_name_may_be_spelt_otherwise(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["ADA", "ADA", "Ada"] {
        assert_eq!(rename(&ada, name).expect(200)["username"], name);
        assert!(ada.log_in("aDa").works());
    }
}

fn a_name_that_is_given_up_is_free(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    rename(&ada, "lovelace").expect(200);
    assert_eq!(rename(&bob, "ada").expect(200)["username"], "ada");
    assert_eq!(bob.log_in("ada").id(), bob.id());
}

fn a_text_that_is_no_name_is_400_before_the_password_is_checked(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["", " ", "a b", "ä", "a@b", "1234567890123", &"x".repeat(65)] {
        rename(&ada, name).is(INVALID_USERNAME);
        let wrong = json!({"username": name, "password": "wrong"});
        ada.put("/api/users/me/username", &wrong).is(INVALID_USERNAME);
    }
    assert_eq!(ada.get("/api/users/me").expect(200)["username"], "ada");
}
