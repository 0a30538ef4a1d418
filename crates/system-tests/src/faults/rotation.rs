//! Keys are rotated under load: no valid token is ever refused, by any of two replicas.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::FaultOptions;
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::report::{Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, register, who_am_i};

/// A new key signs a minute after it was made. This is how long the load goes on afterwards.
const LENGTH: Duration = Duration::from_secs(70);
/// Sessions that each client keeps, the oldest goes.
const KEPT: usize = 20;

/// What the clients have seen.
#[derive(Default)]
struct RotationCounts {
    logins: AtomicU64,
    checks: AtomicU64,
    refused: AtomicU64,
    /// The first half of a token names the key. When each was first seen.
    heads: Mutex<Vec<(String, Duration)>>,
}

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let site = Site::new(bed, Engine::Postgres)?;
    let replicas = [site.start()?, site.start()?];
    let seen = RotationCounts::default();
    let over = AtomicBool::new(false);
    let violations = report.violations();
    let begun = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..options.clients)
            .map(|number| {
                let client = Watcher { number, replicas: &replicas, seen: &seen, violations, begun };
                let over = &over;
                scope.spawn(move || client.watch(over))
            })
            .collect();
        let rotated = site.operate(&["key", "rotate"], "");
        if rotated.is_ok() {
            pause(LENGTH);
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().ok().context("a thread panicked")??;
        }
        rotated.map(drop)
    })?;
    let heads = seen.heads.into_inner().unwrap_or_default();
    violations.unless(heads.len() == 2, || format!("rotation: {} keys signed, not two", heads.len()));
    let first = heads.last().map(|(_, after)| after.as_secs_f64()).unwrap_or_default();
    let figures = format!(
        "2 replicas, {} logins, {} checks, {} refused; the new key was first seen after {first:.1} s",
        seen.logins.into_inner(),
        seen.checks.into_inner(),
        seen.refused.into_inner(),
    );
    report.row("rotation", Engine::Postgres, figures);
    Ok(())
}

/// Logs in at one replica, and uses what it got at both.
struct Watcher<'a> {
    number: u32,
    replicas: &'a [Server; 2],
    seen: &'a RotationCounts,
    violations: &'a Violations,
    begun: Instant,
}

impl Watcher<'_> {
    fn watch(&self, over: &AtomicBool) -> Result<()> {
        let mut clients = self.replicas.each_ref().map(|replica| Client::new(replica.address));
        let name = format!("r{}", self.number);
        clients[0].ask(&register(&name))?;
        let mut tokens: Vec<String> = vec![];
        for turn in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let answer = clients[turn % 2].ask(&log_in(&name, PASSWORD))?;
            let told = || format!("rotation: a login was refused: {answer}");
            self.violations.unless(answer.status == 201, told);
            let token = answer.text("token");
            self.note(&token);
            tokens.push(token);
            for client in &mut clients {
                for token in &tokens {
                    let answer = client.ask(&who_am_i(token))?;
                    self.seen.checks.fetch_add(1, Ordering::Relaxed);
                    if answer.status != 200 {
                        self.seen.refused.fetch_add(1, Ordering::Relaxed);
                        self.violations.add(format!("rotation: a valid token was refused: {answer}"));
                    }
                }
            }
            if tokens.len() > KEPT {
                clients[0].ask(&log_out(&tokens.remove(1)))?;
            }
        }
        Ok(())
    }

    fn note(&self, token: &str) {
        self.seen.logins.fetch_add(1, Ordering::Relaxed);
        let head = token.split('.').next().unwrap_or_default();
        if let Ok(mut heads) = self.seen.heads.lock()
            && !heads.iter().any(|(known, _)| known == head)
        {
            heads.push((head.to_owned(), self.begun.elapsed()));
        }
    }
}
