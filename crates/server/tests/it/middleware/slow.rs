//! Clients that hold on to a connection and do not use it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use thunderhead_testkit::TestDatabase;

use crate::app::TestApp;

/// How long a client looks for an answer before it sends the next byte.
const PAUSE: Duration = Duration::from_millis(20);
/// A write that takes longer is not going to be taken.
const PATIENCE: Duration = Duration::from_secs(60);

fn hasty() -> TestApp {
    TestApp::with(TestDatabase::sqlite(), |config| {
        config.http.connections.head_deadline = Duration::from_millis(300);
        config.http.connections.keep_alive = Duration::from_millis(300);
    })
}

/// Sends a head that has no end, byte by byte, until the server hangs up. Returns what it said before.
fn trickle(mut stream: TcpStream) -> String {
    let mut answer = vec![];
    let mut buffer = [0; 4_096];
    stream.set_read_timeout(Some(PAUSE)).unwrap();
    for byte in b"GET /health/live HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'x')).take(100_000) {
        let sent = stream.write_all(&[*byte]);
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8(answer).unwrap(),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if sent.is_ok() && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return String::from_utf8(answer).unwrap(),
        }
    }
    panic!("the server listens for ever");
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let app = hasty();
    let answer = trickle(TcpStream::connect(app.address()).unwrap());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_later_head_that_comes_byte_by_byte_is_cut_off_too() {
    let app = hasty();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(trickle(stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_holds_nobody_up() {
    // The head of the last request must come in time, however busy the machine is with the answers that nobody reads.
    let app = TestApp::with(TestDatabase::sqlite(), |config| {
        config.http.connections.head_deadline = Duration::from_secs(5);
        config.http.connections.keep_alive = Duration::from_millis(300);
    });
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let error = loop {
        if let Err(error) = stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n") {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error:?}");
    app.anonymous().get("/health/live").expect(200);
}
