//! What every answer on the paths of this dialect carries.

use std::num::NonZeroU32;

use serde_json::json;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::time::seconds_rounded_up;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::middleware::shield::FloodLimit;
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Response, TestApp};
use crate::routes::ROWS;

on_both_engines!(
    every_answer_is_marked_and_names_its_successor,
    answers_of_the_layers_in_front_are_marked_too,
    the_limits_are_told_in_old_and_new_words,
    the_current_dialect_is_not_marked,
);

/// Demands the mark with this successor.
#[track_caller]
fn is_marked(response: &Response, successor: &str) {
    assert_eq!(response.header("deprecation"), Some("@1767225600"), "{response:?}");
    let link = format!("<{successor}>; rel=\"successor-version\"");
    assert_eq!(response.header("link"), Some(link.as_str()), "{response:?}");
}

fn every_answer_is_marked_and_names_its_successor(database: TestDatabase) {
    let app = TestApp::start(database);
    for row in ROWS.iter().filter(|row| row.is_legacy()) {
        let root = app.staff(&format!("root{}", app.number()));
        let id = root.log_in(root.name()).session_id();
        let path = row.path_about(&root, id);
        let successor = match (row.method, row.path) {
            ("POST", _) => "/api/login".to_owned(),
            (_, "/api/user/session") => "/api/users/me/sessions/me".to_owned(),
            (_, path) if path.contains(":uid") => {
                format!("/api/users/{}/sessions", root.id()) + path.split("/sessions").nth(1).unwrap_or(":sid")
            }
            (_, path) if path.contains(":sid") => "/api/users/me/sessions:sid".to_owned(),
            (_, path) => path.replace("/api/user/", "/api/users/me/"),
        };
        let successor = successor.replace(":sid", &format!("/{id}"));
        // The good answer, the one without a session, the one to another method, and the one without `/user`.
        is_marked(&row.call_about(&app, &app.anonymous(), &root, id).send(), &successor);
        is_marked(&row.call_about(&app, &root, &root, id).send(), &successor);
        if row.method != "POST" {
            is_marked(&root.call("PATCH", &path).send(), &successor);
            is_marked(&root.call("PATCH", &format!("{path}//")).send(), &successor);
            if !row.path.contains(":uid") {
                is_marked(&root.get(&path.replace("/api/user/", "/api/")), &successor);
            }
        }
    }
    is_marked(&app.anonymous().get("/api/user/nowhere"), "/api/");
    is_marked(&app.anonymous().get("/api/session/%3E%0D%0Ax"), "/api/users/me/sessions");
}

fn answers_of_the_layers_in_front_are_marked_too(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    for origin in ["https://app.example", "https://evil.example"] {
        let preflight = app.anonymous().call("OPTIONS", "/api/user/session").header("Origin", origin);
        is_marked(&preflight.header("Access-Control-Request-Method", "GET").send(), "/api/users/me/sessions/me");
    }
    let flooded = app.replica_with(|config| {
        config.flood_limit = FloodLimit::Leaky { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN };
    });
    let answers = (0..5).map(|_| flooded.anonymous().get("/api/user/session"));
    let refused = answers.filter(|answer| answer.status == 429).inspect(|answer| {
        is_marked(answer, "/api/users/me/sessions/me");
    });
    assert!(refused.count() > 0);
}

fn the_limits_are_told_in_old_and_new_words(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let some = |number| NonZeroU32::new(number).unwrap();
        config.http.general_limit = Limit::Within { count: some(2), window_millis: some(60_000) };
    });
    let ends = seconds_rounded_up(app.clock().now().plus_seconds(60).unix_millis()).to_string();
    for (status, remaining) in [(401, "1"), (401, "0"), (429, "0")] {
        let response = app.anonymous().get("/api/user/session");
        assert_eq!(response.status, status);
        let names = ["limit", "remaining", "reset"];
        let [old, new] = ["x-ratelimit-", "ratelimit-"]
            .map(|start| names.map(|name| response.header(&format!("{start}{name}")).unwrap().to_owned()));
        // Now the end of the window is so far away; then it was a moment in Unix seconds.
        assert_eq!(new, ["2", remaining, "60"]);
        assert_eq!(old, ["2", remaining, ends.as_str()]);
        assert_eq!(response.header("retry-after"), (status == 429).then_some("60"));
        is_marked(&response, "/api/users/me/sessions/me");
    }
    let login = app.anonymous().post("/api/session", &json!({}));
    assert_eq!(login.header("x-ratelimit-limit"), None, "the limit of logins is off");
}

fn the_current_dialect_is_not_marked(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let some = |number| NonZeroU32::new(number).unwrap();
        config.http.general_limit = Limit::Within { count: some(100), window_millis: some(60_000) };
    });
    for path in ["/api/", "/api/users/me", "/api/nowhere", "/user/session", "/health/live", "/openapi.json"] {
        let response = app.anonymous().get(path);
        for name in ["deprecation", "link", "x-ratelimit-limit"] {
            assert_eq!(response.header(name), None, "{path}");
        }
    }
}
