//! How many connections there may be, and who makes room for whom. On Linux, every address of 127.0.0.0/8 is one of
//! ours, and each is another client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use thunderhead::config::Config;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_testkit::TestDatabase;

use crate::app::TestApp;

/// A server that has not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const ASK: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// A client's connection.
struct Line(TcpStream);

impl Line {
    fn open(app: &TestApp, last: u8) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&app.address().into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// What comes next, or nothing where the server has hung up.
    fn hear(&mut self) -> Option<String> {
        let mut buffer = [0; 4_096];
        match self.0.read(&mut buffer) {
            Ok(length @ 1..) => Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Ok(0) | Err(_) => None,
        }
    }

    fn ask(&mut self) -> Option<String> {
        self.0.write_all(ASK).ok()?;
        self.hear()
    }

    /// One that has been used, and may be used again.
    fn idle(app: &TestApp, last: u8) -> Self {
        let mut line = Self::open(app, last);
        assert!(line.ask().is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
        line
    }

    /// One with a request that has begun, and waits for the rest of its body.
    fn busy(app: &TestApp, last: u8) -> Self {
        let mut line = Self::open(app, last);
        let head = b"POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
            expect: 100-continue\r\n\r\n";
        line.0.write_all(head).unwrap();
        assert!(line.hear().is_some_and(|answer| answer.starts_with("HTTP/1.1 100 ")));
        line
    }

    fn finish(&mut self) -> Option<String> {
        self.0.write_all(b"{}").ok()?;
        self.hear()
    }
}

fn app(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(TestDatabase::sqlite(), change)
}

#[test]
fn a_client_that_takes_all_that_it_can_get_keeps_nobody_out() {
    let app = app(|config| {
        config.http.connections.most = 8;
        config.http.connections.most_of_client = 4;
    });
    let mut greedy: Vec<_> = (0..4).map(|_| Line::busy(&app, 2)).collect();
    let mut more = Line::open(&app, 2);
    assert_eq!(more.hear(), None);
    let mut others: Vec<_> = (3..6).map(|last| Line::idle(&app, last)).collect();
    assert!(others.iter_mut().all(|other| other.ask().is_some()));
    assert!(greedy.iter_mut().all(|line| line.finish().is_some_and(|answer| answer.starts_with("HTTP/1.1 400 "))));
}

#[test]
fn idle_connections_of_many_clients_make_room_for_a_newcomer_and_the_longest_idle_one_first() {
    let app = app(|config| config.http.connections.most = 3);
    let mut lines: Vec<_> = (2..5).map(|last| Line::idle(&app, last)).collect();
    assert!(lines[0].ask().is_some());
    let mut newcomer = Line::idle(&app, 5);
    assert_eq!(lines[1].hear(), None);
    assert!(lines[0].ask().is_some() && lines[2].ask().is_some() && newcomer.ask().is_some());
}

#[test]
fn connections_that_have_not_said_anything_make_room_too() {
    let app = app(|config| config.http.connections.most = 50);
    let mut silent: Vec<_> = (0..50).map(|_| Line::open(&app, 2)).collect();
    let mut newcomer = Line::idle(&app, 3);
    assert_eq!(silent[0].hear(), None);
    assert!(newcomer.ask().is_some());
}

#[test]
fn a_request_under_way_makes_no_room() {
    let app = app(|config| config.http.connections.most = 2);
    let (mut first, mut second) = (Line::busy(&app, 2), Line::busy(&app, 3));
    let mut newcomer = Line::open(&app, 4);
    // It is one too many, and goes as soon as it is answered.
    assert!(newcomer.ask().is_some_and(|answer| answer.contains("onnection: close\r\n")));
    assert_eq!(newcomer.hear(), None);
    for line in [&mut first, &mut second] {
        assert!(line.finish().is_some_and(|answer| answer.starts_with("HTTP/1.1 400 ")));
        assert!(line.ask().is_some());
    }
}

#[test]
fn a_trusted_proxy_may_have_as_many_as_there_are() {
    let app = app(|config| {
        config.http.connections.most_of_client = 1;
        config.http.trusted_proxies = TrustedProxies::new(vec!["127.0.0.9/32".parse().unwrap()]);
    });
    let mut lines: Vec<_> = (0..5).map(|_| Line::busy(&app, 9)).collect();
    assert!(lines.iter_mut().all(|line| line.finish().is_some()));
}
