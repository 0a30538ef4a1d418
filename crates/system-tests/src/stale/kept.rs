//! Services that keep answers for a while: how long after its end a session is accepted in practice, and that it never is
//! for longer than they say.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::ledger::REPLICAS;
use thunderhead_system_tests::live::example::ExampleService;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Durations, Report};
use thunderhead_system_tests::live::site::{Engine, Server};
use thunderhead_system_tests::live::{on_threads, wait_for};
use thunderhead_system_tests::requests::{log_out, register};

/// How long answers are kept.
pub(super) const KEEP_SECONDS: &str = "30";
/// How many end sessions at once.
const WORKERS: u32 = 4;

/// Ends so many sessions, at least one for each worker, and asks every service about each until it is refused.
pub(super) fn measure(
    engine: Engine,
    replicas: &[Server; REPLICAS],
    services: &[ExampleService; REPLICAS],
    times: u32,
    report: &mut Report,
) -> Result<()> {
    let replicas = replicas.each_ref().map(|replica| replica.address);
    let services = services.each_ref().map(|service| service.address);
    let each = (times / WORKERS).max(1);
    let measured = on_threads(WORKERS, |worker| {
        let mut ended = Ended::new(replicas, services);
        for number in 0..each {
            ended.one(&format!("kept{worker}x{number}"), (worker + number) as usize)?;
        }
        Ok(ended.behind)
    })?;
    let behind: Vec<_> = measured.into_iter().flatten().collect();
    let at_once = behind.iter().filter(|nanos| **nanos == 0).count();
    let longest = Duration::from_secs(KEEP_SECONDS.parse()?).as_nanos() as u64;
    let late = behind.iter().filter(|nanos| **nanos > longest).count();
    report.violations().unless(late == 0, || format!("{engine}: kept for longer than {KEEP_SECONDS} s {late} times"));
    let count = behind.len();
    let figures =
        format!("{count} times; accepted after the end was answered, {}; {at_once} not at all", Durations::of(behind));
    report.row(&format!("{engine}, guard"), format!("Within {KEEP_SECONDS} s"), figures);
    Ok(())
}

struct Ended {
    replicas: [Client; REPLICAS],
    services: [Client; REPLICAS],
    /// How long after the end was answered the last question began that was answered with a yes, in nanoseconds.
    behind: Vec<u64>,
}

impl Ended {
    fn new(replicas: [SocketAddr; REPLICAS], services: [SocketAddr; REPLICAS]) -> Self {
        Self { replicas: replicas.map(Client::new), services: services.map(Client::new), behind: vec![] }
    }

    /// A session that every service keeps is ended at one replica.
    fn one(&mut self, name: &str, turn: usize) -> Result<()> {
        let registered = self.replicas[turn % REPLICAS].ask(&register(name))?;
        let Value::String(token) = registered.member("token") else { bail!("no account: {registered}") };
        let request = Request::new("GET", "/me").header("Authorization", &format!("Bearer {token}"));
        for service in &mut self.services {
            wait_for("a service that lets in", Duration::from_secs(60), || {
                let answer = service.ask(&request).ok()?;
                (answer.status == 200).then_some(())
            })?;
        }
        let end = if turn.is_multiple_of(2) {
            log_out(&token)
        } else {
            Request::new("DELETE", "/api/users/me/sessions/all?include-self=true").token(&token)
        };
        let answer = self.replicas[(turn + 1) % REPLICAS].ask(&end)?;
        let ended = Instant::now();
        if answer.status != 200 {
            bail!("the end of a session: {answer}");
        }
        let (mut last, mut refused) = ([0; REPLICAS], [false; REPLICAS]);
        while refused.contains(&false) {
            for (number, service) in self.services.iter_mut().enumerate() {
                if refused[number] {
                    continue;
                }
                let began = ended.elapsed().as_nanos() as u64;
                match service.ask(&request).context("a service that answers")?.status {
                    200 => last[number] = began,
                    401 => refused[number] = true,
                    503 => {}
                    status => bail!("a service answered {status}"),
                }
            }
        }
        self.behind.extend(last);
        Ok(())
    }
}
