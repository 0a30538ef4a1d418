//! What the log has of requests, and what the process says when it starts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::app::{Client, PASSWORD, client_at};
use crate::errors::{INVALID_USER, NOT_AUTHENTICATED};
use crate::process::{Connection, Process};

/// What makes a server fit for a test of what it logs.
const QUICK: [(&str, &str); 4] =
    [("LIMITS__LOGIN", "off"), ("HASHING__MEMORY_KIB", "8"), ("HASHING__PASSES", "1"), ("HTTP__DRAIN_MS", "0")];

fn start(settings: &[(&str, &str)]) -> (Process, Client) {
    let process = Process::start(&[&QUICK[..], settings].concat());
    let anonymous = client_at(process.address);
    (process, anonymous)
}

fn log_of(process: Process) -> String {
    process.signal(Signal::TERM);
    process.end().log
}

/// The requests of a log in JSON.
fn requests(log: &str) -> Vec<Value> {
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["fields"]["message"] == "finished").map(|mut event| event["fields"].take()).collect()
}

/// A login in the Kratos dialect.
fn kratos_login(anonymous: &Client, password: &str) -> u16 {
    let flow = anonymous.get("/auth/self-service/login/api").expect(200)["id"].as_str().unwrap().to_owned();
    let body = json!({"method": "password", "identifier": "ada", "password": password});
    anonymous.post(&format!("/auth/self-service/login?flow={flow}"), &body).status
}

#[test]
fn a_one_time_link_is_never_logged() {
    let (process, anonymous) = start(&[("LOG", "debug")]);
    let secret = format!("thk_{}", "A".repeat(43));
    let paths = [format!("/link/{secret}"), format!("//link//{secret}/x"), format!("/%6cink/{secret}")];
    for path in &paths {
        for method in ["GET", "POST"] {
            let answer = anonymous.call(method, path).header("Host", "localhost").send();
            assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        }
    }
    let log = log_of(process);
    assert!(!log.contains(&secret), "{log}");
    let told: Vec<_> = requests(&log).iter().map(|request| request["path"].clone()).collect();
    let shown = ["/link/{token}", "/link/{token}", "/%6cink"];
    assert_eq!(told, shown.into_iter().flat_map(|path| [json!(path), json!(path)]).collect::<Vec<_>>());
}

