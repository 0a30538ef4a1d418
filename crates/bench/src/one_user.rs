//! A user with a million sessions: what it takes to end them, and what others wait meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bulk;
use crate::sizes::percentile;
use crate::table::{Goal, Table};
use crate::users::{TestUser, TestUsers};
use crate::{BenchSetup, decimal};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, who_am_i};

/// Users who ask meanwhile.
const OTHERS: u32 = 50;
/// Those with very many sessions: one for each way to end them.
const CROWDED: u32 = 5;
/// Who is banned, and who has one session and is banned for comparison.
const BANNED: (&str, &str) = ("c4", "c5");
/// How often what changes nothing is asked for.
const TURNS: usize = 5;
/// How long each of the others rests after an answer. Without a rest they alone keep two processors busy, and what is
/// measured is how these are shared.
const REST: Duration = Duration::from_millis(5);
/// What nobody should wait for one of these requests.
const SOON: Goal = Goal::AtMost(100.0);

struct EndResult {
    /// Of the users with very many sessions, by what they asked for.
    own: Vec<(&'static str, Duration)>,
    /// Of the others, in order.
    others: Vec<Duration>,
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let sessions = setup.old();
    let site = Site::new(&setup.bed, engine)?;
    site.operate(&["migrate"], "")?;
    let server = setup.start(&site, &[])?;
    let others = TestUsers::register(&server, "o", OTHERS)?;
    let crowded = TestUsers::register(&server, "c", CROWDED + 1)?;
    server.kill()?;
    let names: Vec<&str> =
        crowded.all().iter().map(|user| user.name.as_str()).filter(|name| *name != BANNED.1).collect();
    bulk::insert_of(&setup.bed, &site, engine, &names, sessions)?;
    // The cap is out of the way: what lies beyond it is not to be ended yet.
    let server = setup.start(&site, &[])?;
    let quiet = ask_until(&server, &others, || {
        thunderhead_system_tests::live::pause(Duration::from_secs(setup.seconds().into()));
        Ok(Vec::new())
    })?;
    let seen = ask_until(&server, &others, || own(&site, &server, crowded.all(), sessions))?;
    // Rows follow from here on.
    let after = ask_until(&server, &others, || {
        thunderhead_system_tests::live::pause(Duration::from_secs(3 * u64::from(setup.seconds())));
        Ok(Vec::new())
    })?;
    server.kill()?;
    let of = |what: &str| format!("{what} with {} sessions, {engine}", decimal(sessions));
    let times = |what: &str| {
        let mut took: Vec<Duration> =
            seen.own.iter().filter(|(asked, _)| *asked == what).map(|(_, took)| *took).collect();
        took.sort();
        (percentile(&took, 50), took.len())
    };
    for what in ["list", "login", "scoped session", "end all others", "end all", "new password", "deletion"] {
        let (median, count) = times(what);
        table.millis(of(what), median, SOON, format!("median of {count}"));
    }
    let told = format!("on the command line; {:.0} ms for a user with one session", times("ban of one session").0);
    table.millis(of("ban"), times("ban").0, SOON, told);
    for (when, waits) in [("meanwhile", &seen), ("while the rows follow", &after)] {
        let figure = |seen: &EndResult| per_mille(&seen.others, 999);
        let told = format!("{} requests; {:.1} ms before", waits.others.len(), figure(&quiet));
        table.millis(format!("p99.9 of others {when}, {engine}"), figure(waits), Goal::AtMost(50.0), told);
    }
    Ok(())
}

/// What users with so many sessions do, one after the other.
fn own(site: &Site, server: &Server, crowded: &[TestUser], sessions: u64) -> Result<Vec<(&'static str, Duration)>> {
    let mut client = Client::new(server.address);
    let mut seen = Vec::new();
    let [first, second, third, fourth, _banned @ ..] = crowded else {
        bail!("not as many users as ways to end sessions")
    };
    let mut ask = |what: &'static str, request: Request, status: u16, count: Option<u64>| -> Result<()> {
        let answer = client.ask(&request)?;
        if answer.status != status || count.is_some_and(|count| answer.member("count") != count) {
            bail!("{what} was not answered as expected: {answer}");
        }
        seen.push((what, answer.took));
        thunderhead_system_tests::live::pause(Duration::from_millis(200));
        Ok(())
    };
    let (list, all) = ("/api/users/me/sessions", "/api/users/me/sessions/all");
    for _ in 0..TURNS {
        ask("list", Request::new("GET", list).token(&first.token), 200, None)?;
        ask("login", log_in(&first.name, PASSWORD), 201, None)?;
        let token = json!({"name": "script", "permissionFlags": 4, "password": PASSWORD});
        ask("scoped session", Request::new("POST", list).token(&first.token).json(&token), 201, None)?;
    }
    // The logins and tokens of the turns, and the session that asks.
    let more = 2 * TURNS as u64;
    ask("end all others", Request::new("DELETE", all).token(&first.token), 200, Some(sessions + more))?;
    let all = format!("{all}?include-self=true");
    ask("end all", Request::new("DELETE", &all).token(&second.token), 200, Some(sessions + 1))?;
    let password = "amber quarry lantern 9";
    let passwords = json!({"password": PASSWORD, "newPassword": password, "confirmNewPassword": password});
    ask("new password", Request::new("PUT", "/api/users/me/password").token(&third.token).json(&passwords), 200, None)?;
    let deletion = Request::new("DELETE", "/api/users/me").token(&fourth.token).json(&json!({"password": PASSWORD}));
    ask("deletion", deletion, 200, None)?;
    banned(site, seen)
}

