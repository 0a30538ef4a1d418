//! Logging in without a browser, and what keeps somebody out.

use serde_json::json;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Phone, begin, enter, error, flow_id, password, second_step, show, submission};
use crate::app::{PASSWORD, TestApp};

on_both_engines!(
    a_flow_says_what_it_is_and_a_native_one_has_no_nodes,
    a_login_answers_with_a_token_and_the_session,
    a_user_is_named_by_name_or_by_address,
    a_repeated_method_is_accepted,
    what_is_wrong_comes_back_with_the_flow,
    a_flow_expires_and_a_made_up_one_is_unknown,
    who_is_logged_in_must_mean_it,
    a_banned_user_with_the_right_password_is_told,
    wrong_passwords_count_against_the_account,
    switches_leave_logins_to_staff_alone,
    own_deletions_stand_under_account_modify,
    submissions_share_the_bucket_of_logins,
);

fn a_flow_says_what_it_is_and_a_native_one_has_no_nodes(database: TestDatabase) {
    let app = TestApp::start(database);
    let begin = |path: &str| app.anonymous().call("GET", path).header("Host", "auth.example").send();
    let response = begin("/auth/self-service/login/api");
    assert_eq!(response.header("cache-control"), Some(super::PRIVATE));
    let flow = response.expect(200);
    let id = flow["id"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "type": "api",
        "expires_at": "2026-01-15T13:00:00.000Z",
        "issued_at": "2026-01-15T12:00:00.000Z",
        "request_url": "https://auth.example/auth/self-service/login/api",
        "state": "choose_method",
        "refresh": false,
        "requested_aal": "aal1",
        "ui": {
            "action": format!("https://auth.example/auth/self-service/login?flow={id}"),
            "method": "POST",
            "nodes": [],
        },
    });
    assert_eq!(flow, expected);
    let browser = begin("/auth/self-service/login/browser?refresh=true").expect(200);
    assert_eq!((&browser["type"], &browser["refresh"]), (&json!("browser"), &json!(true)));
    let node = |group, name, kind, more: serde_json::Value| {
        let mut attributes = json!({"name": name, "type": kind, "disabled": false, "node_type": "input"});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"type": "input", "group": group, "attributes": attributes, "messages": [], "meta": {}})
    };
    let nodes = json!([
        node("default", "identifier", "text", json!({"required": true})),
        node("password", "password", "password", json!({"required": true})),
        node("password", "method", "submit", json!({"value": "password"})),
    ]);
    assert_eq!(browser["ui"]["nodes"], nodes);
    error(&begin("/auth/self-service/login/api?aal=aal3"), 400);
    // Nobody has a session that could be stepped up.
    assert_eq!(error(&begin("/auth/self-service/login/api?aal=aal2"), 401)["id"], "session_inactive");
}

fn a_login_answers_with_a_token_and_the_session(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "api", "");
    let named = submission(&app, &flow, &password("ada")).header("X-Session-Name", "My telly").send();
    let body = named.expect(200);
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["continue_with", "session", "session_token"]);
    assert!(body["continue_with"].is_null() && named.header("set-cookie").is_none());
    assert_eq!((&body["session"]["name"], &body["session"]["active"]), (&json!("My telly"), &json!(true)));
    assert_eq!(body["session"]["identity"]["traits"]["email"], "ada@example.org");
    // A flow is cached by nobody, and so may be used again.
    submission(&app, &flow, &password("ada")).send().expect(200);
}

fn a_user_is_named_by_name_or_by_address(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for identifier in ["ada", "ADA", "ada@example.org", "Ada@Example.ORG"] {
        assert!(enter(&app, identifier).works(), "{identifier}");
    }
}

fn a_repeated_method_is_accepted(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "api", "");
    let body = format!(r#"{{"method":"password","identifier":"ada","method":"password","password":"{PASSWORD}"}}"#);
    let path = format!("/auth/self-service/login?flow={flow}");
    app.anonymous().call("POST", &path).body("application/json", body).send().expect(200);
}

