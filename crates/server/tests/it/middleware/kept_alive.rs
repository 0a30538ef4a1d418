//! Connections that are used again: whatever was asked on them before, the next request is answered, or the answer
//! before it said that there would be none (RFC 9112, section 9.6).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::TestDatabase;

use crate::app::TestApp;

/// A server that has not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Endpoints of every kind, with a method that they have and one that they have not.
const DOORS: [&str; 16] = [
    "GET /health/live",
    "POST /health/ready",
    "GET /.well-known/jwks.json",
    "POST /.well-known/oauth-authorization-server",
    "GET /openapi.json",
    "GET /docs",
    "GET /forward-auth",
    "POST /forward-auth",
    "POST /introspect",
    "POST /revoke",
    "POST /api/",
    "POST /api/login",
    "POST /api/user/session",
    "DELETE /auth/self-service/logout/api",
    "POST /nowhere",
    "OPTIONS /api/login",
];

struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn says_that_it_is_the_last(&self) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case("connection: close"))
    }
}

/// Reads one answer, and no byte more.
fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head })
}

/// Sends a request, in as many pieces as given, and then another one. Whether the connection went on.
fn goes_on(app: &TestApp, pieces: &[&[u8]]) -> bool {
    let asked = String::from_utf8_lossy(pieces[0]).into_owned();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // The server may be done with it before all is sent.
        drop(stream.write_all(piece));
    }
    let first = answer(&mut stream).unwrap_or_else(|| panic!("no answer to {asked}"));
    if first.says_that_it_is_the_last() {
        return false;
    }
    let sent = stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n");
    let second = sent.ok().and_then(|()| answer(&mut stream));
    let second = second.unwrap_or_else(|| panic!("{asked}was answered by\n{}and then nothing came", first.head));
    assert_eq!(second.status, 200, "{asked}");
    true
}

fn head(door: &str, more: &str) -> Vec<u8> {
    let origin = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";
    let origin = if door.starts_with("OPTIONS") { origin } else { "" };
    format!("{door} HTTP/1.1\r\nHost: x\r\n{origin}{more}\r\n").into_bytes()
}

fn app() -> TestApp {
    TestApp::with(TestDatabase::sqlite(), |config| {
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    })
}

#[test]
fn a_body_that_nobody_wants_is_read_and_the_connection_goes_on() {
    let app = app();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for door in DOORS {
        let bodies: [(&str, &[&[u8]]); 6] = [
            ("", &[]),
            ("Content-Length: 0\r\n", &[]),
            ("Content-Type: application/json\r\nContent-Length: 4\r\n", &[b"nu", b"ll"]),
            (chunked, &[b"0\r\n\r\n"]),
            (chunked, &[b"0\r", b"\n\r\n"]),
            (chunked, &[b"2\r\n{}\r\n", b"0\r\n\r\n"]),
        ];
        for (more, parts) in bodies {
            let head = head(door, more);
            let apart: Vec<&[u8]> = std::iter::once(head.as_slice()).chain(parts.iter().copied()).collect();
            assert!(goes_on(&app, &apart), "{door} {more}");
            let together = apart.concat();
            assert!(goes_on(&app, &[&together]), "{door} {more}");
        }
    }
}

#[test]
fn a_body_that_is_too_long_to_be_read_ends_the_connection_and_the_answer_says_so() {
    let app = app();
    let long = vec![b'x'; 300_000];
    let chunk = [b"493e0\r\n", long.as_slice(), b"\r\n0\r\n\r\n"].concat();
    for door in DOORS {
        assert!(!goes_on(&app, &[&head(door, "Content-Length: 300000\r\n"), &long]), "{door}");
        assert!(!goes_on(&app, &[&head(door, "Transfer-Encoding: chunked\r\n"), &chunk]), "{door}");
    }
}

#[test]
fn an_upgrade_that_is_not_wanted_loses_no_request() {
    let app = app();
    let body = br#"{"username":"nobody","password":"x"}"#;
    let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    for upgrade in [
        "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0\r\n",
    ] {
        for door in DOORS {
            goes_on(&app, &[&head(door, upgrade)]);
            goes_on(&app, &[&head(door, &format!("{upgrade}{length}")), body]);
        }
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[head("POST /api/login", &format!("{upgrade}{length}")).as_slice(), body].concat()).unwrap();
        let told = answer(&mut stream).unwrap();
        assert_eq!(told.status, 404, "the body was not read: {}", told.head);
        assert!(!told.head.to_ascii_lowercase().contains("upgrade"), "{}", told.head);
    }
}
