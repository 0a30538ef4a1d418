//! Rate limits (`docs/MODEL.md`, *Rate limits*): the windows that clients read about.

use std::num::NonZeroU32;
use std::thread;

use serde_json::{Value, json};
use thunderhead::config::Config;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Call, Client, Cut, PASSWORD, Response, TestApp, registration};
use crate::errors::{BANNED, INVALID_ENDPOINT, INVALID_USER, NOT_AUTHENTICATED, RATE_LIMITED, UNAVAILABLE};

on_both_engines!(
    logins_are_3_in_3_minutes_for_each_client,
    every_login_counts_whatever_is_typed,
    a_parallel_burst_of_logins_gets_no_more_than_3,
    a_refused_login_costs_the_database_nothing,
    logins_and_the_rest_are_counted_apart,
    the_answer_to_a_logins_challenge_is_counted_like_everything_else,
    an_answer_beside_a_password_is_a_login,
    a_users_requests_share_one_count_over_addresses_and_tokens,
    each_scoped_session_is_counted_by_itself,
    a_token_in_a_loop_keeps_nobody_from_ending_it,
    revocations_are_30_in_a_minute_for_each_session_in_all_dialects,
    revocations_without_a_live_session_are_counted_by_address,
    a_token_that_is_given_up_is_counted_by_its_session,
    a_token_that_is_revoked_is_counted_by_its_session,
    strangers_and_dead_sessions_are_counted_by_address,
    every_answer_tells_the_window_that_counted_it,
    a_used_up_limit_comes_before_everything_else,
    forwarded_addresses_are_believed_from_trusted_proxies_alone,
    ipv6_clients_are_counted_by_their_64,
    limits_that_are_off_say_nothing,
    health_and_keys_are_not_counted,
);

/// Every address that a test pretends to come from stands behind this one.
const PROXY: &str = "127.0.0.1/32";

pub(crate) fn within(count: u32, seconds: u32) -> Limit {
    Limit::Within { count: NonZeroU32::new(count).unwrap(), window_millis: NonZeroU32::new(seconds * 1_000).unwrap() }
}

/// The limits of production, behind a proxy.
fn limited(config: &mut Config) {
    config.http.general_limit = within(100, 60);
    config.http.login_limit = within(3, 180);
    config.http.revocation_limit = within(30, 60);
    config.http.trusted_proxies = TrustedProxies::new(vec![PROXY.parse().unwrap()]);
}

/// The limits with a shorter general one, for tests that use it up.
pub(crate) fn tight(config: &mut Config) {
    limited(config);
    config.http.general_limit = within(5, 60);
}

fn from(call: Call, address: &str) -> Response {
    call.header("X-Forwarded-For", address).send()
}

fn login(app: &TestApp, address: &str, body: &Value) -> Response {
    from(app.anonymous().call("POST", "/api/login").json(body), address)
}

fn good() -> Value {
    json!({"username": "ada", "password": PASSWORD})
}

/// A user who has used up nothing of the address that the others come from.
fn user(app: &TestApp, name: &str) -> Client {
    let call = app.anonymous().call("POST", "/api/register").json(&registration(name));
    let token = from(call, "192.0.2.200").token();
    app.anonymous().with_token(&token)
}

/// `RateLimit-Limit`, `-Remaining`, `-Reset` and `Retry-After`.
pub(crate) fn told(response: &Response) -> [Option<u32>; 4] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"]
        .map(|name| response.header(name).map(|value| value.parse().unwrap()))
}

fn statuses(times: usize, act: impl Fn() -> Response) -> Vec<u16> {
    (0..times).map(|_| act().status).collect()
}

fn logins_are_3_in_3_minutes_for_each_client(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    user(&app, "ada");
    let mut seen = vec![];
    for seconds in [0, 0, 60, 0, 119, 0] {
        app.clock().advance_seconds(seconds);
        let response = login(&app, "192.0.2.1", &good());
        seen.push((response.status, told(&response)));
    }
    assert_eq!(
        seen,
        [
            (201, [Some(3), Some(2), Some(180), None]),
            (201, [Some(3), Some(1), Some(180), None]),
            (201, [Some(3), Some(0), Some(120), None]),
            (429, [Some(3), Some(0), Some(120), Some(120)]),
            (429, [Some(3), Some(0), Some(1), Some(1)]),
            (429, [Some(3), Some(0), Some(1), Some(1)]),
        ]
    );
    assert_eq!(login(&app, "192.0.2.2", &good()).status, 201);
    app.clock().advance_seconds(1);
    assert_eq!(login(&app, "192.0.2.1", &good()).status, 201);
}

