//! `DELETE /api/users/me`.

use serde_json::json;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{PASSWORD, TestApp};
use crate::errors::{INVALID_USER, NOT_AUTHENTICATED};

on_both_engines!(
    a_deleted_account_takes_its_sessions_with_it_at_once_and_everywhere,
    the_name_and_the_address_are_free_again,
    staff_may_delete_themselves_here,
);

fn a_deleted_account_takes_its_sessions_with_it_at_once_and_everywhere(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let sessions = [ada.clone(), ada.log_in("ada"), ada.scoped(&[Scope::All])];
    assert!(sessions.iter().all(|session| session.at(&replica).works()));
    let answer = ada.delete_with("/api/users/me", &json!({"password": PASSWORD})).expect(200);
    assert_eq!(answer, json!({"code": "DELETE_USER_SUCCESS", "message": "User Successfully Deleted"}));
    for session in &sessions {
        session.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
        session.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    ada.delete_with("/api/users/me", &json!({"password": PASSWORD})).is(NOT_AUTHENTICATED);
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).is(INVALID_USER);
    assert!(bob.works());
}

fn the_name_and_the_address_are_free_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.delete_with("/api/users/me", &json!({"password": PASSWORD})).expect(200);
    let again = app.user("ada");
    assert_eq!(again.get("/api/users/me/sessions").expect(200)["count"], 1);
    assert!(again.works() && !ada.works(), "somebody else of the same name");
}

fn staff_may_delete_themselves_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, other) = (app.staff("root"), app.staff("other"));
    root.delete_with("/api/users/me", &json!({"password": PASSWORD})).expect(200);
    root.get("/api/users").is(NOT_AUTHENTICATED);
    assert_eq!(other.get("/api/users").expect(200)["count"], 1);
}
