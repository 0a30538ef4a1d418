//! Session checks and right logins while strangers try passwords.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::BenchSetup;
use crate::checks::CHECK;
use crate::contest::{ROUNDS, median};
use crate::logins::{HASHING, log_in_bodies};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{self, WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::pause;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::requests::{PASSWORD, log_in};

const FLOOD: u32 = 200;
const CLIENTS: u32 = 8;
/// The flood begins before the checks and ends after them, by so many seconds each.
const MARGIN: u32 = 1;
/// People who log in to accounts of their own meanwhile, from where they have registered.
const PEOPLE: u32 = 4;
/// How long they rest after a login.
const REST: Duration = Duration::from_millis(100);
/// How soon they try again where they were refused.
const RETRY: Duration = Duration::from_millis(50);

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, engine)?;
    // The strangers come through a proxy, from other networks than the people.
    let server = setup.start(&site, &[HASHING.as_slice(), &[("TRUSTED_PROXIES", "127.0.0.1")]].concat())?;
    let users = TestUsers::register(&server, "f", FLOOD)?;
    let people = TestUsers::register(&server, "k", PEOPLE)?;
    let check = WrkRequests::write(site.folder(), "check", users.tokens().map(|token| WrkRequest::get(CHECK, token)))?;
    let wrong = wrong_passwords(&site, &users)?;
    let calm = WrkLoad { threads: 1, connections: CLIENTS, seconds: setup.seconds() };
    let storm = WrkLoad { threads: 1, connections: FLOOD, seconds: setup.seconds() + 2 * MARGIN };
    wrk::run(server.address, &check, calm)?;
    let (mut before, mut during, mut ratios, mut floods) = (vec![], vec![], vec![], vec![]);
    let (mut longest, mut entries) = (0.0_f64, vec![]);
    for _ in 0..ROUNDS {
        let own = wrk::run(server.address, &check, calm)?;
        let flood = wrk::start(server.address, &wrong, storm)?;
        pause(Duration::from_secs(MARGIN.into()));
        let (flooded, entered) = beside_logins(server.address, &people, || wrk::run(server.address, &check, calm))?;
        let flood = flood.finish()?;
        if flood.refused != flood.requests || flood.lost > 0 {
            bail!("of {} wrong passwords {} were refused, and {} lost", flood.requests, flood.refused, flood.lost);
        }
        before.push(own.p99);
        during.push(flooded.p99);
        ratios.push(flooded.p99 / own.p99);
        floods.push(flood.per_second);
        longest = longest.max(flood.longest);
        entries.extend(entered);
    }
    let seen = format!(
        "{CLIENTS} clients beside {FLOOD} that send {:.0} wrong logins/s; no check was refused",
        median(floods)
    );
    let p99 = median(during);
    table.millis(format!("p99 of session checks in a flood of logins, {engine}"), p99, Goal::AtMost(25.0), seen);
    let seen = format!("{p99:.1} ms, {:.1} ms", median(before));
    table.ratio(format!("the same ÷ before the flood, {engine}"), median(ratios), Goal::AtMost(3.0), seen);
    let seen = format!("{PEOPLE} people from networks of theirs, {} logins", entries.len());
    let p95 = percentile(entries, 95).context("nobody could log in")?;
    table.millis(format!("p95 of right logins in a flood of logins, {engine}"), p95, Goal::AtMost(1_000.0), seen);
    let what = format!("longest wait for a refusal in a flood of logins, {engine}");
    table.millis(what, longest, Goal::AtMost(2_000.0), format!("{FLOOD} clients, {ROUNDS} rounds"));
    Ok(())
}

/// Each at another account, and each from another network.
fn wrong_passwords(site: &Site, users: &TestUsers) -> Result<WrkRequests> {
    let bodies = log_in_bodies(users, "not the password");
    let clients: Vec<String> = (0..bodies.len()).map(|number| format!("198.18.{number}.1")).collect();
    let wrong = bodies.iter().zip(&clients);
    let wrong = wrong.map(|(body, client)| WrkRequest { client, ..WrkRequest::post("/api/login", body) });
    WrkRequests::write(site.folder(), "wrong", wrong)
}

/// Does something while people log in; how long that took each of them, in milliseconds, with what they were refused
/// before.
fn beside_logins<T>(address: SocketAddr, people: &TestUsers, act: impl FnOnce() -> Result<T>) -> Result<(T, Vec<f64>)> {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let each = people.all().iter().map(|person| scope.spawn(move || log_in_until(address, &person.name, over)));
        let each: Vec<_> = each.collect();
        let acted = act();
        over.store(true, Ordering::Relaxed);
        let mut took = vec![];
        for person in each {
            took.extend(person.join().ok().context("a thread panicked")??);
        }
        Ok((acted?, took))
    })
}

fn log_in_until(address: SocketAddr, name: &str, over: &AtomicBool) -> Result<Vec<f64>> {
    let (mut client, mut took) = (Client::new(address), vec![]);
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        loop {
            let answer = client.ask(&log_in(name, PASSWORD))?;
            match answer.status {
                201 => break,
                503 => pause(RETRY),
                _ => bail!("{name} could not log in: {answer}"),
            }
        }
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
        pause(REST);
    }
    Ok(took)
}

/// What so many in a hundred do not exceed.
fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_values_95_do_not_exceed_the_95th() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(values, 95), Some(95.0));
        assert_eq!(percentile(vec![7.0], 95), Some(7.0));
        assert_eq!(percentile(vec![], 95), None);
    }
}
