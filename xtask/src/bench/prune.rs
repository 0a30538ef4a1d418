//! Requests while a million old sessions are deleted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::bulk::{self, Kind};
use super::checks::CHECK;
use super::crew::Crew;
use super::table::{Table, Target};
use super::{Stand, decimal};
use crate::faults::load::{PASSWORD, log_in, log_out, who_am_i};
use crate::live::http::{Client, Request};
use crate::live::site::{Engine, Server, Site};
use crate::live::wait_for;

/// Users who ask.
const USERS: u32 = 50;
/// For how many times as long as other loads pruning is watched, if it is not over before.
const WINDOWS: u64 = 6;

/// The longest that anybody waited.
#[derive(Clone, Copy, Default)]
struct Longest {
    check: Duration,
    list: Duration,
    write: Duration,
    requests: u64,
}

pub(super) fn run(stand: &Stand, engine: Engine, table: &mut Table) -> Result<()> {
    let rows = stand.old();
    let site = Site::new(&stand.bench, engine)?;
    site.operate(&["migrate"], "")?;
    bulk::insert(&stand.bench, &site, engine, rows, Kind::Old)?;
    // One that does not prune makes the users.
    let kept = stand.start(&site, &[("RETENTION__SESSIONS", "off")])?;
    let crew = Crew::register(&kept, "p", USERS)?;
    kept.kill()?;
    let server = stand.start(&site, &[])?;
    let begun = Instant::now();
    let window = Duration::from_secs(u64::from(stand.seconds()) * WINDOWS);
    let is_over = || {
        let left = bulk::left(&stand.bench, &site, engine).ok()?;
        (left == 0 || begun.elapsed() > window).then_some(rows - left)
    };
    let mut gone = 0;
    let during = ask_until(&server, &crew, || {
        (gone, _) = wait_for("the end of the pruning", window * 2, is_over)?;
        Ok(())
    })?;
    let took = begun.elapsed();
    // The rest is pruned no longer, so that there is something to compare with.
    server.kill()?;
    let server = stand.start(&site, &[("RETENTION__SESSIONS", "off")])?;
    let after = ask_until(&server, &crew, || {
        crate::live::pause(took);
        Ok(())
    })?;
    let figures = |longest: Longest| {
        let [check, list, write] = [longest.check, longest.list, longest.write].map(millis);
        format!("check {check:.0} ms, list {list:.0} ms, login and end {write:.0} ms of {}", longest.requests)
    };
    let what = format!("longest wait while {} old sessions are pruned, {engine}", decimal(rows));
    let longest = millis(during.check.max(during.list).max(during.write));
    let seen = format!(
        "{}; without pruning {}; {} pruned in {:.1} s",
        figures(during),
        figures(after),
        decimal(gone),
        took.as_secs_f64()
    );
    table.millis(what, longest, Target::AtMost(50.0), seen);
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Three clients ask without a pause, until this returns: for a check, for a list, and for changes.
fn ask_until(server: &Server, crew: &Crew, until: impl FnOnce() -> Result<()>) -> Result<Longest> {
    let over = AtomicBool::new(false);
    let over = &over;
    thread::scope(|scope| {
        let checks = scope.spawn(move || ask(server, crew, over, |_, token| who_am_i(token), 200));
        let list = |_: &str, token: &str| Request::new("GET", "/api/users/me/sessions").token(token);
        let lists = scope.spawn(move || ask(server, crew, over, list, 200));
        let writes = scope.spawn(move || change(server, crew, over));
        let ended = until();
        over.store(true, Ordering::Relaxed);
        let of = |thread: thread::ScopedJoinHandle<'_, Result<(Duration, u64)>>| {
            thread.join().ok().context("a thread panicked")?
        };
        let ((check, checks), (list, lists), (write, writes)) = (of(checks)?, of(lists)?, of(writes)?);
        ended?;
        Ok(Longest { check, list, write, requests: checks + lists + writes })
    })
}

fn ask(
    server: &Server,
    crew: &Crew,
    over: &AtomicBool,
    request: impl Fn(&str, &str) -> Request,
    expected: u16,
) -> Result<(Duration, u64)> {
    let mut client = Client::new(server.address);
    let (mut longest, mut count) = (Duration::ZERO, 0);
    for member in crew.members().iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = client.ask(&request(&member.name, &member.token))?;
        if answer.status != expected {
            bail!("{CHECK} and others were not answered as expected: {answer}");
        }
        longest = longest.max(answer.took);
        count += 1;
    }
    Ok((longest, count))
}

/// Logs in and out.
fn change(server: &Server, crew: &Crew, over: &AtomicBool) -> Result<(Duration, u64)> {
    let mut client = Client::new(server.address);
    let (mut longest, mut count) = (Duration::ZERO, 0);
    for member in crew.members().iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let opened = client.ask(&log_in(&member.name, PASSWORD))?;
        let ended = client.ask(&log_out(&opened.text("token")))?;
        if (opened.status, ended.status) != (201, 200) {
            bail!("a login or its end failed: {opened}, {ended}");
        }
        longest = longest.max(opened.took).max(ended.took);
        count += 2;
    }
    Ok((longest, count))
}
