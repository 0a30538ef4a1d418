//! A user with a million sessions: what it takes to end them, and what others wait meanwhile.
//!
//! Each ending has a database of its own, a copy: what an earlier one has left to be written is measured by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bulk;
use crate::contest::ROUNDS;
use crate::sizes::percentile;
use crate::table::{Goal, Table};
use crate::users::{TestUser, TestUsers};
use crate::{BenchSetup, decimal};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{pause, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, who_am_i};

/// Users who ask meanwhile.
const OTHERS: u32 = 50;
/// Who has very many sessions, another one of that kind who comes later, and who has one session.
const CAST: [&str; 3] = ["c0", "c1", "c2"];
/// How often what ends nothing is asked for.
const TURNS: usize = 5;
/// How long the others ask before something is measured, and what they wait then is what they wait at rest.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long to wait for the first rows to follow. A server that starts begins with that at once.
const FOLLOWING: Duration = Duration::from_secs(30);
/// How long each of the others rests after an answer. Without a rest they alone keep two processors busy, and what is
/// measured is how these are shared.
const REST: Duration = Duration::from_millis(5);
/// What nobody should wait for one of these requests.
const SOON: Goal = Goal::AtMost(100.0);
const LIST: &str = "/api/users/me/sessions";
const ALL: &str = "/api/users/me/sessions/all";
/// What is asked of a user with very many sessions while rows follow.
const FOLLOWED: &str = "end all while another's rows follow";

type Timed = (&'static str, Duration);

/// What was measured in all databases.
#[derive(Default)]
struct Seen {
    /// Of the users with very many sessions, by what they asked for.
    own: Vec<Timed>,
    quiet: Vec<Duration>,
    meanwhile: Vec<Duration>,
    following: Vec<Duration>,
}

/// A database, its server, and those who ask.
struct Place<'a> {
    site: &'a Site,
    server: &'a Server,
    cast: &'a [TestUser],
    sessions: u64,
}

/// What is done in a database of its own.
type Step = fn(&Place<'_>) -> Result<Vec<Timed>>;

const ENDINGS: [Step; 5] = [end_others, end_all, set_password, delete, ban];

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let sessions = setup.old();
    let template = Site::new(&setup.bed, engine)?;
    template.operate(&["migrate"], "")?;
    let server = setup.start(&template, &[])?;
    let others = TestUsers::register(&server, "o", OTHERS)?;
    let cast = TestUsers::register(&server, "c", CAST.len() as u32)?;
    server.kill()?;
    let mut cast = cast.into_all();
    cast.sort_by(|left, right| left.name.cmp(&right.name));
    let [crowded, next, _] = CAST;
    bulk::insert_of(&setup.bed, &template, engine, &[crowded], sessions)?;
    let mut seen = Seen::default();
    let steps = std::iter::once(keep as Step).chain((0..ROUNDS).flat_map(|_| ENDINGS));
    for step in steps {
        let site = template.copy(&setup.bed)?;
        let server = start(setup, &site)?;
        let place = Place { site: &site, server: &server, cast: &cast, sessions };
        seen.quiet.extend(quiet(&server, &others)?);
        let (own, waits) = ask_until(&server, &others, || step(&place))?;
        seen.own.extend(own);
        seen.meanwhile.extend(waits);
        server.kill()?;
        site.remove(&setup.bed)?;
    }
    bulk::insert_of(&setup.bed, &template, engine, &[next], sessions)?;
    for _ in 0..ROUNDS {
        let site = template.copy(&setup.bed)?;
        follow(setup, engine, &site, (&cast, &others), &mut seen)?;
        site.remove(&setup.bed)?;
    }
    template.remove(&setup.bed)?;
    tell(seen, sessions, engine, table);
    Ok(())
}

/// A server that has estimated and hashed a password: the first one takes longer.
fn start(setup: &BenchSetup, site: &Site) -> Result<Server> {
    let server = setup.start(site, &[])?;
    TestUsers::register(&server, "w", 1)?;
    Ok(server)
}

/// What others wait where nothing else is asked.
fn quiet(server: &Server, others: &TestUsers) -> Result<Vec<Duration>> {
    let rest = || {
        pause(WARM_UP);
        Ok(())
    };
    Ok(ask_until(server, others, rest)?.1)
}

/// Two users end all of theirs; the second one when the rows of the first one's are being written.
fn follow(
    setup: &BenchSetup,
    engine: Engine,
    site: &Site,
    (cast, others): (&[TestUser], &TestUsers),
    seen: &mut Seen,
) -> Result<()> {
    let [first, second, ..] = cast else { bail!("not as many users as are needed") };
    let server = setup.start(site, &[])?;
    end_all(&Place { site, server: &server, cast, sessions: setup.old() })?;
    server.kill()?;
    let server = start(setup, site)?;
    let place = Place { site, server: &server, cast, sessions: setup.old() };
    let has_begun = || {
        pause(Duration::from_millis(200));
        bulk::has_ends(&setup.bed, site, engine, &first.name).unwrap_or(false).then_some(())
    };
    wait_for("the first rows of ended sessions", FOLLOWING, has_begun)?;
    let (own, waits) = ask_until(&server, others, || {
        let mut client = place.client_of(second)?;
        let took = place.ask(&mut client, FOLLOWED, &all_of(second), 200, Some(place.sessions + 1))?;
        pause(Duration::from_secs(setup.seconds().into()));
        Ok(took)
    })?;
    seen.own.push(own);
    seen.following.extend(waits);
    server.kill()
}