fn what_is_wrong_comes_back_with_the_flow(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "api", "");
    let submit = |body: &serde_json::Value| {
        let response = submission(&app, &flow, body).send();
        assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
        let body = response.expect(400);
        assert_eq!((body["id"].as_str(), body["ui"]["nodes"].as_array().map(Vec::len)), (Some(&*flow), Some(0)));
        body["ui"]["messages"].clone()
    };
    let wrong = json!([{
        "id": 4_000_006,
        "text": "The name, the password or the code is wrong, or the code was used before.",
        "type": "error",
    }]);
    assert_eq!(submit(&json!({"method": "password", "identifier": "ada", "password": "wrong"})), wrong);
    assert_eq!(submit(&json!({"method": "password", "identifier": "nobody", "password": PASSWORD})), wrong);
    assert_eq!(submit(&json!({"method": "password", "identifier": "no@example.org", "password": PASSWORD})), wrong);
    assert_eq!(submit(&json!({"method": "password", "identifier": "", "password": PASSWORD})), wrong);
    assert_eq!(submit(&json!({"method": "password", "identifier": "ada"}))[0]["id"], 4_000_002);
    assert_eq!(submit(&json!({"method": "password", "identifier": 1, "password": PASSWORD}))[0]["id"], 4_000_002);
    for method in [json!("oidc"), json!("totp"), json!(null), json!(7)] {
        let body = json!({"method": method, "identifier": "ada", "password": PASSWORD});
        assert_eq!(submit(&body)[0]["id"], 4_010_002);
    }
    assert_eq!(submit(&json!([]))[0]["id"], 4_010_002);
    let large = "x".repeat(65 * 1_024);
    error(&submission(&app, &flow, &json!({"method": large})).send(), 413);
}

fn a_flow_expires_and_a_made_up_one_is_unknown(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "api", "");
    for (made_up, status) in [("0191f2a4-8b1c-8def-8000-00000000002a", 404), ("", 400), ("garbage", 400)] {
        error(&submission(&app, made_up, &password("ada")).send(), status);
    }
    error(&app.anonymous().post("/auth/self-service/login", &password("ada")), 400);
    app.clock().advance_millis(3_599_749);
    submission(&app, &flow, &password("ada")).send().expect(200);
    app.clock().advance_millis(1);
    let expired = error(&submission(&app, &flow, &password("ada")).send(), 410);
    assert_eq!(expired["id"], "self_service_flow_expired");
}

fn who_is_logged_in_must_mean_it(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let device = enter(&app, "ada");
    let flow = begin(&app, "api", "");
    for response in [
        device.get("/auth/self-service/login/api"),
        device.get("/auth/self-service/login/browser"),
        device.get("/auth/self-service/login/api?refresh=1x"),
        // There is nothing to step it up by.
        device.get("/auth/self-service/login/api?aal=aal2"),
        show(&device, &flow, &password("ada")),
    ] {
        let error = error(&response, 400);
        assert_eq!(
            (&error["id"], &error["message"]),
            (&json!("session_already_available"), &json!("you are already logged in"))
        );
    }
    let flow = flow_id(&device.get("/auth/self-service/login/api?refresh=true"));
    let again = show(&device, &flow, &password("ada")).expect(200);
    assert_ne!(again["session"]["id"].as_str(), Some(device.id()));
    assert!(device.works());
    let dead = super::Device { app: &app, token: "x".repeat(32), session: json!(null) };
    dead.get("/auth/self-service/login/api").expect(200);
}

fn a_banned_user_with_the_right_password_is_told(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.ban("ada");
    let flow = begin(&app, "api", "");
    let banned = error(&submission(&app, &flow, &password("ada")).send(), 400);
    assert_eq!((&banned["id"], &banned["message"]), (&json!("identity_disabled"), &json!("identity is disabled")));
    assert_eq!(banned["reason"], "This account was disabled.");
    let wrong = json!({"method": "password", "identifier": "ada", "password": "wrong"});
    assert_eq!(submission(&app, &flow, &wrong).send().expect(400)["ui"]["messages"][0]["id"], 4_000_006);
}

