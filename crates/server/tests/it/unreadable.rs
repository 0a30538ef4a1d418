//! Sessions and users whose rows this version cannot read: what takes something from them works all the same.

use serde_json::json;
use thunderhead_auth::operator::OperatorError;
use thunderhead_domain::id::SessionUuid;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::app::{Client, PASSWORD, Response, TestApp, claims};
use crate::errors::{INVALID_USER, NOT_AUTHENTICATED, UNAVAILABLE};
use crate::revoke::revoke;

on_both_engines!(
    a_session_that_cannot_be_read_ends_by_every_door,
    it_keeps_no_other_from_being_ended,
    a_session_that_is_over_is_a_401_whether_or_not_it_can_be_read,
    a_user_who_cannot_be_read_can_be_banned_demoted_and_deleted,
    the_operator_needs_no_readable_row,
);

/// A way to end the session that a client uses.
type Door<'a> = &'a dyn Fn(&Client) -> Response;

/// Makes the session that a client uses unreadable.
fn spoil(app: &TestApp, client: &Client) {
    let (user, id) = (client.id(), client.session_id());
    app.tamper(&format!("UPDATE sessions SET dialect = 'gopher' WHERE user_id = {user} AND id = {id}"));
    client.get("/api/users/me").is(UNAVAILABLE);
}

/// Makes a client's user unreadable.
fn spoil_user(app: &TestApp, client: &Client) {
    app.tamper(&format!("UPDATE users SET username = 'b b' WHERE id = {}", client.id()));
}

fn uuid_of(client: &Client) -> String {
    claims(client.token())["jti"].as_str().unwrap().to_owned()
}

fn a_session_that_cannot_be_read_ends_by_every_door(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let doors: [(u16, Door<'_>); 9] = [
        (200, &|odd| ada.delete(&format!("/api/users/me/sessions/{}", odd.session_id()))),
        (204, &|odd| ada.delete(&format!("/auth/sessions/{}", uuid_of(odd)))),
        (200, &|odd| root.delete(&format!("/api/users/{}/sessions/{}", odd.id(), odd.session_id()))),
        (204, &|odd| root.delete(&format!("/api/user/{}/session/{}", odd.id(), odd.session_id()))),
        (204, &|odd| root.delete(&format!("/auth/admin/sessions/{}", uuid_of(odd)))),
        (200, &|odd| root.post("/auth/admin/sessions", &json!({"action": "disable", "sessions": [uuid_of(odd)]}))),
        (200, &|_| root.post("/auth/admin/sessions", &json!({"action": "disable", "identities": ["*"]}))),
        (204, &|odd| {
            let body = json!({"session_token": odd.token()});
            app.anonymous().delete_with("/auth/self-service/logout/api", &body)
        }),
        (200, &|odd| revoke(&app, odd.token())),
    ];
    for (number, (status, door)) in doors.into_iter().enumerate() {
        // The seventh ends everybody's.
        let odd = if number < 7 { ada.log_in("ada") } else { app.anonymous().log_in("ada") };
        spoil(&app, &odd);
        let response = door(&odd);
        assert_eq!(response.status, status, "door {number}: {response:?}");
        odd.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
}

fn it_keeps_no_other_from_being_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let odd = ada.log_in("ada");
    spoil(&app, &odd);
    let body = json!({"action": "disable", "sessions": [uuid_of(&odd), uuid_of(&ada)]});
    let answer = root.post("/auth/admin/sessions", &body).expect(200);
    assert_eq!(answer["processed"], 2);
    assert!(!ada.works());
}

fn a_session_that_is_over_is_a_401_whether_or_not_it_can_be_read(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, grace) = (app.user("ada"), app.user("grace"));
    let (one, two) = (ada.log_in("ada"), ada.log_in("ada"));
    assert!(one.works() && two.works());
    ada.delete(&format!("/api/users/me/sessions/{}", one.session_id())).expect(200);
    app.tamper("UPDATE sessions SET dialect = 'gopher'");
    let near = app.replica();
    one.at(&near).get("/api/users/me").is(NOT_AUTHENTICATED);
    two.at(&near).get("/api/users/me").is(UNAVAILABLE);
    // Those of a generation that is over.
    app.tamper(&format!("UPDATE users SET session_generation = session_generation + 1 WHERE id = {}", ada.id()));
    let far = app.replica();
    two.at(&far).get("/api/users/me").is(NOT_AUTHENTICATED);
    grace.at(&far).get("/api/users/me").is(UNAVAILABLE);
}

