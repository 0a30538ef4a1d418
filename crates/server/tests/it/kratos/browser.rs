//! Logging in and out by a browser, and what a cookie may do.

use serde_json::json;
use thunderhead_http::request::cookie::SessionCookie;
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Phone, begin, error, password, submission};
use crate::app::{Call, Cut, Response, TestApp};

on_both_engines!(
    a_browser_gets_a_cookie_and_no_token,
    the_cookie_lasts_as_long_as_the_session,
    the_second_step_works_by_cookie,
    logout_clears_the_cookie_and_wants_its_token,
    changes_by_cookie_need_a_same_origin_request,
    a_login_by_another_sites_page_is_refused,
    the_cookie_opens_the_other_dialect_too,
    a_dead_cookie_is_cleared_by_the_401_that_it_earns,
    a_cookie_that_may_be_good_is_not_cleared,
    a_cookie_for_development_has_no_prefix,
);

/// The name and the value of the cookie that was set, and what is said of it.
fn set_cookie(response: &Response) -> (String, Vec<String>) {
    let mut parts = response.header("set-cookie").expect("a cookie").split("; ").map(str::to_owned);
    let cookie = parts.next().unwrap();
    let mut attributes: Vec<_> = parts.collect();
    attributes.sort();
    (cookie, attributes)
}

fn log_in(app: &TestApp, identifier: &str) -> (String, Response) {
    let flow = begin(app, "browser", "");
    let response = submission(app, &flow, &password(identifier)).send();
    response.expect(200);
    (set_cookie(&response).0, response)
}

fn with(app: &TestApp, cookie: &str, method: &str, path: &str) -> Call {
    app.anonymous().call(method, path).header("Cookie", cookie)
}

fn works(app: &TestApp, cookie: &str) -> bool {
    with(app, cookie, "GET", "/auth/sessions/whoami").send().status == 200
}

fn a_browser_gets_a_cookie_and_no_token(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (cookie, response) = log_in(&app, "ada");
    let (name, token) = cookie.split_once('=').unwrap();
    assert_eq!((name, token.len()), ("__Host-thunderhead_session", 32));
    let body = response.expect(200);
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["session"]);
    assert!(!response.text().contains(token));
    let attributes = set_cookie(&response).1;
    assert_eq!(attributes, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(works(&app, &cookie));
    let wrong = submission(&app, &begin(&app, "browser", ""), &json!({"method": "password"})).send();
    assert!(wrong.header("set-cookie").is_none());
    assert_eq!(wrong.expect(400)["ui"]["nodes"].as_array().map(Vec::len), Some(3));
}

fn the_cookie_lasts_as_long_as_the_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let (cookie, _) = log_in(&app, "ada");
    app.clock().advance_seconds(1_000);
    let flow = with(&app, &cookie, "GET", "/auth/self-service/login/browser?aal=aal2").send().expect(200);
    let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
    let stepped_up = with(&app, &cookie, "POST", &path).json(&phone.backup(0)).send();
    stepped_up.expect(200);
    let (same, attributes) = set_cookie(&stepped_up);
    assert_eq!(same, cookie);
    assert!(attributes.contains(&"Max-Age=85400".to_owned()), "{attributes:?}");
}

fn the_second_step_works_by_cookie(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let (cookie, response) = log_in(&app, "ada");
    assert!(response.expect(200)["session"]["identity"].is_null());
    let pending = with(&app, &cookie, "GET", "/auth/sessions/whoami").send();
    assert_eq!(error(&pending, 403)["id"], "session_aal2_required");
    let flow = with(&app, &cookie, "GET", "/auth/self-service/login/browser?aal=aal2").send().expect(200);
    let nodes = flow["ui"]["nodes"].as_array().unwrap().iter();
    let nodes: Vec<_> = nodes.map(|node| json!([node["group"], node["attributes"]["name"]])).collect();
    let expected = json!([
        ["totp", "totp_code"],
        ["totp", "method"],
        ["lookup_secret", "lookup_secret"],
        ["lookup_secret", "method"]
    ]);
    assert_eq!(json!(nodes), expected);
    let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
    let foreign = with(&app, &cookie, "POST", &path).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(error(&foreign.json(&phone.backup(0)).send(), 403)["id"], "security_csrf_violation");
    with(&app, &cookie, "POST", &path).json(&phone.backup(0)).send().expect(200);
    assert!(works(&app, &cookie));
    // A flow of a native client does not show the page what is in the cookie.
    let (cookie, _) = log_in(&app, "ada");
    let flow = with(&app, &cookie, "GET", "/auth/self-service/login/api?aal=aal2").send().expect(200);
    let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
    let stepped_up = with(&app, &cookie, "POST", &path).json(&phone.backup(1)).send();
    assert!(stepped_up.expect(200).get("session_token").is_none() && stepped_up.header("set-cookie").is_none());
}

fn logout_clears_the_cookie_and_wants_its_token(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (cookie, _) = log_in(&app, "ada");
    let (other, _) = log_in(&app, "ada");
    let begun = with(&app, &cookie, "GET", "/auth/self-service/logout/browser").header("Host", "auth.example").send();
    let begun = begun.expect(200);
    let token = begun["logout_token"].as_str().unwrap();
    let url = format!("https://auth.example/auth/self-service/logout?token={token}");
    assert_eq!(begun["logout_url"], url.as_str());
    let path = format!("/auth/self-service/logout?token={token}");
    for wrong in ["/auth/self-service/logout", "/auth/self-service/logout?token=", &format!("{path}0")] {
        error(&with(&app, &cookie, "GET", wrong).send(), 403);
    }
    error(&with(&app, &other, "GET", &path).send(), 403);
    assert!(works(&app, &cookie) && works(&app, &other));
    let done = with(&app, &cookie, "GET", &path).send();
    assert!(done.status == 204 && done.is_empty(), "{done:?}");
    let (cleared, attributes) = set_cookie(&done);
    assert_eq!(cleared, "__Host-thunderhead_session=");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(!works(&app, &cookie) && works(&app, &other));
    error(&with(&app, &cookie, "GET", &path).send(), 401);
    error(&app.anonymous().get("/auth/self-service/logout/browser"), 401);
}

