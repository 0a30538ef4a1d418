//! The errors of this dialect: the codes of the current one, some with other messages.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::attempt;
use crate::app::{Call, Cut, PASSWORD, Response, TestApp};
use crate::errors::documented;
use crate::routes::{ROWS, Who};

on_both_engines!(
    every_error_has_its_status_and_its_words,
    every_endpoint_is_503_while_the_database_is_away,
    what_there_is_not_is_404_or_405,
);

/// What comes of a right password and of wrong answers, of too many logins, and errors of the server itself, which is asked for none.
const OF_OTHER_TESTS: [(u16, &str, &str); 4] = [
    (401, "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR", "Second Factor Challenge Required"),
    (401, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response"),
    (409, "TOO_MANY_SESSIONS_ERROR", "Too Many Sessions"),
    (500, "INTERNAL_SERVER_ERROR", "Internal Server Error"),
];

/// What tells an error from others: status, code and message.
fn row(status: u16, body: &Value) -> (u16, [Value; 2]) {
    (status, ["code", "message"].map(|name| body[name].clone()))
}

fn every_error_has_its_status_and_its_words(database: TestDatabase) {
    let app = TestApp::start(database);
    let one = Limit::Within { count: NonZeroU32::MIN, window_millis: NonZeroU32::MAX };
    let strict = app.replica_with(|config| config.http.general_limit = one);
    let factored = app.replica_with(|config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, root, banned, spare) = (app.user("ada"), app.staff("root"), app.user("banned"), app.spare());
    app.ban("banned");
    let reader = ada.scoped(&[Scope::SessionRead]);
    let user = format!("/api/user/{}", ada.id());
    strict.anonymous().get("/api/session");
    let (mut table, mut told) = (String::new(), Vec::new());
    let mut tell = |what: &str, response: Response| {
        told.push(row(response.status, &response.json()));
        writeln!(table, "{what}: {} {}", response.status, response.text()).unwrap();
    };
    tell("nobody", app.anonymous().get("/api/user/session"));
    tell("a banned user", banned.get("/api/user/session"));
    tell("a banned user logs in", attempt(&app, &json!({"user": "banned", "pass": PASSWORD})));
    tell("a user as staff", ada.get(&format!("{user}/sessions")));
    tell("staff without a factor", root.at(&factored).get(&format!("{user}/sessions")));
    tell("a scope that does not cover it", reader.delete("/api/user/sessions/all"));
    tell("no fields", attempt(&app, &json!({})));
    tell("an unknown user", attempt(&app, &json!({"user": "nobody", "pass": ""})));
    tell("a wrong password", attempt(&app, &json!({"user": "ada", "pass": ""})));
    tell("a malformed challenge", attempt(&app, &json!({"2fa": {"token": "x", "type": "totp", "code": "1"}})));
    tell("an unknown kind of factor", attempt(&app, &json!({"2fa": {"token": "x", "type": "sms", "code": "1"}})));
    tell("a body too large", attempt(&app, &json!({"user": "x".repeat(70_000)})));
    tell("too many ids", ada.delete_with("/api/user/sessions", &json!({"sessions": vec!["1"; 51]})));
    tell("a session to be seen", ada.get("/api/user/session/1"));
    tell("a session to be ended", ada.delete("/api/user/session/1"));
    tell("a user's session to be seen", root.get(&format!("{user}/session/1")));
    tell("a user's session to be ended", root.delete(&format!("{user}/session/1")));
    tell("a user", root.get("/api/user/1/sessions"));
    tell("a path", ada.get("/api/user/nowhere"));
    tell("a method", ada.put("/api/user/session", &json!({})));
    tell("a used-up limit", strict.anonymous().get("/api/session"));
    let document = app.anonymous().get("/openapi.json").expect(200);
    app.switch(KillSwitch::AccountModify, true);
    tell("a switch", spare.delete("/api/user/sessions/all"));
    app.cut(Cut::Everything);
    tell("an outage", ada.get("/api/user/session"));
    told.extend(OF_OTHER_TESTS.map(|(status, code, message)| (status, [json!(code), json!(message)])));
    for (status, body) in documented(&document, |_, operation| operation["deprecated"] == true) {
        let row = row(status, body);
        assert!(told.contains(&row), "nothing here is answered with {row:?}");
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(table, @r#"
        nobody: 401 {"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}
        a banned user: 403 {"code":"BANNED_ERROR","message":"Account Banned"}
        a banned user logs in: 403 {"code":"BANNED_ERROR","message":"Account Banned"}
        a user as staff: 403 {"code":"INSUFFICIENT_PERMISSIONS_ERROR","message":"Missing Permissions"}
        staff without a factor: 401 {"code":"ENDPOINT_REQUIRES_SECOND_FACTOR_ERROR","message":"Endpoint Requires Second Factor"}
        a scope that does not cover it: 403 {"code":"INSUFFICIENT_PERMISSIONS_ERROR","message":"Missing Permissions"}
        no fields: 400 {"code":"MISSING_FIELDS_ERROR","message":"Missing Fields","fields":["user","pass"]}
        an unknown user: 404 {"code":"INVALID_USER_ERROR","message":"Invalid User"}
        a wrong password: 401 {"code":"INVALID_PASSWORD_ERROR","message":"Invalid Password"}
        a malformed challenge: 400 {"code":"INVALID_SECOND_FACTOR_RESPONSE_ERROR","message":"Invalid Second Factor Response"}
        an unknown kind of factor: 400 {"code":"INVALID_SECOND_FACTOR_METHOD_ERROR","message":"Invalid Second Factor Method"}
        a body too large: 413 {"code":"BODY_TOO_LARGE_ERROR","message":"Request Body Too Large"}
        too many ids: 400 {"code":"BODY_TOO_LARGE_ERROR","message":"Request Body Too Large"}
        a session to be seen: 404 {"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}
        a session to be ended: 404 {"code":"SESSION_NOT_FOUND_ERROR","message":"Session Not Found"}
        a user's session to be seen: 404 {"code":"SESSION_NOT_FOUND_ERROR","message":"Session Not Found"}
        a user's session to be ended: 404 {"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}
        a user: 404 {"code":"INVALID_USER_ERROR","message":"Invalid User"}
        a path: 404 {"code":"INVALID_ENDPOINT_ERROR","message":"Invalid Endpoint"}
        a method: 405 {"code":"INVALID_ENDPOINT_ERROR","message":"Invalid Endpoint"}
        a used-up limit: 429 {"code":"RATELIMITED_ERROR","message":"You Have Been Ratelimited. Please Try Again Later."}
        a switch: 503 {"code":"SERVICE_UNAVAILABLE_ERROR","message":"Service Unavailable","feature":1}
        an outage: 503 {"code":"SERVICE_UNAVAILABLE_ERROR","message":"Service Unavailable"}
        "#);
    }
}

fn every_endpoint_is_503_while_the_database_is_away(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.cut(Cut::Everything);
    for row in ROWS.iter().filter(|row| row.is_legacy()) {
        let caller = if row.who == Who::Login { app.anonymous() } else { root.clone() };
        let mut calls = vec![row.call_about(&app, &caller, &root, root.session_id())];
        if !row.path.contains(":uid") {
            let path = row.path_about(&root, root.session_id());
            calls.push(caller.call(row.method, &path.replace("/api/user/", "/api/")));
        }
        for response in calls.into_iter().map(Call::send) {
            response.is(crate::errors::UNAVAILABLE);
            assert_eq!(response.header("retry-after"), Some("1"));
            assert!(response.header("deprecation").is_some() && response.header("link").is_some(), "{response:?}");
        }
    }
    app.cut(Cut::Nothing);
    assert!(root.works());
}

fn what_there_is_not_is_404_or_405(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let id = ada.id();
    for path in ["/user", "/user/", "/user/me", "/user/me/x/y", "/session/1/2", "/sessions/1", "/user/session/1/2"] {
        let response = ada.get(&format!("/api{path}"));
        response.is(crate::errors::INVALID_ENDPOINT);
        assert!(response.header("deprecation").is_some(), "{path}");
    }
    let by_user = [format!("/user/{id}/sessions/all"), format!("/user/{id}/sessions"), format!("/user/{id}/session/1")];
    let [all, several, one] = &by_user;
    for (method, path, allowed) in [
        ("PUT", "/user/session", "GET, HEAD, POST"),
        ("DELETE", "/session", "GET, HEAD, POST"),
        ("POST", "/session/1", "GET, HEAD, DELETE"),
        ("POST", "/user/sessions", "GET, HEAD, DELETE"),
        ("GET", "/user/sessions/all", "DELETE"),
        ("GET", "/sessions/all", "DELETE"),
        ("GET", all, "DELETE"),
        ("PATCH", several, "GET, HEAD, DELETE"),
        ("POST", one, "GET, HEAD, DELETE"),
    ] {
        let response = ada.call(method, &format!("/api{path}")).send();
        response.is(crate::errors::WRONG_METHOD);
        assert_eq!(response.header("allow"), Some(allowed), "{method} {path}");
    }
}