fn tell(mut seen: Seen, sessions: u64, engine: Engine, table: &mut Table) {
    let of = |what: &str| format!("{what} with {} sessions, {engine}", decimal(sessions));
    let times = |what: &str| {
        let mut took: Vec<Duration> =
            seen.own.iter().filter(|(asked, _)| *asked == what).map(|(_, took)| *took).collect();
        took.sort();
        let longest = percentile(&took, 100);
        (percentile(&took, 50), format!("median of {}, the longest {longest:.0} ms", took.len()))
    };
    let whats = ["list", "login", "scoped session", "end all others", "end all", "new password", "deletion", FOLLOWED];
    for what in whats {
        let (median, told) = times(what);
        table.millis(of(what), median, SOON, told);
    }
    let ((all, told), (start, _)) = (times("ban"), times("ban of one session"));
    let told = format!("beyond the {start:.0} ms of the command for a user with one session; with them {told}");
    table.millis(of("ban"), all - start, SOON, told);
    let before = per_mille(&mut seen.quiet, 999);
    for (when, waits) in [("meanwhile", &mut seen.meanwhile), ("while the rows follow", &mut seen.following)] {
        let told = format!("{} requests; {before:.1} ms before", waits.len());
        let what = format!("p99.9 of others {when}, {engine}");
        table.millis(what, per_mille(waits, 999), Goal::AtMost(50.0), told);
    }
}

impl Place<'_> {
    /// The user with very many sessions, and a client who has seen the list of them.
    fn crowded(&self) -> Result<(&TestUser, Client)> {
        let user = self.cast.first().context("nobody is there")?;
        Ok((user, self.client_of(user)?))
    }

    fn client_of(&self, user: &TestUser) -> Result<Client> {
        let mut client = Client::new(self.server.address);
        self.ask(&mut client, "list", &Request::new("GET", LIST).token(&user.token), 200, None)?;
        Ok(client)
    }

    fn ask(
        &self,
        client: &mut Client,
        what: &'static str,
        request: &Request,
        status: u16,
        count: Option<u64>,
    ) -> Result<Timed> {
        let answer = client.ask(request)?;
        if answer.status != status || count.is_some_and(|count| answer.member("count") != count) {
            bail!("{what} was not answered as expected: {answer}");
        }
        pause(Duration::from_millis(200));
        Ok((what, answer.took))
    }
}

/// What ends nothing.
fn keep(place: &Place<'_>) -> Result<Vec<Timed>> {
    let (user, mut client) = place.crowded()?;
    let mut seen = Vec::new();
    for _ in 0..TURNS {
        let list = Request::new("GET", LIST).token(&user.token);
        seen.push(place.ask(&mut client, "list", &list, 200, None)?);
        seen.push(place.ask(&mut client, "login", &log_in(&user.name, PASSWORD), 201, None)?);
        let token = json!({"name": "script", "permissionFlags": 4, "password": PASSWORD});
        let scoped = Request::new("POST", LIST).token(&user.token).json(&token);
        seen.push(place.ask(&mut client, "scoped session", &scoped, 201, None)?);
    }
    Ok(seen)
}

fn end_others(place: &Place<'_>) -> Result<Vec<Timed>> {
    let (user, mut client) = place.crowded()?;
    let others = Request::new("DELETE", ALL).token(&user.token);
    Ok(vec![place.ask(&mut client, "end all others", &others, 200, Some(place.sessions))?])
}

fn end_all(place: &Place<'_>) -> Result<Vec<Timed>> {
    let (user, mut client) = place.crowded()?;
    Ok(vec![place.ask(&mut client, "end all", &all_of(user), 200, Some(place.sessions + 1))?])
}

fn all_of(user: &TestUser) -> Request {
    Request::new("DELETE", &format!("{ALL}?include-self=true")).token(&user.token)
}

fn set_password(place: &Place<'_>) -> Result<Vec<Timed>> {
    let (user, mut client) = place.crowded()?;
    let password = "amber quarry lantern 9";
    let passwords = json!({"password": PASSWORD, "newPassword": password, "confirmNewPassword": password});
    let change = Request::new("PUT", "/api/users/me/password").token(&user.token).json(&passwords);
    Ok(vec![place.ask(&mut client, "new password", &change, 200, None)?])
}

fn delete(place: &Place<'_>) -> Result<Vec<Timed>> {
    let (user, mut client) = place.crowded()?;
    let deletion = Request::new("DELETE", "/api/users/me").token(&user.token).json(&json!({"password": PASSWORD}));
    Ok(vec![place.ask(&mut client, "deletion", &deletion, 200, None)?])
}

/// Two bans by the command line: of a user with one session, which is what starting the program takes, and of the one with
/// very many.
fn ban(place: &Place<'_>) -> Result<Vec<Timed>> {
    place.crowded()?;
    let [crowded, _, one] = CAST;
    let mut seen = Vec::new();
    for (what, name) in [("ban of one session", one), ("ban", crowded)] {
        let begun = Instant::now();
        let told = place.site.operate(&["user", "ban", name], "")?;
        seen.push((what, begun.elapsed()));
        if !told.contains("session") {
            bail!("a ban was not told as expected: {told}");
        }
    }
    Ok(seen)
}

/// Three clients ask one request after the other, until this returns: for a check, for a list, and for changes.
fn ask_until<T>(server: &Server, users: &TestUsers, until: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Duration>)> {
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
        Ok((own?, others))
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
            pause(REST);
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
        pause(REST);
    }
    Ok(took)
}

/// Milliseconds.
fn per_mille(took: &mut [Duration], mille: usize) -> f64 {
    took.sort();
    let at = (took.len() * mille / 1_000).min(took.len().saturating_sub(1));
    took.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}
