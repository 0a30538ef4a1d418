//! Session policy: how long a session may go unused, how old it may become, and that every dialect says so.

mod model;

use serde_json::json;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Cut, PASSWORD, TestApp, claims};
use crate::errors::{MISSING_FIELDS, NOT_AUTHENTICATED};
use crate::introspect::Service;
use crate::kratos;
use crate::pages::browser::Browser;

on_both_engines!(
    a_session_that_is_not_used_is_over_in_every_dialect,
    a_session_that_is_used_anywhere_is_not_idle,
    what_services_ask_about_is_in_use,
    a_use_that_could_not_be_written_is_not_lost,
    tokens_for_programs_are_exempt_unless_it_is_asked_for,
    no_login_outlives_the_absolute_limit_and_every_answer_says_so,
    a_stricter_policy_applies_to_sessions_that_exist,
    staff_have_limits_of_their_own,
    a_scoped_session_lives_no_longer_than_it_may,
);

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const IDLE: SessionLimits = SessionLimits { idle: Some(10 * MINUTE), ..SessionLimits::DEFAULT };
const ABSOLUTE: SessionLimits = SessionLimits { absolute: Some(2 * HOUR), ..SessionLimits::DEFAULT };

fn under(database: TestDatabase, limits: SessionLimits) -> TestApp {
    TestApp::with(database, |config| config.policy.sessions = SessionPolicy::for_all(limits))
}

