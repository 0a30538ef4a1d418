//! The table of errors, as clients see it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::BeyondCap;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Phone, begin, enter, error, password, second_step, submission};
use crate::app::{Call, Client, Cut, TestApp};
use crate::errors::documented;

on_both_engines!(
    the_errors_are_those_of_the_table,
    a_used_up_limit_is_told_in_this_dialect,
    what_there_is_not_is_told_in_this_dialect,
    the_id_of_the_request_is_the_one_in_the_header,
);

/// Too many requests, and errors of the server itself, which is asked for none.
const OF_OTHER_TESTS: [u16; 2] = [429, 500];

/// What tells an error from others: status, id, reason and message.
fn row(status: u16, body: &Value) -> (u16, [Value; 3]) {
    (status, ["id", "reason", "message"].map(|name| body["error"][name].clone()))
}

fn the_errors_are_those_of_the_table(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let full = app.replica_with(|config| {
        let users = &mut config.policy.sessions.users;
        (users.max_sessions, users.over_cap) = (1, BeyondCap::Refuse);
    });
    let reader = app.user("plain").scoped(&[Scope::SessionRead]);
    app.user("banned");
    app.ban("banned");
    let (bare, root, bob) = (app.staff("bare"), app.staff("root"), app.user("bob"));
    Phone::enrol(&app, &root);
    Phone::enrol(&app, &bob);
    let (device, pending) = (enter(&app, "plain"), enter(&app, "bob"));
    let flow = begin(&app, "api", "");
    let expired = begin(&app, "api", "");
    let nobody = "0191f2a4-8b1c-4def-8000-00000000002a";
    let browser = begin(&app, "browser", "");
    let (mut lines, mut told) = (String::new(), Vec::new());
    let mut tell = |name: &str, call: Call| {
        let response = call.header("X-Request-ID", "r").send();
        told.push(row(response.status, &response.json()));
        let retry = response.header("retry-after").map(|after| format!(" after {after}")).unwrap_or_default();
        writeln!(lines, "{name}: {}{retry} {}", response.status, response.text()).unwrap();
    };
    let root_call = |client: &Client, method: &str, path: &str| client.call(method, path);
    tell("no credential", app.anonymous().call("GET", "/auth/sessions/whoami"));
    tell("second factor pending", pending.call("GET", "/auth/sessions/whoami"));
    tell("current session", device.call("DELETE", &format!("/auth/sessions/{}", device.id())));
    tell("malformed id", device.call("DELETE", "/auth/sessions/x"));
    tell("malformed token", device.call("GET", "/auth/sessions?page_token=x"));
    tell("malformed active", root_call(&root, "GET", "/auth/admin/sessions?active=x"));
    tell("malformed expand", root_call(&root, "GET", "/auth/admin/sessions?expand=x"));
    tell("no such row", root_call(&root, "GET", &format!("/auth/admin/sessions/{nobody}")));
    tell("logged in", device.call("GET", "/auth/self-service/login/api"));
    tell("banned", submission(&app, &flow, &password("banned")));
    tell("too many sessions", submission(&full, &flow, &password("plain")));
    tell("unknown flow", submission(&app, nobody, &password("plain")));
    tell("another site", submission(&app, &browser, &password("plain")).header("Sec-Fetch-Site", "cross-site"));
    tell("not staff", device.call("GET", "/auth/admin/sessions").header("Authorization", &device.token));
    tell("staff without a factor", root_call(&bare, "GET", "/auth/admin/sessions"));
    tell(
        "unknown token",
        app.anonymous().call("DELETE", "/auth/self-service/logout/api").json(&json!({"session_token": "x"})),
    );
    let sessions = || root_call(&root, "POST", "/auth/admin/sessions");
    tell("malformed action", sessions().json(&json!({"action": "x"})));
    tell("too many ids", sessions().json(&json!({"action": "disable", "sessions": vec![nobody; 501]})));
    tell("malformed level", app.anonymous().call("GET", "/auth/self-service/login/api?aal=x"));
    tell("malformed flow", submission(&app, "x", &password("plain")));
    tell(
        "malformed session token",
        app.anonymous().call("DELETE", "/auth/self-service/logout/api").json(&json!({"session_token": 1})),
    );
    tell("too large", submission(&app, &flow, &json!({"identifier": "x".repeat(70_000)})));
    tell("missing scope", reader.call("DELETE", "/auth/sessions"));
    tell("nowhere", app.anonymous().call("GET", "/auth/x"));
    tell("wrong method", app.anonymous().call("PUT", "/auth/sessions"));
    app.switch(KillSwitch::Global, true);
    tell("kill switch", device.call("GET", "/auth/sessions"));
    app.switch(KillSwitch::Global, false);
    app.cut(Cut::Everything);
    tell("database away", device.call("GET", "/auth/sessions"));
    app.cut(Cut::Nothing);
    app.clock().advance_seconds(3_600);
    tell("expired flow", submission(&app, &expired, &password("plain")));
    assert!(second_step(&pending) != flow);
    let document = app.anonymous().get("/openapi.json").expect(200);
    for (status, body) in documented(&document, |path, _| path.starts_with("/auth/")) {
        let row = row(status, body);
        // A login that is to be submitted anew is told by the flow itself.
        let is_told = body.get("ui").is_some() || OF_OTHER_TESTS.contains(&status) || told.contains(&row);
        assert!(is_told, "nothing here is answered with {row:?}");
    }
    insta::allow_duplicates! { insta::assert_snapshot!(lines, @r#"
        no credential: 401 {"error":{"id":"session_inactive","code":401,"status":"Unauthorized","request":"r","reason":"No valid session credentials found in the request.","message":"The request could not be authorized"}}
        second factor pending: 403 {"error":{"id":"session_aal2_required","code":403,"status":"Forbidden","request":"r","reason":"The second factor is owed: log in once more with this session and aal=aal2.","message":"Session does not fulfill the requested Authenticator Assurance Level"}}
        current session: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"cannot revoke current session"}}
        malformed id: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"id must be a UUID"}}
        malformed token: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"page_token must be one of a Link"}}
        malformed active: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"active must be true or false"}}
        malformed expand: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"expand must be identity or devices"}}
        no such row: 404 {"error":{"code":404,"status":"Not Found","request":"r","message":"Unable to locate the resource"}}
        logged in: 400 {"error":{"id":"session_already_available","code":400,"status":"Bad Request","request":"r","reason":"The request carries a live session. Ask for the flow with refresh=true to log in all the same.","message":"you are already logged in"}}
        banned: 400 {"error":{"id":"identity_disabled","code":400,"status":"Bad Request","request":"r","reason":"This account was disabled.","message":"identity is disabled"}}
        too many sessions: 409 {"error":{"id":"session_limit_reached","code":409,"status":"Conflict","request":"r","reason":"The user has as many sessions as one may have: end another one first.","message":"too many sessions"}}
        unknown flow: 404 {"error":{"code":404,"status":"Not Found","request":"r","reason":"This server began no such flow.","message":"Unable to locate the resource"}}
        another site: 403 {"error":{"id":"security_csrf_violation","code":403,"status":"Forbidden","request":"r","reason":"A page of an origin that is not configured made it, or a browser that does not say which did.","message":"The request comes from another site"}}
        not staff: 403 {"error":{"code":403,"status":"Forbidden","request":"r","reason":"The caller is not staff.","message":"The requested action was forbidden"}}
        staff without a factor: 403 {"error":{"code":403,"status":"Forbidden","request":"r","reason":"The caller is staff without a second factor, or has not shown one in this session.","message":"The requested action was forbidden"}}
        unknown token: 403 {"error":{"code":403,"status":"Forbidden","request":"r","reason":"The token stands for no session.","message":"The requested action was forbidden"}}
        malformed action: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"action must be disable"}}
        too many ids: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"at most 500 ids at once"}}
        malformed level: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"aal must be aal1 or aal2"}}
        malformed flow: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"flow must be a UUID"}}
        malformed session token: 400 {"error":{"code":400,"status":"Bad Request","request":"r","message":"session_token must be a text"}}
        too large: 413 {"error":{"code":413,"status":"Payload Too Large","request":"r","message":"The body is too large"}}
        missing scope: 403 {"error":{"code":403,"status":"Forbidden","request":"r","reason":"The session's scopes do not cover it.","message":"The requested action was forbidden"}}
        nowhere: 404 {"error":{"code":404,"status":"Not Found","request":"r","reason":"There is no such endpoint.","message":"Unable to locate the resource"}}
        wrong method: 405 {"error":{"code":405,"status":"Method Not Allowed","request":"r","message":"The endpoint does not have this method"}}
        kill switch: 503 after 60 {"error":{"code":503,"status":"Service Unavailable","request":"r","reason":"A kill switch is on.","message":"The service is unavailable","details":{"feature":8}}}
        database away: 503 after 1 {"error":{"code":503,"status":"Service Unavailable","request":"r","message":"The service is unavailable"}}
        expired flow: 410 {"error":{"id":"self_service_flow_expired","code":410,"status":"Gone","request":"r","reason":"A flow is good for one hour. Begin another one.","message":"The login flow has expired"}}
    "#) };
}

