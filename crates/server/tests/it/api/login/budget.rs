//! The failure budget of an account: guessing costs time, whatever door it comes by (`spec/model.md`, *Rate
//! limits*).

use std::sync::Barrier;
use std::thread;

use serde_json::json;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{attempt, credentials};
use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INVALID_PASSWORD, RATE_LIMITED, UNAVAILABLE};

on_both_engines!(
    ten_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour,
    a_completed_login_clears_the_budget,
    other_spellings_and_reverification_share_the_budget,
    the_budget_survives_a_restart_and_holds_for_replicas,
    another_user_is_not_affected,
    a_switch_comes_before_a_used_up_budget,
    of_50_parallel_guesses_at_most_10_are_judged,
    twenty_parallel_right_logins_all_succeed,
    an_unknown_name_stays_404_however_often_it_is_tried,
);

fn guess(app: &TestApp, name: &str) -> Response {
    attempt(app, &credentials(name, "wrong"))
}

/// Uses up what is free.
fn fail_ten_times(app: &TestApp, name: &str) {
    for _ in 0..10 {
        guess(app, name).is(INVALID_PASSWORD);
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
        let refused = guess(&app, "ada");
        refused.is(RATE_LIMITED);
        assert_eq!(refused.header("retry-after"), Some("1"));
        app.clock().advance_millis(1);
        guess(&app, "ada").is(INVALID_PASSWORD);
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
    guess(&app, "ada").is(RATE_LIMITED);
}

fn other_spellings_and_reverification_share_the_budget(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["ada", "Ada", "ADA", "aDa"] {
        guess(&app, name).is(INVALID_PASSWORD);
    }
    for _ in 0..6 {
        scoped_with(&ada, "wrong").is(INVALID_PASSWORD);
    }
    guess(&app, "ada").is(RATE_LIMITED);
    let refused = scoped_with(&ada, PASSWORD);
    refused.is(RATE_LIMITED);
    assert_eq!(refused.header("retry-after"), Some("1"));
    app.clock().advance_seconds(1);
    scoped_with(&ada, PASSWORD).expect(201);
    fail_ten_times(&app, "ada");
}

fn the_budget_survives_a_restart_and_holds_for_replicas(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    fail_ten_times(&app, "ada");
    let app = app.restart();
    guess(&app, "ada").is(RATE_LIMITED);
    guess(&app.replica(), "ada").is(RATE_LIMITED);
}

fn another_user_is_not_affected(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.user("bob");
    fail_ten_times(&app, "ada");
    guess(&app, "ada").is(RATE_LIMITED);
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

fn of_50_parallel_guesses_at_most_10_are_judged(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let replica = app.replica();
    let guess_away = |app: &TestApp| (0..10).map(|_| guess(app, "ada")).collect::<Vec<_>>();
    let answers: Vec<Response> = thread::scope(|scope| {
        let apps = [&app, &replica, &app, &replica, &app];
        let threads = apps.map(|app| scope.spawn(move || guess_away(app)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(judged, 10);
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
    let answers: Vec<u16> = (0..15).map(|_| guess(&app, "nobody").status).collect();
    assert_eq!(answers, [404; 15]);
}