fn a_session_that_is_not_used_is_over_in_every_dialect(database: TestDatabase) {
    let app = under(database, IDLE);
    let idle = app.user("ada");
    let kratos = kratos::enter(&app, "ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let service = Service::new(&app);
    let opaque = idle.with_token(&kratos.token);
    app.clock().advance_seconds(11 * MINUTE);
    assert_eq!(service.told(&idle)["active"], true, "a minute more, because what is known of uses may lag");
    assert!(kratos.works() && browser.get("/account").status == 200);
    app.flush_uses();
    app.clock().advance_seconds(11 * MINUTE);
    app.clock().advance_millis(1);
    idle.get("/api/users/me").is(NOT_AUTHENTICATED);
    opaque.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert_eq!(service.told(&idle), json!({"active": false}));
    assert!(!kratos.works());
    assert_eq!(browser.get("/account").header("location").map(|to| to.starts_with("/login")), Some(true));
    let fresh = app.anonymous().log_in("ada");
    assert_eq!(fresh.get("/api/users/me/sessions").expect(200)["count"], 1);
    fresh.delete(&format!("/api/users/me/sessions/{}", idle.session_id())).expect(404);
    assert_eq!(kratos::enter(&app, "ada").get("/auth/sessions").expect(200).as_array().unwrap().len(), 1);
    let page = Browser::signed_in(&app, "ada").get("/account/sessions").text();
    assert_eq!(page.matches("not used for too long").count(), 3, "{page}");
    assert!(page.contains("this site"), "{page}");
}

fn a_session_that_is_used_anywhere_is_not_idle(database: TestDatabase) {
    let app = under(database, IDLE);
    let near = app.replica();
    let ada = app.user("ada");
    assert!(ada.works() && ada.at(&near).works());
    for _ in 0..5 {
        // What the other replica remembers is too old by now, and is read again.
        app.clock().advance_seconds(8 * MINUTE);
        assert!(ada.works());
        app.flush_uses();
        app.clock().advance_seconds(8 * MINUTE);
        assert!(ada.at(&near).works());
        near.flush_uses();
    }
}

fn what_services_ask_about_is_in_use(database: TestDatabase) {
    let app = under(database, IDLE);
    let ada = app.user("ada");
    let service = Service::new(&app);
    for turn in 0..4 {
        app.clock().advance_seconds(8 * MINUTE);
        if turn % 2 == 0 {
            assert_eq!(service.told(&ada)["active"], true);
        } else {
            assert_eq!(ada.get("/forward-auth").status, 204);
        }
        app.flush_uses();
    }
    assert!(ada.works());
}

fn a_use_that_could_not_be_written_is_not_lost(database: TestDatabase) {
    let app = under(database, IDLE);
    let near = app.replica();
    let ada = app.user("ada");
    app.clock().advance_seconds(8 * MINUTE);
    assert!(ada.works());
    app.cut(Cut::Operation("session_record_uses"));
    assert!(app.try_flush_uses().is_err());
    // Its user is read again because of a change; what was noted is not written yet.
    app.cut(Cut::Nothing);
    app.clock().advance_seconds(8 * MINUTE);
    block_on(app.operator().account_set_verified("ada", true)).unwrap();
    assert!(ada.works());
    app.flush_uses();
    app.clock().advance_seconds(8 * MINUTE);
    assert!(ada.at(&near).works());
}

fn tokens_for_programs_are_exempt_unless_it_is_asked_for(database: TestDatabase) {
    let app = under(database, IDLE);
    let strict = app.replica_with(|config| config.policy.sessions.users.idle_tokens = true);
    let token = app.user("ada").scoped(&[Scope::AccountRead]);
    app.clock().advance_seconds(11 * MINUTE + 1);
    token.at(&strict).get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(token.works());
}

/// The second in which a session is over, as each dialect tells it.
fn told_ends(app: &TestApp, client: &Client, device: &kratos::Device) -> [i64; 4] {
    let shown = client.get("/api/users/me/sessions/me").expect(200)["exp"].as_i64().unwrap();
    let introspected = Service::new(app).told(client)["exp"].as_i64().unwrap();
    let whoami = device.get("/auth/sessions/whoami").expect(200)["expires_at"].as_str().unwrap().to_owned();
    let expected = app.seconds() + 2 * HOUR;
    let by_kratos = thunderhead_domain::time::Timestamp::from_unix_seconds(expected).to_string();
    [
        shown,
        introspected,
        claims(client.token())["exp"].as_i64().unwrap(),
        if whoami == by_kratos { expected } else { 0 },
    ]
}

fn no_login_outlives_the_absolute_limit_and_every_answer_says_so(database: TestDatabase) {
    let app = under(database, ABSOLUTE);
    app.user("ada");
    let body = json!({"username": "ada", "password": PASSWORD, "rememberMe": true});
    let login = app.anonymous().post("/api/login", &body);
    assert_eq!(login.expect(201)["exp"], app.seconds() + 2 * HOUR);
    let ada = app.anonymous().with_token(&login.token());
    let device = kratos::enter(&app, "ada");
    assert_eq!(told_ends(&app, &ada, &device), [app.seconds() + 2 * HOUR; 4]);
    let legacy = json!({"user": "ada", "pass": PASSWORD, "rememberMe": true});
    let legacy = app.anonymous().post("/api/user/session", &legacy).expect(201);
    assert_eq!(legacy["exp"], app.seconds() + 2 * HOUR, "{legacy}");
    let mut browser = Browser::new(&app);
    let fields = [("username", "ada"), ("password", PASSWORD), ("remember", "on")];
    let signed_in = browser.post("/login", &fields);
    let cookie = signed_in.headers("set-cookie").into_iter().find(|cookie| cookie.contains("session=")).unwrap();
    assert!(cookie.contains("Max-Age=7200"), "{cookie}");
    let token = ada.scoped(&[Scope::AccountRead]);
    app.clock().advance_seconds(2 * HOUR - 1);
    assert!(ada.works() && device.works());
    app.clock().advance_seconds(1);
    ada.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(!device.works() && token.works());
}

fn a_stricter_policy_applies_to_sessions_that_exist(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (ada, device) = (app.anonymous().log_in("ada"), kratos::enter(&app, "ada"));
    let strict = app.replica_with(|config| config.policy.sessions = SessionPolicy::for_all(ABSOLUTE));
    assert_eq!(ada.at(&strict).get("/api/users/me/sessions/me").expect(200)["exp"], app.seconds() + 2 * HOUR);
    app.clock().advance_seconds(2 * HOUR);
    ada.at(&strict).get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(ada.works() && device.works());
    let page = Browser::signed_in(&strict, "ada").get("/account/sessions").text();
    assert_eq!(page.matches("as old as a session may become").count(), 3, "{page}");
}

fn staff_have_limits_of_their_own(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.sessions.staff = IDLE);
    let (root, ada) = (app.staff("root"), app.user("ada"));
    let path = format!("/api/users/{}/sessions", root.id());
    app.clock().advance_seconds(11 * MINUTE + 1);
    assert!(ada.works());
    root.get("/api/users/me").is(NOT_AUTHENTICATED);
    let fresh = app.anonymous().log_in("root");
    assert_eq!(fresh.get(&path).expect(200)["count"], 1);
    assert_eq!(fresh.get(&format!("/api/users/{}/sessions", ada.id())).expect(200)["count"], 1);
}

fn a_scoped_session_lives_no_longer_than_it_may(database: TestDatabase) {
    let app = under(database, SessionLimits { token_max: DAY, ..SessionLimits::DEFAULT });
    let ada = app.user("ada");
    let ask = |field: &str, value: serde_json::Value| {
        let mut body = json!({"name": "script", "permissionFlags": 4, "password": PASSWORD});
        body[field] = value;
        ada.post("/api/users/me/sessions", &body)
    };
    assert_eq!(ask("longLived", json!(true)).expect(201)["exp"], app.seconds() + DAY);
    assert_eq!(ask("expiresIn", json!(DAY)).expect(201)["exp"], app.seconds() + DAY);
    ask("expiresIn", json!(DAY + 1)).is_with(MISSING_FIELDS, json!({"fields": ["expiresIn"]}));
}
