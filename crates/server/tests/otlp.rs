//! Traces, as a collector of OpenTelemetry's gets them: of requests, with what they needed, and without anybody's secrets.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests: what fails here is the test")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "it/process.rs"]
mod process;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{Connection, Process};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// None of this may be in a trace.
const PASSWORD: &str = "correct horse battery staple";
const NAME: &str = "adalovelace";
const IN_A_QUERY: &str = "in-a-query";
const IN_A_PATH: &str = "in-a-path";

/// What makes a server fit for these tests.
const QUICK: [(&str, &str); 5] = [
    ("LIMITS__LOGIN", "off"),
    ("HASHING__MEMORY_KIB", "8"),
    ("HASHING__PASSES", "1"),
    ("HTTP__DRAIN_MS", "0"),
    ("LOG", "debug"),
];

/// A request to a collector.
struct Export {
    head: String,
    body: String,
}

/// Takes whatever is sent, and answers with this status, or never.
fn collector(status: Option<u16>) -> (SocketAddr, Receiver<Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            thread::spawn(move || take(stream.expect("a connection"), status, &tell));
        }
    });
    (address, told)
}

/// One request after the other, until the other side hangs up.
fn take(mut stream: TcpStream, status: Option<u16>, tell: &Sender<Export>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head).is_ok_and(|length| length > 0) {
                continue;
            }
            return;
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        lines.read_exact(&mut body).unwrap();
        tell.send(Export { head, body: String::from_utf8(body).unwrap() }).ok();
        let Some(status) = status else { continue };
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}").ok();
    }
}

/// The spans of all that was sent.
fn spans(exports: &[Export]) -> Vec<Value> {
    let read = |export: &Export| {
        let body: Value = serde_json::from_str(&export.body).unwrap();
        body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    };
    exports.iter().flat_map(read).collect()
}

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let attributes = span["attributes"].as_array().unwrap();
    let value = &attributes.iter().find(|attribute| attribute["key"] == key)?["value"];
    value["stringValue"].as_str().or_else(|| value["intValue"].as_str())
}

fn one(spans: &[Value], is_it: impl Fn(&Value) -> bool) -> &Value {
    let found: Vec<_> = spans.iter().filter(|span| is_it(span)).collect();
    assert_eq!(found.len(), 1, "{spans:#?}");
    found[0]
}