fn a_user_who_cannot_be_read_can_be_banned_demoted_and_deleted(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let proof = json!({"password": PASSWORD});
    for (name, method, rest) in [
        ("ada", "PUT", "/ban"),
        ("grace", "DELETE", "/sessions/all"),
        ("hopper", "DELETE", ""),
        ("jean", "DELETE", "/ban"),
        ("mary", "DELETE", "/staff"),
    ] {
        let odd = app.user(name);
        if name == "mary" {
            block_on(app.operator().account_promote(name)).unwrap();
        }
        spoil_user(&app, &odd);
        let response = root.call(method, &format!("/api/users/{}{rest}", odd.id())).json(&proof).send();
        let bare = ["/ban", "/staff"].contains(&rest);
        assert_eq!(response.status, if bare { 204 } else { 200 }, "{name}: {response:?}");
        assert_eq!(response.is_empty(), bare, "{name}");
        if name != "jean" {
            odd.get("/api/users/me").is(NOT_AUTHENTICATED);
        }
    }
    root.put("/api/users/1234567890123/ban", &proof).is(INVALID_USER);
    // A ban by name, which is found by its key.
    let ada = block_on(app.operator().known_account("ada")).unwrap();
    let banned = app.storage().account_find(thunderhead_domain::ports::AccountName::Id(ada.id));
    assert!(ada.user.is_none() && block_on(banned).is_err());
    app.tamper(&format!("UPDATE users SET username = 'ada' WHERE id = {}", ada.id));
    assert!(block_on(app.operator().account("ada")).unwrap().banned_at.is_some());
    assert!(block_on(app.operator().known_account("mary")).is_ok());
    assert!(matches!(block_on(app.operator().known_account("hopper")), Err(OperatorError::UnknownUser(_))));
}

fn the_operator_needs_no_readable_row(database: TestDatabase) {
    let app = TestApp::start(database);
    let operator = app.operator();
    let ada = app.user("ada");
    let odd = ada.log_in("ada");
    spoil(&app, &odd);
    let uuid = SessionUuid(Uuid::parse_str(&uuid_of(&odd)).unwrap());
    assert!(block_on(operator.session_end(uuid)).unwrap());
    assert!(!block_on(operator.session_end(uuid)).unwrap());
    spoil_user(&app, &ada);
    let (known, ended) = block_on(operator.account_ban(ada.id(), None)).unwrap();
    assert_eq!((known.id, known.user.clone(), ended), (ada.user_id(), None, 1));
    assert_eq!(known.to_string(), format!("user {} (unreadable)", ada.id()));
    assert_eq!(block_on(operator.account_unban(ada.id())).unwrap(), known);
    assert_eq!(block_on(operator.account_unlock(ada.id())).unwrap(), (known.clone(), false));
    assert_eq!(block_on(operator.account_demote(ada.id())).unwrap(), known);
    assert_eq!(block_on(operator.session_end_all(ada.id())).unwrap(), 0);
    assert_eq!(block_on(operator.factor_reset(ada.id())).unwrap(), 0);
    assert_eq!(block_on(operator.account_delete(ada.id())).unwrap(), known);
    assert!(matches!(block_on(operator.account_ban(ada.id(), None)), Err(OperatorError::UnknownUser(_))));
}