fn every_login_counts_whatever_is_typed(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    user(&app, "ada");
    let bodies = [json!({}), json!({"username": "nobody", "password": "x"}), json!({"2fa": null}), good()];
    for (number, body) in bodies.iter().enumerate() {
        let address = format!("192.0.2.{number}");
        assert_ne!(login(&app, &address, body).status, 429);
        login(&app, &address, &json!([]));
        login(&app, &address, &json!({"username": "nobody", "password": "x"})).is(INVALID_USER);
        login(&app, &address, &good()).is(RATE_LIMITED);
    }
}

fn a_parallel_burst_of_logins_gets_no_more_than_3(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    user(&app, "ada");
    let seen: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| statuses(5, || login(&app, "192.0.2.1", &good())))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(seen.iter().filter(|status| **status == 201).count(), 3, "{seen:?}");
    assert_eq!(seen.iter().filter(|status| **status == 429).count(), 17, "{seen:?}");
}

fn a_refused_login_costs_the_database_nothing(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    app.cut(Cut::Everything);
    for _ in 0..3 {
        login(&app, "192.0.2.1", &good()).is(UNAVAILABLE);
    }
    assert_eq!(app.cut(Cut::Everything), 3);
    login(&app, "192.0.2.1", &good()).is(RATE_LIMITED);
    assert_eq!(app.cut(Cut::Nothing), 0);
}

fn logins_and_the_rest_are_counted_apart(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    user(&app, "ada");
    assert_eq!(statuses(4, || login(&app, "192.0.2.1", &good())), [201, 201, 201, 429]);
    let get = || from(app.anonymous().call("GET", "/api/"), "192.0.2.1");
    assert_eq!(statuses(6, get), [200, 200, 200, 200, 200, 429]);
    assert_eq!(statuses(4, || login(&app, "192.0.2.9", &good())), [201, 201, 201, 429]);
}

/// Submissions of nothing but an answer, to the three dialects.
fn answers(app: &TestApp) -> [Call; 4] {
    let answer = json!({"2fa": {"token": "a.b.c", "type": "totp", "code": "000000"}});
    let form = "2fa[token]=a.b.c&2fa[type]=totp&2fa[code]=000000";
    let flow = app.anonymous().get("/auth/self-service/login/api").expect(200)["id"].as_str().unwrap().to_owned();
    let anonymous = app.anonymous();
    [
        anonymous.call("POST", "/api/login").json(&answer),
        anonymous.call("POST", "/api/user/session").json(&answer),
        anonymous.call("POST", "/api/session").body("application/x-www-form-urlencoded", form),
        anonymous
            .call("POST", &format!("/auth/self-service/login?flow={flow}"))
            .json(&json!({"method": "totp", "totp_code": "000000"})),
    ]
}

fn the_answer_to_a_logins_challenge_is_counted_like_everything_else(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    for (remaining, call) in (0..100).rev().zip(answers(&app)) {
        let response = from(call, "192.0.2.1");
        assert_eq!(told(&response), [Some(100), Some(remaining), Some(60), None], "{response:?}");
    }
    assert_eq!(told(&login(&app, "192.0.2.1", &json!({}))), [Some(3), Some(2), Some(180), None]);
}

fn an_answer_beside_a_password_is_a_login(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let flow = app.anonymous().get("/auth/self-service/login/api").expect(200)["id"].as_str().unwrap().to_owned();
    let submit = format!("/auth/self-service/login?flow={flow}");
    let post = |path: &str, body: Value| from(app.anonymous().call("POST", path).json(&body), "192.0.2.1");
    let factor = json!({"token": "a.b.c", "type": "totp", "code": "000000"});
    post("/api/login", json!({"2fa": factor, "username": "ada", "password": "x"}));
    post("/api/user/session", json!({"2fa": factor, "user": "ada", "pass": "x"}));
    post(&submit, json!({"method": "totp", "totp_code": "000000", "password": "x"}));
    for (path, body) in [
        ("/api/login", json!({"2fa": factor, "password": ""})),
        ("/api/user/session", json!({"2fa": factor, "password": []})),
        (submit.as_str(), json!({"method": "password", "totp_code": "000000"})),
        (submit.as_str(), json!({"method": "lookup_secret", "password": "x"})),
    ] {
        assert_eq!(post(path, body).status, 429, "{path}");
    }
}