#[test]
fn the_trace_of_a_request_has_its_parent_route_and_status_and_what_it_needed_and_no_secret() {
    let (address, exports) = collector(Some(200));
    let endpoint = format!("http://{address}");
    let settings = [("OTLP__ENDPOINT", &*endpoint), ("PUBLIC_URL", "http://localhost:8000")];
    let process = Process::start(&[&QUICK[..], &settings].concat());
    let mut client = Connection::open(process.address).unwrap();
    let account =
        json!({"username": NAME, "email": "ada@example.org", "password": PASSWORD, "confirmPassword": PASSWORD});
    let registered = client.ask("POST", "/api/register", &account.to_string()).unwrap();
    assert_eq!(registered.status, 201, "{registered:?}");
    let login = json!({"username": NAME, "password": PASSWORD}).to_string();
    let trace = |id: &str, flags: &str| format!("traceparent: 00-{id}-{PARENT}-{flags}\r\n");
    let logged_in = client.ask_with("POST", "/api/login", &trace(TRACE, "01"), &login).unwrap();
    assert_eq!(logged_in.status, 201, "{logged_in:?}");
    let answer: Value = serde_json::from_str(&logged_in.body).unwrap();
    let token = answer["token"].as_str().unwrap();
    let bearer = format!("authorization: Bearer {token}\r\n");
    let path = format!("/api/users/me?{IN_A_QUERY}={token}");
    assert_eq!(client.ask_with("GET", &path, &bearer, "").unwrap().status, 200);
    let unsampled = format!("{bearer}{}", trace(OTHER_TRACE, "00"));
    assert_eq!(client.ask_with("GET", "/api/users/me", &unsampled, "").unwrap().status, 200);
    assert_eq!(client.ask("GET", &format!("/{IN_A_PATH}"), "").unwrap().status, 404);
    process.signal(Signal::TERM);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let exports: Vec<_> = exports.try_iter().collect();
    for Export { head, body } in &exports {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json\r\n"), "{head}");
        for secret in [token, PASSWORD, NAME, IN_A_QUERY, IN_A_PATH, "ada@", OTHER_TRACE, "127.0.0.1"] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let resource = &body["resourceSpans"][0]["resource"];
        assert_eq!(attribute(resource, "service.name"), Some("thunderhead"));
        assert_eq!(attribute(resource, "service.version"), Some(env!("CARGO_PKG_VERSION")));
    }
    let spans = spans(&exports);
    let request = one(&spans, |span| span["kind"] == 2 && span["traceId"] == TRACE);
    assert_eq!((&request["name"], &request["parentSpanId"]), (&json!("POST /api/login"), &json!(PARENT)));
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/login"),
        ("http.response.status_code", "201"),
        ("server.address", "localhost"),
    ] {
        assert_eq!(attribute(request, key), Some(value), "{request:#}");
    }
    let login = one(&spans, |span| span["name"] == "sessions.login.log_in");
    assert_eq!((&login["traceId"], &login["parentSpanId"]), (&json!(TRACE), &request["spanId"]));
    let function = "thunderhead_auth::sessions::login::log_in";
    assert_eq!(attribute(login, "code.function.name"), Some(function));
    let operations: Vec<_> = spans.iter().filter(|span| span["kind"] == 3 && span["traceId"] == TRACE).collect();
    assert!(!operations.is_empty(), "{spans:#?}");
    for operation in operations {
        assert_eq!(attribute(operation, "db.system.name"), Some("sqlite"));
        assert_eq!(attribute(operation, "db.operation.name"), operation["name"].as_str());
        one(&spans, |span| span["spanId"] == operation["parentSpanId"] && span["traceId"] == TRACE);
        let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        let [began, ended] = ["startTimeUnixNano", "endTimeUnixNano"].map(|key| time(operation, key));
        assert!(time(request, "startTimeUnixNano") <= began && began <= ended);
        assert!(ended <= time(request, "endTimeUnixNano"));
    }
    // A request without a trace begins one.
    let own = one(&spans, |span| span["name"] == "GET /api/users/me");
    assert!(own.get("parentSpanId").is_none() && own["traceId"].as_str().is_some_and(|id| id.len() == 32));
    assert_eq!(attribute(own, "http.response.status_code"), Some("200"));
    let nowhere = one(&spans, |span| attribute(span, "http.response.status_code") == Some("404"));
    assert_eq!((&nowhere["name"], attribute(nowhere, "http.route")), (&json!("GET"), None));
    // Each stands in a request.
    let is_request = |span: &Value| span["kind"] == 2;
    assert!(spans.iter().all(|span| is_request(span) || span.get("parentSpanId").is_some()));
    assert!(spans.iter().filter(|span| is_request(span)).count() >= 4);
    // And the log is as it is without traces, for each of its lines that belongs to a request names it.
    let lines = ended.log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(lines.filter(|line| line["fields"]["trace_id"] == TRACE).count(), 1, "{}", ended.log);
    assert!(
        !ended.log.contains("\"name\":\"thunderhead_request\"") && !ended.log.contains("parent_id"),
        "{}",
        ended.log
    );
}

#[test]
fn a_collector_of_traces_that_is_away_or_refuses_or_never_answers_holds_up_no_request_and_no_end() {
    // A port that nobody is given by chance.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    for address in [nowhere, collector(Some(400)).0, collector(Some(503)).0, collector(None).0] {
        let endpoint = format!("http://{address}/");
        let process = Process::start(&[&QUICK[..], &[("OTLP__ENDPOINT", &*endpoint)]].concat());
        let mut client = Connection::open(process.address).unwrap();
        for _ in 0..100 {
            assert_eq!(client.ask("GET", "/made-up", "").unwrap().status, 404);
        }
        process.signal(Signal::TERM);
        let ended = process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn one_trace_in_so_many_is_exported() {
    let (address, exports) = collector(Some(200));
    let endpoint = format!("http://{address}");
    let process =
        Process::start(&[&QUICK[..], &[("OTLP__ENDPOINT", &*endpoint), ("OTLP__ONE_IN", "1000000")]].concat());
    let mut client = Connection::open(process.address).unwrap();
    // Of the part that is taken for random, the one is the least and the other the most that there is.
    for random in ["00000000000000", "ffffffffffffff"] {
        let line = format!("traceparent: 00-4bf92f3577b34da6a3{random}-{PARENT}-01\r\n");
        assert_eq!(client.ask_with("GET", "/health/live", &line, "").unwrap().status, 200);
    }
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(0));
    let spans = spans(&exports.try_iter().collect::<Vec<_>>());
    assert_eq!(one(&spans, |_| true)["traceId"], "4bf92f3577b34da6a3ffffffffffffff");
}
