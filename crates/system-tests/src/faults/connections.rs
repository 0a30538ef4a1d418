//! Every connection to Postgres is killed under load: answers are right, or 503 with `Retry-After`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::FaultOptions;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::report::{Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::live::{TestBed, pause, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, register, who_am_i};

/// Between two kills: time for new connections to be made and used.
const BETWEEN: Duration = Duration::from_millis(300);
/// No answer takes longer: the server's deadline is 1.5 s, and a login asks the database several times.
const LONGEST: Duration = Duration::from_secs(10);
/// Everybody else's connections to this database.
pub(crate) const KILL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where datname = current_database() and pid <> pg_backend_pid()";

/// How often each status was seen, and the slowest answer.
#[derive(Default)]
struct StatusCounts {
    statuses: BTreeMap<u16, u64>,
    slowest: Duration,
}

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let site = Site::new(bed, Engine::Postgres)?;
    let server = site.start()?;
    let (seen, over) = (Mutex::new(StatusCounts::default()), AtomicBool::new(false));
    let violations = report.violations();
    let mut killed = 0;
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..options.clients)
            .map(|number| {
                let client = Client::patient_for(server.address, LONGEST);
                let mut client = CheckingClient { http: client, seen: &seen, violations };
                let over = &over;
                scope.spawn(move || client.go_on(number, over))
            })
            .collect();
        let kills = (0..options.rounds).try_for_each(|_| {
            pause(BETWEEN);
            let count = bed.sql(&site.database, KILL)?;
            killed += count.trim().parse::<u64>().context("no number of connections")?;
            Ok(())
        });
        pause(BETWEEN);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().ok().context("a thread panicked")??;
        }
        kills
    })?;
    let ready = || Client::new(server.address).ask(&Request::new("GET", "/health/ready")).ok();
    wait_for("readiness afterwards", LONGEST, || ready().filter(|answer| answer.status == 200))?;
    let StatusCounts { statuses, slowest } = seen.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut figures = format!("{} times, {killed} connections killed;", options.rounds);
    for (status, count) in statuses {
        write!(figures, " {status}: {count},")?;
    }
    write!(figures, " slowest {} ms", slowest.as_millis())?;
    report.row("connections", Engine::Postgres, figures);
    Ok(())
}

/// A client that knows which answer is the right one.
struct CheckingClient<'a> {
    http: Client,
    seen: &'a Mutex<StatusCounts>,
    violations: &'a Violations,
}

impl CheckingClient<'_> {
    fn go_on(&mut self, number: u32, over: &AtomicBool) -> Result<()> {
        for turn in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            // A name for each turn: one account that is tried again and again after faults would have to wait.
            let name = format!("c{number}n{turn}");
            if self.ask(&register(&name), &[201])?.is_none() {
                continue;
            }
            let Some(login) = self.ask(&log_in(&name, PASSWORD), &[201])? else { continue };
            let token = login.text("token");
            for _ in 0..20 {
                self.ask(&who_am_i(&token), &[200])?;
            }
            if self.ask(&log_out(&token), &[200])?.is_some() {
                self.ask(&who_am_i(&token), &[401])?;
            }
        }
        Ok(())
    }

    /// The right answer; `None` for an acceptable 503.
    fn ask(&mut self, request: &Request, right: &[u16]) -> Result<Option<Answer>> {
        let what = || format!("connections: {} {}", request.method, request.path);
        let answer = match self.http.ask(request) {
            Ok(answer) => answer,
            Err(error) => {
                self.violations.add(format!("{}: {error}", what()));
                return Ok(None);
            }
        };
        if let Ok(mut seen) = self.seen.lock() {
            *seen.statuses.entry(answer.status).or_default() += 1;
            seen.slowest = seen.slowest.max(answer.took);
        }
        if right.contains(&answer.status) {
            return Ok(Some(answer));
        }
        let outage = answer.status == 503 && answer.header("retry-after").is_some();
        self.violations.unless(outage, || format!("{}: {answer}", what()));
        Ok(None)
    }
}
