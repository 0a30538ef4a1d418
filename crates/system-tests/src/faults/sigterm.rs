//! SIGTERM under load: whoever has sent a request on a connection that was taken gets a whole answer, and the
//! process ends soon.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::FaultOptions;
use thunderhead_system_tests::live::http::{Client, NoAnswer, Request};
use thunderhead_system_tests::live::report::{Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, log_in, register, who_am_i};

/// Answers before the signal, all clients together.
const BEFORE: u64 = 300;
/// How long they may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Within this, the end is promised.
const END: Duration = Duration::from_secs(10);

#[derive(Default)]
struct StopCounts {
    answered: AtomicU64,
    after: AtomicU64,
    lost: AtomicU64,
    slowest: Duration,
}

impl fmt::Display for StopCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (answered, after, lost) = (number(&self.answered), number(&self.after), number(&self.lost));
        let slowest = self.slowest.as_millis();
        write!(f, "{answered} answers, {after} of them after the signal, {lost} lost; ended within {slowest} ms")
    }
}

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    for engine in Engine::BOTH {
        let site = Site::new(bed, engine)?;
        let mut seen = StopCounts::default();
        for round in 0..options.rounds {
            let server = site.start()?;
            once(server, round, options, &mut seen, report.violations())?;
        }
        report.row("sigterm", engine, format!("{} times, {seen}", options.rounds));
    }
    Ok(())
}

fn once(
    server: Server,
    round: u32,
    options: &FaultOptions,
    seen: &mut StopCounts,
    violations: &Violations,
) -> Result<()> {
    let address = server.address;
    let name = format!("t{round}");
    let token = Client::new(address).ask(&register(&name))?.text("token");
    let (here, told) = (AtomicU64::new(0), AtomicU64::new(0));
    // Four times the clients: that many come anew while the server closes what it has.
    let ended = thread::scope(|scope| {
        for number in 0..options.clients * 4 {
            let asker = Asker { number, name: &name, token: &token, here: &here, told: &told, seen, violations };
            scope.spawn(move || asker.go_on(address));
        }
        wait_for("answers", LONGEST, || (here.load(Ordering::Relaxed) >= BEFORE).then_some(()))?;
        told.store(1, Ordering::Relaxed);
        server.terminate()?;
        let begun = Instant::now();
        let (status, _) = server.wait(LONGEST)?;
        anyhow::Ok((status, begun.elapsed()))
    })?;
    let (status, took) = ended;
    violations.unless(status.success(), || format!("sigterm: the process ended with {status}"));
    violations.unless(took < END, || format!("sigterm: the process took {took:?}"));
    seen.slowest = seen.slowest.max(took);
    Ok(())
}

/// A client that asks until nobody takes its connection any more.
struct Asker<'a> {
    number: u32,
    name: &'a str,
    token: &'a str,
    here: &'a AtomicU64,
    told: &'a AtomicU64,
    seen: &'a StopCounts,
    violations: &'a Violations,
}

impl Asker<'_> {
    fn go_on(&self, address: SocketAddr) {
        let mut client = Client::patient_for(address, LONGEST);
        for turn in 0_u32.. {
            let request = self.request(turn);
            match client.ask(&request) {
                Ok(_) => {
                    self.here.fetch_add(1, Ordering::Relaxed);
                    self.seen.answered.fetch_add(1, Ordering::Relaxed);
                    self.seen.after.fetch_add(self.told.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                Err(NoAnswer::NotConnected) => return,
                Err(NoAnswer::Lost(error)) => {
                    self.seen.lost.fetch_add(1, Ordering::Relaxed);
                    let Request { method, path, .. } = &request;
                    self.violations.add(format!("sigterm: {method} {path} was not answered: {error}"));
                }
            }
            // Some keep their connections, most come anew each time.
            if !self.number.is_multiple_of(4) {
                client.hang_up();
            }
        }
    }

    /// Some are quick, some hash, some write.
    fn request(&self, turn: u32) -> Request {
        match self.number % 3 {
            0 => who_am_i(self.token),
            1 => log_in(self.name, PASSWORD),
            _ => register(&format!("{}c{}n{turn}", self.name, self.number)),
        }
    }
}