/// Two bans by the command line: of a user with one session, which is what starting the program takes, and of the last of
/// them.
fn banned(site: &Site, mut seen: Vec<(&'static str, Duration)>) -> Result<Vec<(&'static str, Duration)>> {
    for (what, name) in [("ban of one session", BANNED.1), ("ban", BANNED.0)] {
        let begun = Instant::now();
        let told = site.operate(&["user", "ban", name], "")?;
        seen.push((what, begun.elapsed()));
        if !told.contains("session") {
            bail!("a ban was not told as expected: {told}");
        }
    }
    Ok(seen)
}

/// Three clients ask one request after the other, until this returns: for a check, for a list, and for changes.
fn ask_until(
    server: &Server,
    users: &TestUsers,
    until: impl FnOnce() -> Result<Vec<(&'static str, Duration)>>,
) -> Result<EndResult> {
    let over = AtomicBool::new(false);
    let over = &over;
    thread::scope(|scope| {
        let check = scope.spawn(move || ask(server, users, over, |user| vec![who_am_i(&user.token)]));
        let list = |user: &TestUser| vec![Request::new("GET", "/api/users/me/sessions").token(&user.token)];
        let list = scope.spawn(move || ask(server, users, over, list));
        let change = scope.spawn(move || change(server, users, over));
        let own = until();
        over.store(true, Ordering::Relaxed);
        let mut others = Vec::new();
        for thread in [check, list, change] {
            others.extend(thread.join().ok().context("a thread panicked")??);
        }
        others.sort();
        Ok(EndResult { own: own?, others })
    })
}

fn ask(
    server: &Server,
    users: &TestUsers,
    over: &AtomicBool,
    requests: impl Fn(&TestUser) -> Vec<Request>,
) -> Result<Vec<Duration>> {
    let mut client = Client::new(server.address);
    let mut took = Vec::new();
    for user in users.all().iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
        for request in requests(user) {
            let answer = client.ask(&request)?;
            if answer.status != 200 {
                bail!("another user was not answered as expected: {answer}");
            }
            took.push(answer.took);
            thunderhead_system_tests::live::pause(REST);
        }
    }
    Ok(took)
}

fn change(server: &Server, users: &TestUsers, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut client = Client::new(server.address);
    let mut took = Vec::new();
    for user in users.all().iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
        let opened = client.ask(&log_in(&user.name, PASSWORD))?;
        let ended = client.ask(&log_out(&opened.text("token")))?;
        if (opened.status, ended.status) != (201, 200) {
            bail!("a login or its end failed: {opened}, {ended}");
        }
        took.extend([opened.took, ended.took]);
        thunderhead_system_tests::live::pause(REST);
    }
    Ok(took)
}

/// Milliseconds, of times in order.
fn per_mille(sorted: &[Duration], mille: usize) -> f64 {
    let at = (sorted.len() * mille / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}