fn each_scoped_session_is_counted_by_itself(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    let ada = user(&app, "ada");
    let scoped = [(); 2].map(|()| ada.scoped(&[Scope::AccountRead]));
    for client in &scoped {
        assert_eq!(statuses(6, || client.get("/api/users/me")), [200, 200, 200, 200, 200, 429]);
    }
    // Two requests made them.
    assert_eq!(statuses(4, || ada.get("/api/users/me")), [200, 200, 200, 429]);
}

fn a_token_in_a_loop_keeps_nobody_from_ending_it(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    let ada = user(&app, "ada");
    let leaked = ada.scoped(&[Scope::UploadFile, Scope::SessionModify]);
    let stolen = ada.with_token(&login(&app, "192.0.2.7", &good()).token());
    statuses(6, || leaked.get("/api/users/me"));
    statuses(6, || stolen.get("/api/users/me"));
    statuses(31, || leaked.delete("/api/users/me/sessions/1"));
    statuses(31, || stolen.delete("/api/users/me/sessions/1"));
    for thief in [&leaked, &stolen] {
        thief.get("/api/users/me").is(RATE_LIMITED);
        thief.delete("/api/users/me/sessions/1").is(RATE_LIMITED);
    }
    let ended = ada.delete("/api/users/me/sessions/all");
    assert_eq!(ended.expect(200)["count"], 2);
    assert_eq!(told(&ended), [Some(30), Some(29), Some(60), None]);
    from(leaked.call("GET", "/api/users/me"), "192.0.2.8").is(NOT_AUTHENTICATED);
}

fn revocations_are_30_in_a_minute_for_each_session_in_all_dialects(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let (ada, other) = (user(&app, "ada"), user(&app, "bob"));
    let none = json!({"ids": [], "sessions": []});
    let unknown = "/auth/sessions/0191f2a4-8b1c-4def-8000-00000000002a";
    let doors = [
        ("DELETE", "/api/users/me/sessions/1", 404),
        ("DELETE", "/api/users/me/sessions", 200),
        ("DELETE", "/api/users/me/sessions/all", 200),
        ("DELETE", "/api/user/session/1", 404),
        ("DELETE", "/api/user/sessions", 200),
        ("DELETE", "/api/user/sessions/all?allButSelf=true", 200),
        ("DELETE", "/api/sessions", 200),
        ("DELETE", "/auth/sessions", 200),
        ("DELETE", unknown, 204),
        ("GET", "/auth/self-service/logout/browser", 200),
        ("GET", "/auth/self-service/logout?token=x", 403),
    ];
    let calls = doors.iter().cycle().take(30);
    for (remaining, (method, path, status)) in (0..30).rev().zip(calls) {
        let response = ada.call(method, path).json(&none).send();
        assert_eq!(
            (response.status, told(&response)),
            (*status, [Some(30), Some(remaining), Some(60), None]),
            "{path}"
        );
    }
    for (method, path, _) in doors {
        let refused = ada.call(method, path).json(&none).send();
        assert_eq!((refused.status, told(&refused)), (429, [Some(30), Some(0), Some(60), Some(60)]), "{path}");
    }
    assert_eq!(told(&ada.get("/api/users/me")), [Some(100), Some(99), Some(60), None]);
    other.delete("/api/users/me/sessions/all").expect(200);
    app.clock().advance_seconds(60);
    ada.delete("/api/users/me/sessions/all").expect(200);
}

fn revocations_without_a_live_session_are_counted_by_address(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let end = |address: &str| from(app.anonymous().call("DELETE", "/api/users/me/sessions/all"), address);
    for remaining in (0..30).rev() {
        let refused = end("192.0.2.1");
        refused.is(NOT_AUTHENTICATED);
        assert_eq!(told(&refused), [Some(30), Some(remaining), Some(60), None]);
    }
    end("192.0.2.1").is(RATE_LIMITED);
    end("192.0.2.2").is(NOT_AUTHENTICATED);
    from(app.anonymous().call("GET", "/api/users/me"), "192.0.2.1").is(NOT_AUTHENTICATED);
}

