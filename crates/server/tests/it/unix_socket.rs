//! The program on a Unix socket, and on a host name.

use std::net::ToSocketAddrs;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{Answer, Connection, Process};

const SOCKET: &str = "unix:thunderhead.sock";

fn connect(process: &Process) -> Option<Connection<UnixStream>> {
    UnixStream::connect(process.folder().join("thunderhead.sock")).ok().map(Connection::over)
}

fn ask(process: &Process, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
    let mut connection = connect(process).expect("somebody who listens");
    connection.ask_with(method, path, headers, &body.to_string()).expect("an answer")
}

fn registered_from(process: &Process, name: &str, headers: &str) -> Value {
    let body = json!({"username": name, "email": format!("{name}@example.org"), "password": "correct horse battery",
        "confirmPassword": "correct horse battery"});
    let registered = ask(process, "POST", "/api/register", headers, &body);
    assert_eq!(registered.status, 201, "{registered:?}");
    let token: Value = serde_json::from_str(&registered.body).unwrap();
    let authorization = format!("authorization: {}\r\n", token["token"].as_str().unwrap());
    let list = ask(process, "GET", "/api/users/me/sessions?full=true", &authorization, &json!({}));
    let list: Value = serde_json::from_str(&list.body).unwrap();
    list["items"][0]["ip"].clone()
}

#[test]
fn who_comes_by_a_unix_socket_is_known_by_what_the_proxy_says() {
    let process = Process::start_at(SOCKET, &[("HTTP__DRAIN_MS", "0")]);
    assert_eq!(registered_from(&process, "ada", "x-forwarded-for: 192.0.2.1\r\n"), "192.0.2.1");
    assert_eq!(registered_from(&process, "bob", ""), Value::Null);
}

#[test]
fn a_socket_is_taken_over_from_the_dead_and_not_from_the_living() {
    let process = Process::start_at(SOCKET, &[]);
    let second = process.fail_to_start(SOCKET);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.log.contains("another process listens there"), "{second:?}");
    assert_eq!(ask(&process, "GET", "/health/live", "", &json!({})).status, 200);
    let successor = process.replace_by_force(SOCKET);
    assert_eq!(ask(&successor, "GET", "/health/live", "", &json!({})).status, 200);
}

#[test]
fn a_server_that_is_told_to_stop_answers_who_has_connected_and_takes_its_socket_away() {
    let process = Process::start_at(SOCKET, &[("HTTP__DRAIN_MS", "200")]);
    let path = process.folder().join("thunderhead.sock");
    let mut open = connect(&process).unwrap();
    assert_eq!(open.ask("GET", "/health/ready", "").unwrap().status, 200);
    process.signal(Signal::TERM);
    let last = loop {
        let answer = open.ask("GET", "/health/ready", "").expect("an answer");
        if answer.last {
            break answer;
        }
    };
    // The signal may come between the handler and the head of its answer: that one is ready, and the last all the same.
    assert!(matches!(last.status, 200 | 503), "{}", last.status);
    // Whoever finds the way in is answered, up to the end, and told that the server is not ready.
    while let Some(mut late) = connect(&process) {
        assert!(late.ask("GET", "/health/ready", "").is_some_and(|answer| answer.status == 503));
    }
    assert!(!path.exists());
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_host_name_is_listened_on() {
    let process = Process::start_at("localhost:0", &[("HTTP__DRAIN_MS", "0")]);
    let port = process.said.split_once("serves http://localhost:").and_then(|(_, rest)| rest.split('/').next());
    let place = format!("localhost:{}", port.expect("a port"));
    for address in place.to_socket_addrs().expect("addresses") {
        // Where IPv6 is switched off, its addresses are names for nothing.
        if let Some(mut connection) = Connection::open(address) {
            assert_eq!(connection.ask("GET", "/health/live", "").unwrap().status, 200);
        } else {
            assert!(address.is_ipv6());
        }
    }
}
