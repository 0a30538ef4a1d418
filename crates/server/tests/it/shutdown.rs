//! SIGTERM and SIGINT: whoever has sent a request gets an answer, and the process ends soon.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{Connection, Process};

/// Clients that send one request after the other.
const CLIENTS: u32 = 6;
/// Answers that each of them gets before the signal.
const BEFORE: u32 = 5;
/// What an operator is promised.
const LONGEST: Duration = Duration::from_secs(10);

/// Sends requests until nobody takes connections any more. Returns how many were answered, and how many not.
fn load(address: SocketAddr, client: u32, warm: &Sender<()>) -> (u32, u32) {
    let (mut answered, mut lost) = (0, 0);
    let mut connection = None;
    loop {
        let Some(mut open) = connection.take().or_else(|| Connection::open(address)) else { return (answered, lost) };
        // Some are quick, and some take long: they hash.
        let answer = if client.is_multiple_of(2) {
            open.ask("GET", "/api/users/me", "")
        } else {
            let name = format!("c{client}n{answered}");
            let body = format!(
                r#"{{"username":"{name}","email":"{name}@example.org","password":"correct horse battery","confirmPassword":"correct horse battery"}}"#
            );
            open.ask("POST", "/api/register", &body)
        };
        match answer {
            Some(answer) => {
                answered += 1;
                connection = (!answer.last).then_some(open);
            }
            None => lost += 1,
        }
        if answered == BEFORE {
            warm.send(()).expect("a test that waits");
        }
    }
}

fn ready(address: SocketAddr) -> Option<u16> {
    Connection::open(address)?.ask("GET", "/health/ready", "").map(|answer| answer.status)
}

#[test]
fn a_server_that_is_told_to_stop_under_load_answers_everything_and_ends_well() {
    let process = Process::start(&[]);
    let address = process.address;
    // One that stays idle must not hold up the end.
    let mut idle = Connection::open(address).unwrap();
    assert_eq!(idle.ask("GET", "/health/ready", "").unwrap().status, 200);
    let (warm, warmed) = mpsc::channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let warm = warm.clone();
            thread::spawn(move || load(address, client, &warm))
        })
        .collect();
    (0..CLIENTS).for_each(|_| warmed.recv().unwrap());
    let told = Instant::now();
    process.signal(Signal::TERM);
    while ready(address).expect("an answer while the server drains") == 200 {}
    assert_eq!(ready(address), Some(503));
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(told.elapsed() < LONGEST, "it took {:?}", told.elapsed());
    for client in clients {
        let (answered, lost) = client.join().unwrap();
        assert!(answered >= BEFORE);
        assert_eq!(lost, 0, "requests without an answer: {ended:?}");
    }
    assert!(idle.ask("GET", "/health/live", "").is_none());
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let process = Process::start(&[("HTTP__DRAIN_MS", "600000")]);
    process.signal(Signal::INT);
    while ready(process.address) == Some(200) {}
    assert_eq!(ready(process.address), Some(503));
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
}
