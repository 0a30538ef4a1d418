//! The failure budget of an account: guessing costs time, whatever door it comes by (`docs/MODEL.md`, *Rate
//! limits*).

use std::sync::Barrier;
use std::thread;

use serde_json::json;
use thunderhead_auth::settings::LoginErrors;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::{attempt, credentials};
use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INVALID_PASSWORD, RATE_LIMITED, UNAVAILABLE};

on_both_engines!(
    ten_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour,
    a_completed_login_clears_the_budget,
    strangers_share_a_budget_whatever_they_type_and_wherever_they_are,
    a_stranger_does_not_delay_the_owner_at_home_nor_in_a_session,
    a_network_is_known_for_90_days_after_the_last_session_from_there,
    a_live_session_has_a_budget_of_its_own,
    uniform_budgets_of_strangers_tell_nothing,
    an_operator_unlocks_an_account,
    the_budget_survives_a_restart_and_holds_for_replicas,
    another_user_is_not_affected,
    a_switch_comes_before_a_used_up_budget,
    of_50_parallel_attempts_at_most_10_are_checked,
    twenty_parallel_right_logins_all_succeed,
    an_unknown_name_stays_404_however_often_it_is_tried,
);

fn password_attempt(app: &TestApp, name: &str) -> Response {
    attempt(app, &credentials(name, "wrong"))
}

/// Uses up what is free.
fn fail_ten_times(app: &TestApp, name: &str) {
    for _ in 0..10 {
        password_attempt(app, name).is(INVALID_PASSWORD);
    }
}

fn scoped_with(client: &Client, password: &str) -> Response {
    let body = json!({"name": "script", "permissionFlags": 1, "password": password});
    client.post("/api/users/me/sessions", &body)
}

fn ten_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    fail_ten_times(&app, "ada");
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let refused = attempt(&app, &credentials("ada", PASSWORD));
        refused.is(RATE_LIMITED);
        assert_eq!(refused.header("retry-after"), Some(seconds.to_string().as_str()));
        app.clock().advance_millis(seconds * 1_000 - 1);
        let refused = password_attempt(&app, "ada");
        refused.is(RATE_LIMITED);
        assert_eq!(refused.header("retry-after"), Some("1"));
        app.clock().advance_millis(1);
        password_attempt(&app, "ada").is(INVALID_PASSWORD);
    }
    app.clock().advance_seconds(900);
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
}

fn a_completed_login_clears_the_budget(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    fail_ten_times(&app, "ada");
    app.clock().advance_seconds(1);
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
    fail_ten_times(&app, "ada");
    password_attempt(&app, "ada").is(RATE_LIMITED);
}

/// A server that believes what its clients say of their address.
fn start(database: TestDatabase, errors: LoginErrors) -> TestApp {
    TestApp::with(database, |config| {
        config.http.trusted_proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
        config.policy.login_errors = errors;
    })
}

/// An attempt from an address, by name or address of the user.
fn attempt_from(app: &TestApp, address: &str, name: &str, password: &str) -> Response {
    let login = app.anonymous().call("POST", "/api/user/session").json(&json!({"user": name, "pass": password}));
    login.header("X-Forwarded-For", address).send()
}

fn fail_ten_times_from(app: &TestApp, address: &str, name: &str) {
    for _ in 0..10 {
        assert_ne!(attempt_from(app, address, name, "wrong").status, 429);
    }
    assert_eq!(attempt_from(app, address, name, "wrong").status, 429);
}

fn strangers_share_a_budget_whatever_they_type_and_wherever_they_are(database: TestDatabase) {
    let app = start(database, LoginErrors::Detailed);
    app.user("ada");
    for (turn, name) in ["ada", "Ada", " ADA", "ada@example.org", "Ada@Example.org "].into_iter().enumerate() {
        for host in [1, 2] {
            let refused = attempt_from(&app, &format!("198.51.{turn}.{host}"), name, "wrong");
            assert_eq!(refused.status, 401, "{name}");
        }
    }
    assert_eq!(attempt_from(&app, "203.0.113.9", "ada", PASSWORD).status, 429);
    assert_eq!(attempt_from(&app, "2001:db8::1", "ada@example.org", PASSWORD).status, 429);
}

fn a_stranger_does_not_delay_the_owner_at_home_nor_in_a_session(database: TestDatabase) {
    let app = start(database, LoginErrors::Detailed);
    let uniform = app.replica_with(|config| config.policy.login_errors = LoginErrors::Uniform);
    let ada = app.user("ada");
    for (address, neighbour) in [("192.0.2.7", "192.0.2.99"), ("2001:db8:1:2::3", "2001:db8:1:ffff::1")] {
        attempt_from(&app, address, "ada", PASSWORD).expect(201);
        for app in [&app, &uniform] {
            fail_ten_times_from(app, "203.0.113.9", "ada");
            attempt_from(app, neighbour, "ada", PASSWORD).expect(201);
            scoped_with(&ada.at(app), PASSWORD).expect(201);
            // What the owner does at home says nothing of the strangers.
            assert_eq!(attempt_from(app, "203.0.113.9", "ada", PASSWORD).status, 429);
            block_on(app.operator().account_unlock("ada")).unwrap();
        }
    }
}