fn a_used_up_limit_is_told_in_this_dialect(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.general_limit = Limit::Within {
            count: std::num::NonZeroU32::new(2).unwrap(),
            window_millis: std::num::NonZeroU32::new(60_000).unwrap(),
        };
    });
    let nobody = app.anonymous();
    for remaining in ["1", "0"] {
        let response = nobody.get("/auth/sessions");
        assert_eq!((response.status, response.header("ratelimit-remaining")), (401, Some(remaining)));
    }
    let refused = nobody.get("/auth/sessions");
    assert_eq!(error(&refused, 429)["status"], "Too Many Requests");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.header("cache-control"), Some(super::PRIVATE));
}

fn what_there_is_not_is_told_in_this_dialect(database: TestDatabase) {
    let app = TestApp::start(database);
    let nobody = app.anonymous();
    for path in ["/auth", "/auth/", "/auth/x", "/auth/sessions/x/y", "/auth/self-service", "/auth/admin"] {
        assert_eq!(error(&nobody.get(path), 404)["message"], "Unable to locate the resource", "{path}");
    }
    for (method, path, allowed) in [
        ("POST", "/auth/sessions", "GET, HEAD, DELETE"),
        ("PUT", "/auth/sessions/whoami", "GET, HEAD"),
        ("GET", "/auth/self-service/login", "POST"),
        ("DELETE", "/auth/admin/sessions/x/extend", "PATCH"),
    ] {
        let response = nobody.call(method, path).send();
        assert_eq!(error(&response, 405)["status"], "Method Not Allowed");
        assert_eq!(response.header("allow"), Some(allowed), "{method} {path}");
    }
    // It does not reach beyond its prefix.
    assert_eq!(nobody.get("/authx").expect(404)["code"], "INVALID_ENDPOINT_ERROR");
    assert_eq!(nobody.get("/api/auth").expect(404)["code"], "INVALID_ENDPOINT_ERROR");
}

fn the_id_of_the_request_is_the_one_in_the_header(database: TestDatabase) {
    let app = TestApp::start(database);
    let call = |id: &str| app.anonymous().call("GET", "/auth/sessions").header("X-Request-ID", id).send();
    assert_eq!(error(&call("mine-1"), 401)["request"], "mine-1");
    assert_ne!(error(&call("not mine"), 401)["request"], "not mine");
}