fn a_token_that_is_given_up_is_counted_by_its_session(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let ada = user(&app, "ada");
    statuses(30, || ada.delete("/api/users/me/sessions/1"));
    let give_up = |token: &str, address: &str| {
        let call = app.anonymous().call("DELETE", "/auth/self-service/logout/api");
        from(call.json(&json!({"session_token": token})), address)
    };
    let refused = give_up(ada.token(), "192.0.2.1");
    assert_eq!((refused.status, told(&refused)), (429, [Some(30), Some(0), Some(60), Some(60)]));
    assert_eq!(give_up(&format!("ory_st_{}", ada.token()), "192.0.2.1").status, 429);
    assert_eq!(told(&give_up("nobody's", "192.0.2.1")), [Some(30), Some(29), Some(60), None]);
    app.clock().advance_seconds(60);
    let given = give_up(ada.token(), "192.0.2.1");
    assert_eq!((given.status, told(&given)), (204, [Some(30), Some(29), Some(60), None]));
    assert!(!ada.works());
    // An ended one is anybody's.
    assert_eq!(told(&give_up(ada.token(), "192.0.2.1")), [Some(30), Some(29), Some(60), None]);
}

fn a_token_that_is_revoked_is_counted_by_its_session(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let ada = user(&app, "ada");
    let leaked = ada.scoped(&[Scope::UploadFile, Scope::SessionModify]);
    statuses(30, || leaked.delete("/api/users/me/sessions/1"));
    let revoke = |form: &str, address: &str| {
        let call = app.anonymous().call("POST", "/revoke");
        from(call.body("application/x-www-form-urlencoded", form), address)
    };
    let named = |client: &Client| format!("token={}", client.token());
    let refused = revoke(&named(&leaked), "192.0.2.1");
    refused.is(RATE_LIMITED);
    assert_eq!(told(&refused), [Some(30), Some(0), Some(60), Some(60)]);
    // Whatever stands for no live session counts by address, and leaves theirs alone.
    for (remaining, form) in (0..30).rev().zip(["token=nobodys", "", "tokens=x"].into_iter().cycle()) {
        let answer = revoke(form, "192.0.2.1");
        assert_eq!(answer.status, if form.starts_with("token=") { 200 } else { 400 });
        assert_eq!(told(&answer), [Some(30), Some(remaining), Some(60), None]);
    }
    revoke("token=nobodys", "192.0.2.1").is(RATE_LIMITED);
    revoke("", "192.0.2.1").is(RATE_LIMITED);
    let ended = revoke(&named(&ada), "192.0.2.1");
    assert_eq!((ended.status, told(&ended)), (200, [Some(30), Some(29), Some(60), None]));
    assert!(!ada.works() && leaked.get("/api/users/me").status == 403);
    app.clock().advance_seconds(60);
    assert_eq!(revoke(&named(&leaked), "192.0.2.1").status, 200);
    leaked.get("/api/users/me").is(NOT_AUTHENTICATED);
}

fn a_users_requests_share_one_count_over_addresses_and_tokens(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let ada = user(&app, "ada");
    let second = ada.with_token(&login(&app, "192.0.2.7", &good()).token());
    for number in 0..100 {
        let token = if number % 2 == 0 { &ada } else { &second };
        let response = from(token.call("GET", "/api/users/me"), &format!("192.0.2.{number}"));
        response.expect(200);
        assert_eq!(told(&response), [Some(100), Some(99 - number), Some(60), None]);
    }
    for token in [&ada, &second] {
        let refused = from(token.call("GET", "/api/users/me"), "198.51.100.1");
        refused.is(RATE_LIMITED);
        assert_eq!(told(&refused), [Some(100), Some(0), Some(60), Some(60)]);
    }
    let bob = user(&app, "bob");
    from(bob.call("GET", "/api/users/me"), "192.0.2.1").expect(200);
    app.clock().advance_millis(59_999);
    assert_eq!(told(&from(ada.call("GET", "/api/users/me"), "192.0.2.1"))[3], Some(1));
    app.clock().advance_millis(1);
    from(ada.call("GET", "/api/users/me"), "192.0.2.1").expect(200);
}

fn strangers_and_dead_sessions_are_counted_by_address(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    let (ada, bob) = (user(&app, "ada"), user(&app, "bob"));
    from(ada.call("DELETE", "/api/users/me/sessions/me"), "192.0.2.50").expect(200);
    app.ban("bob");
    let get = |client: &Client, address: &str| from(client.call("GET", "/api/users/me"), address);
    get(&ada, "192.0.2.1").is(NOT_AUTHENTICATED);
    get(&bob, "192.0.2.1").is(BANNED);
    get(&ada.with_token("garbage"), "192.0.2.1").is(NOT_AUTHENTICATED);
    get(&app.anonymous(), "192.0.2.1").is(NOT_AUTHENTICATED);
    from(app.anonymous().call("GET", "/api/nowhere"), "192.0.2.1").is(INVALID_ENDPOINT);
    for client in [&ada, &bob, &app.anonymous()] {
        get(client, "192.0.2.1").is(RATE_LIMITED);
        assert_ne!(get(client, "192.0.2.2").status, 429);
    }
}

