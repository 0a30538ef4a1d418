//! Requests that something happens to half-way: between the judgement and the change.

mod changes;

use serde_json::{Value, json};
use thunderhead_domain::audit::Deed;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Storage};
use thunderhead_domain::session::{Actor, EndReason};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, START, TestApp, registration};
use crate::errors::{BANNED, INSUFFICIENT_PERMISSIONS, NO_SUCH_SESSION, NOT_AUTHENTICATED, USER_EXISTS};

on_both_engines!(
    a_login_begun_before_a_ban_is_not_finished,
    a_scoped_session_is_not_opened_for_a_user_who_is_banned_meanwhile,
    a_scoped_session_is_not_opened_by_a_session_that_is_ended_meanwhile,
    staff_scopes_are_not_given_to_a_user_who_is_demoted_meanwhile,
    a_session_that_is_ended_meanwhile_is_ended_once,
    a_name_that_is_taken_meanwhile_is_taken,
    a_password_that_is_changed_meanwhile_proves_nothing,
);

/// What the operator does at the start of the test's time.
pub(crate) const fn deed() -> Deed {
    Deed { at: START, by: Actor::CommandLine, client_ip: None }
}

fn ban(storage: &dyn Storage, user: UserId) {
    block_on(storage.account_ban(user, None, deed().into())).unwrap().unwrap();
}

fn end_all(storage: &dyn Storage, user: UserId) {
    block_on(storage.session_end_all(user, EndReason::Operator, deed())).unwrap();
}

fn wish(flags: u32) -> Value {
    json!({"name": "script", "permissionFlags": flags, "password": PASSWORD})
}

/// How many sessions a user has, once they may look again.
fn sessions(app: &TestApp, user: &Client) -> Value {
    block_on(app.operator().account_unban(user.name())).unwrap();
    user.log_in(user.name()).get("/api/users/me/sessions").expect(200)["count"].clone()
}

fn a_login_begun_before_a_ban_is_not_finished(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let user = ada.user_id();
    app.before("session_open", move |storage| ban(storage, user));
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).is(BANNED);
    assert_eq!(sessions(&app, &ada), 1);
}

fn a_scoped_session_is_not_opened_for_a_user_who_is_banned_meanwhile(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let user = ada.user_id();
    app.before("session_open_from", move |storage| ban(storage, user));
    ada.post("/api/users/me/sessions", &wish(1)).is(BANNED);
    assert_eq!(sessions(&app, &ada), 1);
}

fn a_scoped_session_is_not_opened_by_a_session_that_is_ended_meanwhile(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let user = ada.user_id();
    app.before("session_open_from", move |storage| end_all(storage, user));
    ada.post("/api/users/me/sessions", &wish(1)).is(NOT_AUTHENTICATED);
    assert_eq!(sessions(&app, &ada), 1);
}

fn staff_scopes_are_not_given_to_a_user_who_is_demoted_meanwhile(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let user = root.user_id();
    let demote = move |storage: &dyn Storage| {
        block_on(storage.account_set_staff(user, false, deed().into())).unwrap().unwrap();
    };
    app.before("session_open_from", demote);
    root.post("/api/users/me/sessions", &wish(512)).is(INSUFFICIENT_PERMISSIONS);
    assert!(root.works(), "the session that asked has done nothing wrong");
    block_on(app.operator().account_promote("root")).unwrap();
    let root = root.log_in("root");
    app.before("session_open_from", demote);
    root.post("/api/users/me/sessions", &wish(32)).expect(201);
}

fn a_session_that_is_ended_meanwhile_is_ended_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let user = ada.user_id();
    app.before("session_end", move |storage| end_all(storage, user));
    ada.delete("/api/users/me/sessions/me").is(NO_SUCH_SESSION);
    let again = ada.log_in("ada");
    app.before("session_end_some", move |storage| end_all(storage, user));
    let some = again.delete_with("/api/users/me/sessions", &json!({"ids": ["me"]}));
    assert_eq!(some.expect(200)["count"], 0);
}

fn a_name_that_is_taken_meanwhile_is_taken(database: TestDatabase) {
    let app = TestApp::start(database);
    let other = app.replica();
    app.before("account_register", move |_| {
        other.user("ada");
    });
    app.anonymous().post("/api/register", &registration("ada")).is(USER_EXISTS);
}

fn a_password_that_is_changed_meanwhile_proves_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (user, eve) = (ada.user_id(), app.user("eve").user_id());
    app.before("budget_charge", move |storage| {
        let (_, other) = block_on(storage.account_credential(AccountName::Id(eve))).unwrap().unwrap();
        block_on(storage.account_set_password(user, other.password, deed().into())).unwrap().unwrap();
    });
    let change = json!({"username": "mallory", "password": PASSWORD});
    // Who changed it shut the session out, too.
    ada.put("/api/users/me/username", &change).is(NOT_AUTHENTICATED);
}