fn wrong_passwords_count_against_the_account(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let flow = begin(&app, "api", "");
    for number in 0..10 {
        // Whatever spelling the account is named by.
        let identifier = ["ada", "ADA", "ada@example.org"][number % 3];
        let wrong = json!({"method": "password", "identifier": identifier, "password": "wrong"});
        submission(&app, &flow, &wrong).send().expect(400);
    }
    let throttled = submission(&app, &flow, &password("ada")).send();
    error(&throttled, 429);
    assert_eq!(throttled.header("retry-after"), Some("1"));
    let elsewhere = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(elsewhere.status, 429);
    app.clock().advance_seconds(1);
    assert!(enter(&app, "ada").works());
}

fn switches_leave_logins_to_staff_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (adas, roots) = (Phone::enrol(&app, &ada), Phone::enrol(&app, &root));
    let pending = enter(&app, "ada");
    for switch in [KillSwitch::AccountLogin, KillSwitch::Global] {
        app.switch(switch, true);
        let flow = begin(&app, "api", "");
        let wrong = json!({"method": "password", "identifier": "root", "password": "wrong"});
        for (flow, body) in
            [(flow.as_str(), &password("ada")), (&flow, &wrong), (&flow, &json!({})), ("garbage", &password("root"))]
        {
            let response = submission(&app, flow, body).send();
            assert_eq!(error(&response, 503)["details"]["feature"], switch.id());
            assert_eq!(response.header("retry-after"), Some("60"));
        }
        // The code was right, and is not used up.
        let code = adas.code(&app);
        let step = second_step(&pending);
        error(&show(&pending, &step, &code), 503);
        let staff = enter(&app, "root");
        let step = second_step(&staff);
        error(&show(&staff, &step, &json!({"method": "totp", "totp_code": "000000"})), 503);
        show(&staff, &step, &roots.code(&app)).expect(200);
        staff.whoami().expect(200);
        app.switch(switch, false);
        if switch == KillSwitch::AccountLogin {
            continue;
        }
        show(&pending, &second_step(&pending), &adas.code(&app)).expect(200);
    }
}

fn own_deletions_stand_under_account_modify(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.staff("root");
    let (device, staff) = (enter(&app, "ada"), enter(&app, "root"));
    app.switch(KillSwitch::AccountModify, true);
    for path in ["/auth/sessions", "/auth/sessions/0191f2a4-8b1c-4def-8000-00000000002a"] {
        assert_eq!(error(&device.delete(path), 503)["details"]["feature"], 1);
        assert!([200, 204].contains(&staff.delete(path).status));
    }
    let body = json!({"session_token": device.token});
    assert!(device.works() && enter(&app, "ada").works());
    // Whoever has a token gives it up under every switch.
    assert_eq!(app.anonymous().delete_with("/auth/self-service/logout/api", &body).status, 204);
    assert!(!device.works());
}

fn submissions_share_the_bucket_of_logins(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.login_limit = Limit::Within {
            count: std::num::NonZeroU32::new(3).unwrap(),
            window_millis: std::num::NonZeroU32::new(180_000).unwrap(),
        };
    });
    app.user("ada");
    let flow = begin(&app, "api", "");
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).expect(201);
    for expected in ["1", "0"] {
        let response = submission(&app, &flow, &password("ada")).send();
        assert_eq!((response.status, response.header("ratelimit-remaining")), (200, Some(expected)));
    }
    let refused = submission(&app, &flow, &password("ada")).send();
    error(&refused, 429);
    assert_eq!(refused.header("retry-after"), Some("180"));
    // Flows are not counted with them.
    begin(&app, "api", "");
}
