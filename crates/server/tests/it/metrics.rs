//! What Prometheus reads, and what the log leaves out.

use rustix::process::Signal;

use crate::process::{Connection, Process};

const DOCUMENTED: &str = include_str!("../../../../docs/OPERATIONS.md");

#[test]
fn measurements_are_served_apart_and_name_no_path_that_a_client_made_up() {
    let mut process = Process::start(&[("METRICS_LISTEN", "127.0.0.1:0"), ("HTTP__DRAIN_MS", "0")]);
    let metrics = process.address_after("metrics         http://");
    let mut client = Connection::open(process.address).unwrap();
    let mut ask = |method, path, body| client.ask(method, path, body).unwrap().status;
    assert_eq!(ask("GET", "/health/live", ""), 200);
    assert_eq!(ask("GET", "/api/users/7/sessions/made-up", ""), 401);
    assert_eq!(ask("GET", "/api/nothing/made-up?made-up", ""), 404);
    assert_eq!(ask("MADE-UP", "/api/users/me", ""), 405);
    assert_eq!(ask("POST", "/api/login", r#"{"username":"made-up","password":"made-up"}"#), 404);
    assert_eq!(ask("GET", "/metrics", ""), 404);

    let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap();
    assert_eq!(text.status, 200);
    let text = text.body;
    for line in [
        r#"thunderhead_http_requests_total{method="GET",route="/health/live",status="200"} 1"#,
        r#"thunderhead_http_requests_total{method="GET",route="/api/users/{uid}/sessions/{sid}",status="401"} 1"#,
        r#"thunderhead_http_requests_total{method="GET",route="none",status="404"} 2"#,
        r#"thunderhead_http_requests_total{method="other",route="/api/users/me",status="405"} 1"#,
        r#"thunderhead_http_request_duration_seconds_count{method="POST",route="/api/login"} 1"#,
        r#"thunderhead_logins_total{outcome="unknown_user"} 1"#,
        "thunderhead_http_connections 1",
        "thunderhead_http_requests_in_flight 0",
        "thunderhead_hashing_running 0",
        r#"thunderhead_database_operations_waiting{lane="sqlite-writer"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
    }
    assert!(!text.contains("made-up"), "{text}");
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(DOCUMENTED.contains(&format!("| `{name}` |")), "docs/OPERATIONS.md does not name {name}");
    }
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn what_is_no_http_is_not_logged_unless_that_is_asked_for() {
    for (log, logged) in [("info", false), ("info,actix_http=error", true)] {
        let process = Process::start(&[("LOG", log), ("HTTP__DRAIN_MS", "0")]);
        Connection::open(process.address).unwrap().send_and_wait_for_the_end(b"\x16\x03\x01 garbage\r\n\r\n");
        process.signal(Signal::TERM);
        let ended = process.end();
        assert_eq!(ended.log.contains("actix_http"), logged, "{ended:?}");
    }
}