fn every_answer_tells_the_window_that_counted_it(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    let ada = user(&app, "ada");
    let calls = [
        (ada.call("GET", "/api/users/me/sessions"), 200),
        (ada.call("GET", "/api/users/me/sessions/1"), 404),
        (ada.call("POST", "/api/users/me/sessions"), 400),
        (ada.call("GET", "/api/users/1/sessions"), 403),
        (ada.call("PUT", "/api/users/me"), 405),
        (ada.call("GET", "/api/nowhere"), 404),
        (ada.call("GET", "/nowhere"), 404),
        (ada.call("GET", "/api/"), 200),
        (ada.call("POST", "/api/register"), 401),
    ];
    for (remaining, (call, status)) in (0..100).rev().zip(calls) {
        let response = call.send();
        assert_eq!((response.status, told(&response)), (status, [Some(100), Some(remaining), Some(60), None]));
    }
    let refused = from(ada.call("POST", "/api/login"), "192.0.2.1");
    refused.is(NOT_AUTHENTICATED);
    assert_eq!(told(&refused), [Some(3), Some(2), Some(180), None]);
}

fn a_used_up_limit_comes_before_everything_else(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    user(&app, "ada");
    statuses(5, || from(app.anonymous().call("GET", "/api/"), "192.0.2.1"));
    statuses(3, || login(&app, "192.0.2.1", &json!({})));
    app.switch(KillSwitch::Global, true);
    from(app.anonymous().call("GET", "/api/users/me"), "192.0.2.1").is(RATE_LIMITED);
    login(&app, "192.0.2.1", &json!({})).is(RATE_LIMITED);
    from(app.anonymous().call("GET", "/api/users/me"), "192.0.2.2").is_with(UNAVAILABLE, json!({"feature": 8}));
    login(&app, "192.0.2.2", &json!({})).is_with(UNAVAILABLE, json!({"feature": 8}));
}

fn forwarded_addresses_are_believed_from_trusted_proxies_alone(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    user(&app, "ada");
    // What the client wrote itself stands to the left of what our proxy appended.
    let through_proxy = |made_up: &str| login(&app, &format!("{made_up}, 192.0.2.1"), &good());
    let seen: Vec<u16> =
        ["10.0.0.1", "10.0.0.2", "x", "127.0.0.1"].map(|made_up| through_proxy(made_up).status).to_vec();
    assert_eq!(seen, [201, 201, 201, 429]);
    let session = app.anonymous().with_token(&login(&app, "10.0.0.1, 192.0.2.7", &good()).token());
    let list = session.get("/api/users/me/sessions?full=true").expect(200);
    assert_eq!(list["items"][0]["ip"], "192.0.2.7");
    // A server that trusts nobody counts its peer, whatever is said.
    let open = app.replica_with(|config| config.http.trusted_proxies = TrustedProxies::default());
    let seen: Vec<u16> = (0..4).map(|number| login(&open, &format!("192.0.2.{number}"), &good()).status).collect();
    assert_eq!(seen, [201, 201, 201, 429]);
}

fn ipv6_clients_are_counted_by_their_64(database: TestDatabase) {
    let app = TestApp::with(database, limited);
    user(&app, "ada");
    let addresses =
        ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "[2001:db8:0:1::3]:443", "2001:db8:0:1::4", "2001:db8:0:2::1"];
    let seen: Vec<u16> = addresses.map(|address| login(&app, address, &good()).status).to_vec();
    assert_eq!(seen, [201, 201, 201, 429, 201]);
}

fn limits_that_are_off_say_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert_eq!(told(&ada.get("/api/users/me")), [None; 4]);
    let seen: Vec<_> = (0..5).map(|_| app.anonymous().post("/api/login", &good())).collect();
    assert!(seen.iter().all(|response| response.status == 201 && told(response) == [None; 4]));
}

fn health_and_keys_are_not_counted(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    for path in ["/health/live", "/health/ready", "/.well-known/jwks.json"] {
        for _ in 0..7 {
            let response = app.anonymous().get(path);
            response.expect(200);
            assert_eq!(told(&response), [None; 4]);
        }
    }
}
