//! Requests that something happens to half-way: between the authorization and the change.

mod changes;

use std::sync::mpsc;

use serde_json::{Value, json};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, Storage};
use thunderhead_domain::session::{Actor, EndReason};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, PASSWORD, Response, START, TestApp, claims, registration};
use crate::errors::{BANNED, INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED, USER_EXISTS};
use crate::routes::{NO_FACTOR, ROWS, Who};

on_both_engines!(
    a_login_begun_before_a_ban_is_not_finished,
    a_scoped_session_is_not_opened_for_a_user_who_is_banned_meanwhile,
    a_scoped_session_is_not_opened_by_a_session_that_is_ended_meanwhile,
    staff_scopes_are_not_given_to_a_user_who_is_demoted_meanwhile,
    a_session_that_is_ended_meanwhile_is_ended_once,
    nobody_who_is_signed_out_meanwhile_is_told_that_something_is_not_there,
    nobody_who_is_signed_out_or_banned_meanwhile_is_told_so_in_the_kratos_dialect,
    a_session_that_is_asked_for_by_itself_is_shown_although_it_ends_meanwhile,
    a_name_that_is_taken_meanwhile_is_taken,
    a_password_that_is_changed_meanwhile_proves_nothing,
);

/// What the operator does at the start of the test's time.
pub(crate) const fn action() -> ActionContext {
    ActionContext { at: START, by: Actor::CommandLine, client_ip: None }
}

fn ban(storage: &dyn Storage, user: UserId) {
    block_on(storage.account_ban(user, None, action().into())).unwrap().unwrap();
}

fn end_all(storage: &dyn Storage, user: UserId) {
    block_on(storage.session_end_all(user, EndReason::Operator, action())).unwrap();
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
        block_on(storage.account_set_staff(user, false, action().into())).unwrap().unwrap();
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
    ada.delete("/api/users/me/sessions/me").is(NOT_AUTHENTICATED);
    let again = ada.log_in("ada");
    app.before("session_end_some", move |storage| end_all(storage, user));
    let some = again.delete_with("/api/users/me/sessions", &json!({"ids": ["me"]}));
    assert_eq!(some.expect(200)["count"], 0);
}

/// Sends a request whose session is looked up and then ended.
fn send_and_end(app: &TestApp, caller: &Client, call: Call) -> Response {
    let (user, (sender, receiver)) = (caller.user_id(), mpsc::channel());
    app.after("session_authority", move |storage| {
        end_all(storage, user);
        sender.send(()).unwrap();
    });
    let response = call.send();
    receiver.try_recv().expect("the session is looked up");
    response
}

fn nobody_who_is_signed_out_meanwhile_is_told_that_something_is_not_there(database: TestDatabase) {
    let app = TestApp::start(database);
    for row in ROWS.iter().filter(|row| !row.who.gets_in()) {
        let name = format!("caller{}", app.number());
        let caller = if row.who == Who::Staff { app.staff(&name) } else { app.user(&name) };
        // Staff, too, about their own account: there it is as likely to be gone.
        let targets = if row.is_fatal() { vec![caller.clone()] } else { vec![caller.clone(), app.spare()] };
        for target in targets.into_iter().take(if row.who == Who::Staff { 2 } else { 1 }) {
            let caller = caller.log_in(&name);
            let session = target.log_in(target.name()).session_id();
            let call = row.call_about(&app, &caller, &target, session);
            let response = send_and_end(&app, &caller, call);
            assert!(!matches!(response.status, 404 | 409 | 500..), "{row:?}: {response:?}");
            if response.status == 401 {
                response.is(NOT_AUTHENTICATED);
            }
        }
    }
}

fn nobody_who_is_signed_out_or_banned_meanwhile_is_told_so_in_the_kratos_dialect(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let me = root.get("/auth/sessions/whoami").expect(200);
    let (identity, unknown) = (me["identity"]["id"].as_str().unwrap().to_owned(), NO_FACTOR);
    for (method, path) in [
        ("GET", format!("/auth/admin/sessions/{unknown}")),
        ("DELETE", format!("/auth/admin/sessions/{unknown}")),
        ("PATCH", format!("/auth/admin/sessions/{unknown}/extend")),
        ("PATCH", "/auth/admin/sessions/OWN/extend".to_owned()),
        ("GET", format!("/auth/admin/identities/{unknown}/sessions")),
        ("DELETE", format!("/auth/admin/identities/{identity}/sessions")),
    ] {
        let caller = root.log_in("root");
        let path = path.replace("OWN", claims(caller.token())["jti"].as_str().unwrap());
        let response = send_and_end(&app, &caller, caller.call(method, &path));
        assert_eq!(response.expect(401)["error"]["id"], "session_inactive", "{method} {path}");
    }
    let (ada, user) = (root.log_in("root"), root.user_id());
    app.after("session_authority", move |storage| ban(storage, user));
    ada.get(&format!("/api/users/{}/sessions/1", app.spare().id())).is(BANNED);
}

fn a_session_that_is_asked_for_by_itself_is_shown_although_it_ends_meanwhile(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for path in
        ["/api/users/me/sessions/me", "/api/users/me/sessions/OWN", "/api/user/session", "/api/user/session/OWN"]
    {
        let ada = ada.log_in("ada");
        let path = path.replace("OWN", &ada.session_id().to_string());
        send_and_end(&app, &ada, ada.call("GET", &path)).expect(200);
        ada.get(&path).is(NOT_AUTHENTICATED);
    }
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
        block_on(storage.account_set_password(user, other.password, action().into())).unwrap().unwrap();
    });
    let change = json!({"username": "mallory", "password": PASSWORD});
    // Who changed it shut the session out, too.
    ada.put("/api/users/me/username", &change).is(NOT_AUTHENTICATED);
}