fn a_network_is_known_for_90_days_after_the_last_session_from_there(database: TestDatabase) {
    let app = start(database, LoginErrors::Detailed);
    app.user("ada");
    attempt_from(&app, "192.0.2.7", "ada", PASSWORD).expect(201);
    app.clock().advance_seconds(90 * 24 * 3_600);
    fail_ten_times_from(&app, "203.0.113.9", "ada");
    attempt_from(&app, "192.0.2.8", "ada", PASSWORD).expect(201);
    app.clock().advance_seconds(90 * 24 * 3_600 + 1);
    fail_ten_times_from(&app, "203.0.113.9", "ada");
    assert_eq!(attempt_from(&app, "192.0.2.8", "ada", PASSWORD).status, 429);
}

fn a_live_session_has_a_budget_of_its_own(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    for _ in 0..10 {
        scoped_with(&ada, "wrong").is(INVALID_PASSWORD);
    }
    let refused = scoped_with(&ada, PASSWORD);
    refused.is(RATE_LIMITED);
    assert_eq!(refused.header("retry-after"), Some("1"));
    scoped_with(&other, PASSWORD).expect(201);
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
    scoped_with(&ada, PASSWORD).is(RATE_LIMITED);
    app.clock().advance_seconds(1);
    scoped_with(&ada, PASSWORD).expect(201);
    scoped_with(&ada, "wrong").is(INVALID_PASSWORD);
}

fn uniform_budgets_of_strangers_tell_nothing(database: TestDatabase) {
    let app = start(database, LoginErrors::Uniform);
    app.user("ada");
    for (name, address) in [("ada", "ada@example.org"), ("nobody", "nobody@example.org")] {
        fail_ten_times_from(&app, "203.0.113.9", name);
        // Another text is another counter, whoever has both.
        assert_eq!(attempt_from(&app, "203.0.113.9", address, "wrong").status, 404);
    }
    app.clock().advance_seconds(24 * 3_600);
    for name in ["ada", "nobody"] {
        fail_ten_times_from(&app, "203.0.113.9", name);
    }
}

fn an_operator_unlocks_an_account(database: TestDatabase) {
    let app = start(database, LoginErrors::Detailed);
    let uniform = app.replica_with(|config| config.policy.login_errors = LoginErrors::Uniform);
    let ada = app.user("ada");
    let clients = [("203.0.113.9", "ada"), ("203.0.113.9", "ada@example.org"), ("127.0.0.1", "ada")];
    for app in [&app, &uniform] {
        for (address, name) in clients {
            while attempt_from(app, address, name, "wrong").status != 429 {}
        }
    }
    for _ in 0..10 {
        scoped_with(&ada, "wrong").is(INVALID_PASSWORD);
    }
    assert!(block_on(app.operator().account_unlock("ada")).unwrap().1);
    for app in [&app, &uniform] {
        for (address, name) in clients {
            attempt_from(app, address, name, "wrong");
            attempt_from(app, address, name, PASSWORD).expect(201);
        }
    }
    scoped_with(&ada, PASSWORD).expect(201);
    assert!(!block_on(app.operator().account_unlock("ada")).unwrap().1);
}

fn the_budget_survives_a_restart_and_holds_for_replicas(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    fail_ten_times(&app, "ada");
    let app = app.restart();
    password_attempt(&app, "ada").is(RATE_LIMITED);
    password_attempt(&app.replica(), "ada").is(RATE_LIMITED);
}

fn another_user_is_not_affected(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.user("bob");
    fail_ten_times(&app, "ada");
    password_attempt(&app, "ada").is(RATE_LIMITED);
    attempt(&app, &credentials("bob", PASSWORD)).expect(201);
}

fn a_switch_comes_before_a_used_up_budget(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    fail_ten_times(&app, "ada");
    app.switch(KillSwitch::AccountLogin, true);
    attempt(&app, &credentials("ada", PASSWORD)).is_with(UNAVAILABLE, json!({"feature": 4}));
    scoped_with(&ada, PASSWORD).is_with(UNAVAILABLE, json!({"feature": 4}));
}

fn of_50_parallel_attempts_at_most_10_are_checked(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let replica = app.replica();
    let attempt_away = |app: &TestApp| (0..10).map(|_| password_attempt(app, "ada")).collect::<Vec<_>>();
    let answers: Vec<Response> = thread::scope(|scope| {
        let apps = [&app, &replica, &app, &replica, &app];
        let threads = apps.map(|app| scope.spawn(move || attempt_away(app)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(checked, 10);
    for refused in answers.iter().filter(|answer| answer.status != 401) {
        refused.is(RATE_LIMITED);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
}

fn twenty_parallel_right_logins_all_succeed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let barrier = Barrier::new(20);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                barrier.wait();
                attempt(&app, &credentials("ada", PASSWORD)).expect(201);
            });
        }
    });
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 21);
}

fn an_unknown_name_stays_404_however_often_it_is_tried(database: TestDatabase) {
    let app = TestApp::start(database);
    let answers: Vec<u16> = (0..15).map(|_| password_attempt(&app, "nobody").status).collect();
    assert_eq!(answers, [404; 15]);
}