fn changes_by_cookie_need_a_same_origin_request(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    app.user("ada");
    let (cookie, _) = log_in(&app, "ada");
    let end = |headers: &[(&str, &str)]| {
        let call = with(&app, &cookie, "DELETE", "/auth/sessions");
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    for refused in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ] {
        assert_eq!(error(&end(refused), 403)["id"], "security_csrf_violation", "{refused:?}");
    }
    for passing in [
        &[][..],
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://app.example")],
    ] {
        end(passing).expect(200);
    }
    let reading = with(&app, &cookie, "GET", "/auth/sessions").header("Sec-Fetch-Site", "cross-site").send();
    reading.expect(200);
}

fn a_login_by_another_sites_page_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "browser", "");
    let foreign = submission(&app, &flow, &password("ada")).header("Sec-Fetch-Site", "cross-site").send();
    assert_eq!(error(&foreign, 403)["id"], "security_csrf_violation");
    assert!(foreign.header("set-cookie").is_none());
    submission(&app, &flow, &password("ada")).header("Sec-Fetch-Site", "same-origin").send().expect(200);
}

fn the_cookie_opens_the_other_dialect_too(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (cookie, _) = log_in(&app, "ada");
    with(&app, &cookie, "GET", "/api/users/me").send().expect(200);
    // Staff show theirs in Authorization alone.
    app.staff("root");
    let (cookie, _) = log_in(&app, "root");
    error(&with(&app, &cookie, "GET", "/auth/admin/sessions").send(), 401);
}

fn a_cookie_for_development_has_no_prefix(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.cookie = SessionCookie::Plain);
    app.user("ada");
    let (cookie, response) = log_in(&app, "ada");
    assert!(cookie.starts_with("thunderhead_session="), "{cookie}");
    assert_eq!(set_cookie(&response).1, ["HttpOnly", "Max-Age=86400", "Path=/", "SameSite=Lax"]);
    assert!(works(&app, &cookie));
}

fn a_dead_cookie_is_cleared_by_the_401_that_it_earns(database: TestDatabase) {
    let app = TestApp::start(database);
    let banned = app.user("banned");
    app.ban("banned");
    let dead = ["garbage", "", "a b", banned.token()].map(|token| format!("__Host-thunderhead_session={token}"));
    for cookie in &dead {
        for path in ["/auth/sessions/whoami", "/auth/sessions", "/auth/self-service/logout/browser", "/api/users/me"] {
            let response = with(&app, cookie, "GET", path).send();
            if response.status == 403 {
                assert_eq!((path, response.header("set-cookie")), ("/api/users/me", None), "a banned user's");
                continue;
            }
            assert_eq!(response.status, 401, "{path}: {response:?}");
            let (cleared, attributes) = set_cookie(&response);
            assert_eq!(cleared, "__Host-thunderhead_session=", "{path}");
            assert_eq!(attributes, ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"]);
        }
    }
    let ended = app.user("ada");
    let cookie = format!("__Host-thunderhead_session={}", ended.token());
    with(&app, &cookie, "DELETE", "/api/users/me/sessions/me").send().expect(200);
    let foreign = with(&app, &cookie, "DELETE", "/auth/sessions").header("Sec-Fetch-Site", "cross-site").send();
    error(&foreign, 401);
    assert_eq!(set_cookie(&foreign).0, "__Host-thunderhead_session=");
    // A new login takes no notice of it.
    let (cookie, _) = {
        let flow = with(&app, &cookie, "GET", "/auth/self-service/login/browser").send();
        assert_eq!((flow.status, flow.header("set-cookie")), (200, None));
        log_in(&app, "ada")
    };
    assert!(works(&app, &cookie));
}

fn a_cookie_that_may_be_good_is_not_cleared(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (cookie, _) = log_in(&app, "ada");
    let own = with(&app, &cookie, "GET", "/auth/sessions/whoami");
    // Another credential counts before it, and that one is bad.
    let token = own.header("X-Session-Token", "garbage").send();
    let authorization = with(&app, &cookie, "GET", "/api/users/me").header("Authorization", "garbage").send();
    // It is good, and the password is wrong.
    let body = json!({"username": "lovelace", "password": "wrong"});
    let wrong = with(&app, &cookie, "PUT", "/api/users/me/username").json(&body).send();
    let twice = with(&app, &format!("{cookie}; {cookie}"), "GET", "/auth/sessions/whoami").send();
    Phone::enrol(&app, &ada);
    let (pending, _) = log_in(&app, "ada");
    let pending = with(&app, &pending, "GET", "/api/users/me").send();
    for response in [&token, &authorization, &wrong, &twice, &pending] {
        assert_eq!((response.status, response.header("set-cookie")), (401, None), "{response:?}");
    }
    app.cut(Cut::Everything);
    let away = with(&app, &cookie, "GET", "/auth/sessions/whoami").send();
    assert_eq!((away.status, away.header("set-cookie")), (503, None));
}