#[test]
fn a_request_is_logged_with_its_client_and_its_user_in_every_dialect() {
    let (process, anonymous) = start(&[("TRUSTED_PROXIES", "127.0.0.1"), ("LOG_REQUESTS", "all")]);
    let ada = anonymous.register("ada");
    let wrong = json!({"username": "ada", "password": "wrong"});
    let legacy = |password: &str| json!({"user": "ada", "pass": password});
    let statuses = [
        ada.call("GET", "/api/users/me?secret").header("X-Forwarded-For", "192.0.2.7").send().status,
        ada.get("/api/user/sessions").status,
        anonymous.call("GET", "/auth/sessions/whoami").header("X-Session-Token", ada.token()).send().status,
        ada.get("/forward-auth").status,
        anonymous.log_in("ada").get("/api/users/me/sessions").status,
        anonymous.post("/api/user/session", &legacy(PASSWORD)).status,
        kratos_login(&anonymous, PASSWORD),
    ];
    assert_eq!(statuses, [200, 200, 200, 204, 200, 201, 200]);
    anonymous.with_token("made-up").get("/api/users/me").is(NOT_AUTHENTICATED);
    let other = anonymous.log_in("ada");
    let logout = |token: &str| anonymous.delete_with("/auth/self-service/logout/api", &json!({"session_token": token}));
    assert_eq!(logout(other.token()).status, 204);
    assert!(logout("made-up").status >= 400);
    let given_up = anonymous.log_in("ada");
    let revoke = anonymous.call("POST", "/revoke");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(revoke.body(form, format!("token={}", given_up.token())).send().status, 200);
    assert_ne!(anonymous.post("/api/login", &wrong).status, 201);
    assert_ne!(anonymous.post("/api/user/session", &legacy("wrong")).status, 201);
    assert_ne!(kratos_login(&anonymous, "wrong"), 200);
    anonymous.post("/api/login", &json!({"username": "nobody", "password": "x"})).is(INVALID_USER);

    let log = log_of(process);
    let requests = requests(&log);
    let id = json!(ada.id());
    for request in &requests {
        let path = request["path"].as_str().unwrap();
        let status = request["status"].as_u64().unwrap();
        // A flow is begun by nobody yet.
        let has_user = status < 400 && path != "/auth/self-service/login/api";
        assert_eq!(request.get("user"), has_user.then_some(&id), "{request}");
        let client = if path == "/api/users/me" && status == 200 { "192.0.2.7" } else { "127.0.0.1" };
        assert_eq!(request["client"], client, "{request}");
        for field in ["method", "duration_ms", "request_id"] {
            assert!(!request[field].is_null(), "{field}: {request}");
        }
    }
    assert_eq!(requests.len(), 21, "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_request_is_logged_with_the_trace_that_its_client_names_and_with_none_where_that_is_malformed() {
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let good = format!("00-{trace}-{parent}-01");
    let malformed = [format!("00-{trace}-{parent}"), format!("ff-{trace}-{parent}-01"), "made-up".repeat(100)];
    for format in ["json", "lines"] {
        let (process, anonymous) = start(&[("LOG_FORMAT", format)]);
        for path in ["/api/users/me", "/made-up"] {
            anonymous.call("GET", path).header("traceparent", &good).send();
            for malformed in &malformed {
                anonymous.call("GET", path).header("traceparent", malformed).send();
            }
        }
        let log = log_of(process);
        let named = log.lines().filter(|line| line.contains(" GET ") || line.contains("\"finished\""));
        let named: Vec<_> = named.filter(|line| line.contains(trace)).collect();
        assert_eq!(named.len(), 2, "{log}");
        assert!(!log.contains(parent) && !log.contains("made-upmade-up"), "{log}");
        if format == "json" {
            let with_trace = requests(&log).iter().filter(|request| request["trace_id"] == trace).count();
            assert_eq!(with_trace, 2, "{log}");
        }
    }
}

#[test]
fn a_setting_leaves_clients_and_users_out_of_the_log() {
    let (process, anonymous) = start(&[("LOG_CLIENTS", "false"), ("LOG_REQUESTS", "all")]);
    let ada = anonymous.register("ada");
    assert!(ada.works());
    let log = log_of(process);
    assert_eq!(requests(&log).len(), 2);
    assert!(!log.contains("127.0.0.1") && !log.contains(ada.id()), "{log}");
}

/// What stands in the log after requests of every kind: method, path and status.
fn logged_of_every_kind(settings: &[(&str, &str)]) -> Vec<String> {
    let (process, anonymous) = start(settings);
    let ada = anonymous.register("ada");
    // The name, a colon, and the secret.
    let service = process.operate(&["service", "create", "shop"]).trim().to_owned();
    let credentials = STANDARD.encode(&service);
    let ask = |token: &str, credentials: &str| {
        let call = anonymous.call("POST", "/introspect").header("Authorization", &format!("Basic {credentials}"));
        call.body("application/x-www-form-urlencoded", format!("token={token}")).send().status
    };
    let cookie = format!("thunderhead_session={}", ada.token());
    let by_cookie = |path: &str| anonymous.call("GET", path).header("Cookie", &cookie).send();
    let statuses = [
        anonymous.get("/health/live").status,
        ada.get("/api/users/me").status,
        ada.call("HEAD", "/api/users/me").send().status,
        anonymous.get("/api/users/me").status,
        anonymous.get("/made-up").status,
        ask(ada.token(), &credentials),
        ask(ada.token(), "bm9ib2R5"),
        ada.call("POST", "/forward-auth/envoy/-/orders").header("X-Forwarded-Method", "POST").send().status,
        anonymous.post("/api/login", &json!({})).status,
    ];
    assert_eq!(statuses, [200, 200, 200, 401, 404, 200, 401, 200, 400]);
    let begun = by_cookie("/auth/self-service/logout/browser").expect(200);
    let token = begun["logout_token"].as_str().unwrap();
    assert_eq!(by_cookie(&format!("/auth/self-service/logout?token={token}")).status, 204);
    let log = log_of(process);
    assert!(!log.contains(token) && !log.contains(&credentials) && !log.contains(ada.token()), "{log}");
    let shown = |request: &Value| format!("{} {} {}", request["method"], request["path"], request["status"]);
    requests(&log).iter().map(|request| shown(request).replace('"', "")).collect()
}

#[test]
fn all_requests_are_logged_or_those_that_were_no_successful_reads_or_none() {
    let some = [
        "POST /api/register 201",
        "GET /api/users/me 401",
        "GET /made-up 404",
        "POST /introspect 401",
        "POST /api/login 400",
        "GET /auth/self-service/logout/browser 200",
        "GET /auth/self-service/logout 204",
    ];
    assert_eq!(logged_of_every_kind(&[]), some);
    assert_eq!(logged_of_every_kind(&[("LOG_REQUESTS", "off")]), Vec::<String>::new());
    let all = logged_of_every_kind(&[("LOG_REQUESTS", "all"), ("LOG", "debug")]);
    let reads = [
        "GET /health/live 200",
        "GET /api/users/me 200",
        "HEAD /api/users/me 200",
        "POST /introspect 200",
        "POST /forward-auth/envoy/- 200",
    ];
    assert!(some.iter().chain(&reads).all(|line| all.iter().any(|logged| logged == line)), "{all:#?}");
    assert_eq!(all.len(), some.len() + reads.len(), "{all:#?}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request_and_no_end_and_what_it_loses_is_counted() {
    let settings =
        [&QUICK[..], &[("LOG", "trace"), ("LOG_REQUESTS", "all"), ("METRICS_LISTEN", "127.0.0.1:0")]].concat();
    let mut process = Process::start_unread(&settings);
    let metrics = process.address_after("\"metrics\":\"http://");
    let dropped = || {
        let text = Connection::open(metrics).unwrap().ask("GET", "/metrics", "").unwrap().body;
        let line = text.lines().find_map(|line| line.strip_prefix("thunderhead_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("{text}")).parse::<u64>().unwrap()
    };
    let mut client = Connection::open(process.address).unwrap();
    // The pipe holds some of them and the queue some more, so that it takes many.
    let answers = (1..=50_000).take_while(|number| number % 100 != 0 || dropped() == 0);
    let answered = answers.map(|_| client.ask("GET", "/made-up", "").unwrap().status).filter(|status| *status == 404);
    let answered = answered.count();
    assert!(answered < 49_000, "nothing was dropped");
    assert_eq!(client.ask("GET", "/health/ready", "").unwrap().status, 200);
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_request_fits_a_line_of_a_terminal() {
    let (process, anonymous) = start(&[("LOG_FORMAT", "lines"), ("LOG_REQUESTS", "all")]);
    let ada = anonymous.register("ada");
    let response = ada.get("/api/users/me/sessions");
    let log = log_of(process);
    let line = log.lines().find(|line| line.contains(" GET /api/users/me/sessions 200 ")).unwrap();
    assert!(line.chars().count() <= 80, "{line}");
    let id = &response.header("x-request-id").unwrap()[..8];
    assert!(line.ends_with(&format!("ms {} 127.0.0.1 {id}", ada.id())), "{line}");
    assert!(process_said_lines(&log), "{log}");
}

/// Whether what is no request is readable too.
fn process_said_lines(log: &str) -> bool {
    log.lines().any(|line| line.ends_with(" INFO thunderhead::serve: stopped"))
}

#[test]
fn without_a_terminal_the_start_is_an_event_like_the_others() {
    let (process, _) = start(&[("METRICS_LISTEN", "127.0.0.1:0")]);
    let event: Value = serde_json::from_str(&process.said).unwrap();
    let (version, server) = (env!("CARGO_PKG_VERSION"), format!("http://{}", process.address));
    let fields = &event["fields"];
    assert_eq!(fields["message"], format!("Thunderhead {version} serves {server}/api"));
    assert_eq!((&fields["documentation"], &event["level"]), (&json!(format!("{server}/docs")), &json!("INFO")));
    assert!(event["timestamp"].is_string() && fields["first_user_command"].is_string(), "{event}");
    log_of(process);
    let (process, _) = start(&[("LOG_FORMAT", "lines")]);
    assert!(process.said.starts_with("Thunderhead "), "{}", process.said);
}
