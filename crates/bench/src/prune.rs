//! Requests while a million old sessions are deleted.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bulk::{self, SessionKind};
use crate::checks::CHECK;
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::{BenchSetup, decimal};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::wait_for;
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, who_am_i};

const USERS: u32 = 50;
/// For how many times as long as other loads pruning is watched, if it is not over before.
const PATIENCE: u64 = 30;
/// What the server logs when it is over.
const OVER: &str = "deleted old sessions";
/// What nobody should have to wait for.
const LONG: Duration = Duration::from_millis(50);

/// How long requests of one kind took.
#[derive(Clone, Copy, Default)]
struct Waits {
    longest: Duration,
    /// How many took longer than nobody should have to wait.
    long: u64,
    requests: u64,
}

impl Waits {
    fn count(&mut self, took: Duration) {
        self.longest = self.longest.max(took);
        self.long += u64::from(took > LONG);
        self.requests += 1;
    }
}

#[derive(Clone, Copy)]
struct PruneResult {
    check: Waits,
    list: Waits,
    write: Waits,
}

impl PruneResult {
    fn all(&self) -> [Waits; 3] {
        [self.check, self.list, self.write]
    }

    fn sum(&self, figure: impl Fn(Waits) -> u64) -> u64 {
        self.all().map(figure).iter().sum()
    }
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let rows = setup.old();
    let site = Site::new(&setup.bed, engine)?;
    site.operate(&["migrate"], "")?;
    bulk::insert(&setup.bed, &site, engine, rows, SessionKind::Old)?;
    // One that does not prune makes the users.
    let kept = setup.start(&site, &[("RETENTION__SESSIONS", "off")])?;
    let users = TestUsers::register(&kept, "p", USERS)?;
    kept.kill()?;
    // It tells when it is done. To ask the database, over and over, would be a load by itself.
    let server = setup.start(&site, &[("LOG", "warn,thunderhead::retention=debug")])?;
    let log = site.folder().join("log");
    let begun = Instant::now();
    let patience = Duration::from_secs(u64::from(setup.seconds()) * PATIENCE);
    let is_over = || {
        let over = begun.elapsed() > patience || fs::read_to_string(&log).ok()?.contains(OVER);
        over.then_some(())
    };
    let during = ask_until(&server, &users, || wait_for("the end of the pruning", patience * 2, is_over).map(drop))?;
    let took = begun.elapsed();
    server.kill()?;
    let gone = rows - bulk::left(&setup.bed, &site, engine)?;
    // What is left is pruned no longer, so that there is something to compare with.
    let server = setup.start(&site, &[("RETENTION__SESSIONS", "off")])?;
    let after = ask_until(&server, &users, || {
        thunderhead_system_tests::live::pause(took);
        Ok(())
    })?;
    let figures = |seen: PruneResult| {
        let [check, list, write] = seen.all().map(|waits| millis(waits.longest));
        let (long, all) = (seen.sum(|waits| waits.long), seen.sum(|waits| waits.requests));
        format!(
            "check {check:.0} ms, list {list:.0} ms, login and end {write:.0} ms, {long} of {all} beyond {:.0} ms",
            millis(LONG)
        )
    };
    let what = format!("longest wait while {} old sessions are pruned, {engine}", decimal(rows));
    let longest = during.all().map(|waits| waits.longest).into_iter().max().unwrap_or_default();
    let seen = format!(
        "{}; without pruning {}; {} pruned in {:.1} s",
        figures(during),
        figures(after),
        decimal(gone),
        took.as_secs_f64()
    );
    table.millis(what, millis(longest), Goal::AtMost(millis(LONG)), seen);
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Three clients ask without a pause, until this returns: for a check, for a list, and for changes.
fn ask_until(server: &Server, users: &TestUsers, until: impl FnOnce() -> Result<()>) -> Result<PruneResult> {
    let over = AtomicBool::new(false);
    let over = &over;
    thread::scope(|scope| {
        let checks = scope.spawn(move || ask(server, users, over, |_, token| who_am_i(token), 200));
        let list = |_: &str, token: &str| Request::new("GET", "/api/users/me/sessions").token(token);
        let lists = scope.spawn(move || ask(server, users, over, list, 200));
        let writes = scope.spawn(move || change(server, users, over));
        let ended = until();
        over.store(true, Ordering::Relaxed);
        let of =
            |thread: thread::ScopedJoinHandle<'_, Result<Waits>>| thread.join().ok().context("a thread panicked")?;
        let seen = PruneResult { check: of(checks)?, list: of(lists)?, write: of(writes)? };
        ended?;
        Ok(seen)
    })
}

fn ask(
    server: &Server,
    users: &TestUsers,
    over: &AtomicBool,
    request: impl Fn(&str, &str) -> Request,
    expected: u16,
) -> Result<Waits> {
    let mut client = Client::new(server.address);
    let mut waits = Waits::default();
    for user in users.all().iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = client.ask(&request(&user.name, &user.token))?;
        if answer.status != expected {
            bail!("{CHECK} and others were not answered as expected: {answer}");
        }
        waits.count(answer.took);
    }
    Ok(waits)
}

fn change(server: &Server, users: &TestUsers, over: &AtomicBool) -> Result<Waits> {
    let mut client = Client::new(server.address);
    let mut waits = Waits::default();
    for user in users.all().iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let opened = client.ask(&log_in(&user.name, PASSWORD))?;
        let ended = client.ask(&log_out(&opened.text("token")))?;
        if (opened.status, ended.status) != (201, 200) {
            bail!("a login or its end failed: {opened}, {ended}");
        }
        waits.count(opened.took);
        waits.count(ended.took);
    }
    Ok(waits)
}
