//! What Prometheus reads, and what the log leaves out.

use rustix::process::Signal;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::authenticator::Authenticator;

use crate::app::{ORIGIN, client_at, passkey};
use crate::process::{Connection, Process};

/// Before the address where the measurements are read.
const METRICS: &str = "\"metrics\":\"http://";
const DOCUMENTED: &str = include_str!("../../../../docs/OPERATIONS.md");

#[test]
fn measurements_are_served_apart_and_name_no_path_that_a_client_made_up() {
    let mut process = Process::start(&[("METRICS_LISTEN", "127.0.0.1:0"), ("HTTP__DRAIN_MS", "0")]);
    let metrics = process.address_after(METRICS);
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
        r#"thunderhead_database_operations_waiting{pool="sqlite-writer"} 0"#,
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
fn all_that_is_measured_is_known_before_anything_happens() {
    let mut process = Process::start(&[("METRICS_LISTEN", "127.0.0.1:0"), ("HTTP__DRAIN_MS", "0")]);
    let metrics = process.address_after(METRICS);
    let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
    let rows = DOCUMENTED.lines().filter(|line| line.starts_with("| `thunderhead_"));
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (name, kind, labels) = (cells[1].trim_matches('`'), cells[2], cells[3]);
        let help = text.lines().find_map(|line| line.strip_prefix("# HELP ")?.strip_prefix(name)?.strip_prefix(' '));
        assert!(help.is_some_and(|help| !help.is_empty()), "no help text for {name} in:\n{text}");
        assert!(text.lines().any(|line| line == format!("# TYPE {name} {kind}")), "{name} is no {kind}");
        let sample = |line: &&str| line.starts_with(name) && labels.split(", ").all(|label| line.contains(label));
        let samples: Vec<&str> = text.lines().filter(sample).collect();
        assert!(!samples.is_empty(), "no sample of {name} in:\n{text}");
        if kind == "counter" && !name.contains("freshness") && !name.contains("lookups") {
            assert!(samples.iter().all(|sample| sample.ends_with(" 0")), "{samples:?}");
        }
    }
    let one_of = |name: &str, label: &str, values: &[&str]| {
        for value in values {
            let part = format!("{label}=\"{value}\"");
            assert!(text.lines().any(|line| line.starts_with(name) && line.contains(&part)), "no {name} of {part}");
        }
    };
    let outcomes = ["success", "unknown_user", "wrong_password", "banned", "throttled", "switched_off"];
    one_of("thunderhead_logins_total", "outcome", &outcomes);
    one_of("thunderhead_logins_total", "outcome", &["passkey_success", "wrong_passkey"]);
    one_of("thunderhead_logins_total", "outcome", &["challenged", "second_factor", "busy", "fault"]);
    one_of("thunderhead_http_connections_cut_total", "reason", &["idle", "client"]);
    one_of("thunderhead_session_lookups_total", "from", &["cache", "database"]);
    one_of("thunderhead_kill_switch_on", "switch", &KillSwitch::TABLE.map(|(_, name)| name));
    let kinds = ["outage", "defect", "queue_full", "too_slow", "stopped"];
    one_of("thunderhead_database_faults_total", "kind", &kinds);
    one_of("thunderhead_database_faults_total", "pool", &["sqlite-reader", "sqlite-writer", "sqlite-watcher"]);
    let routes = ["/api/login", "/api/user/session", "/auth/sessions/whoami", "/introspect", "/", "none"];
    one_of("thunderhead_http_requests_total", "route", &routes);
}

#[test]
fn a_kill_switch_that_is_on_is_measured() {
    let process = Process::start(&[("HTTP__DRAIN_MS", "0")]);
    process.operate(&["kill-switch", "on", "ACCOUNT_LOGIN"]);
    // The first look comes with the start.
    let mut process = Process::start_in(process.kill(), &[("METRICS_LISTEN", "127.0.0.1:0")]);
    let metrics = process.address_after(METRICS);
    let text = || Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
    let is_on = |text: &str| text.lines().any(|line| line == "thunderhead_kill_switch_on{switch=\"ACCOUNT_LOGIN\"} 1");
    assert!((0..10_000).any(|_| is_on(&text())), "{}", text());
    assert!(text().lines().any(|line| line == "thunderhead_kill_switch_on{switch=\"GLOBAL\"} 0"));
}

#[test]
fn sessions_that_are_read_anew_are_counted_without_a_cache_too() {
    let settings = [("METRICS_LISTEN", "127.0.0.1:0"), ("CACHE__MEMORY_MIB", "0"), ("HTTP__DRAIN_MS", "0")];
    let mut process = Process::start(&settings);
    let metrics = process.address_after(METRICS);
    let ada = client_at(process.address).register("ada");
    assert!(ada.works() && ada.works());
    let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
    let line = "thunderhead_session_lookups_total{from=\"database\"} 2";
    assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
}

#[test]
fn logins_by_a_passkey_are_counted_apart_from_those_by_a_password() {
    let relying_party = [("RELYING_PARTY__ID", "auth.example"), ("RELYING_PARTY__ORIGINS", ORIGIN)];
    let settings = [("METRICS_LISTEN", "127.0.0.1:0"), ("HTTP__DRAIN_MS", "0")];
    let mut process = Process::start(&[settings, relying_party].concat());
    let metrics = process.address_after(METRICS);
    let ada = client_at(process.address).register("ada");
    let mut key = Authenticator::default();
    ada.enrol_passkey(&mut key);
    let anonymous = client_at(process.address);
    let answer = passkey(&anonymous.passkey_challenge(), &mut key);
    anonymous.login_by_passkey(&answer).expect(201);
    anonymous.login_by_passkey(&answer).expect(401);
    let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
    for (outcome, count) in [("passkey_success", 1), ("wrong_passkey", 1), ("success", 0), ("second_factor", 0)] {
        let line = format!("thunderhead_logins_total{{outcome=\"{outcome}\"}} {count}");
        assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
    }
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
