//! `usedAt`: written behind, at most once a minute, and never ahead.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, TestApp};

on_both_engines!(
    it_is_null_at_first_and_then_the_time_of_the_last_request,
    it_is_written_at_most_once_a_minute,
    refused_requests_are_no_uses,
    replicas_do_not_turn_it_back,
);

/// What the row says. Looking is a use too, which is written with the next batch.
fn used_at(client: &Client) -> Value {
    client.get("/api/users/me/sessions/me").expect(200)["usedAt"].clone()
}

fn it_is_null_at_first_and_then_the_time_of_the_last_request(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert_eq!(used_at(&ada), json!(null));
    app.flush_uses();
    app.clock().advance_seconds(70);
    ada.get("/api/users/me").expect(200);
    app.clock().advance_seconds(5);
    app.flush_uses();
    for client in [&ada, &ada.at(&app.replica())] {
        assert_eq!(used_at(client), "2026-01-15T12:01:10.250Z");
    }
}

fn it_is_written_at_most_once_a_minute(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert!(ada.works());
    app.flush_uses();
    for (seconds, expected) in
        [(59, "12:00:00.250Z"), (1, "12:00:00.250Z"), (0, "12:01:00.250Z"), (61, "12:01:00.250Z")]
    {
        app.clock().advance_seconds(seconds);
        assert_eq!(used_at(&ada), format!("2026-01-15T{expected}"));
        app.flush_uses();
    }
    assert_eq!(used_at(&ada), "2026-01-15T12:02:01.250Z");
}

fn refused_requests_are_no_uses(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    ada.with_token("garbage").get("/api/users/me");
    other.delete(&format!("/api/users/me/sessions/{}", ada.session_id())).expect(200);
    assert!(!ada.works());
    app.flush_uses();
    assert_ne!(used_at(&other), json!(null));
}

fn replicas_do_not_turn_it_back(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    assert!(ada.at(&replica).works());
    app.clock().advance_seconds(90);
    assert!(ada.works());
    app.flush_uses();
    replica.flush_uses();
    assert_eq!(used_at(&ada), "2026-01-15T12:01:30.250Z");
}
