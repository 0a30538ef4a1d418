//! Session checks beside bare routes: what it costs to know who calls.

use anyhow::Result;

use crate::BenchSetup;
use crate::bare::BareServer;
use crate::contest::{Contestant, LoadTarget, Outcome, hold};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::site::{Engine, Server, Site};

/// The cheapest read of a user: it answers with what the check has found.
pub(crate) const CHECK: &str = "/api/users/me";
/// A bare JSON route behind the same middleware.
const BARE: &str = "/health/live";
/// Users whose tokens are shown in turn.
const USERS: u32 = 1_000;

pub(crate) const CACHE_OFF: [(&str, &str); 1] = [("CACHE__MEMORY_MIB", "0")];
/// The log as it is by default, where sites for tests have less of it. It goes to a file.
const LOGGING: (&str, &str) = ("LOG", "info");
const LOGGING_ALL: [(&str, &str); 2] = [LOGGING, ("LOG_REQUESTS", "all")];
const UNCACHED: [(&str, &str); 2] = [LOGGING, CACHE_OFF[0]];
/// Sessions end that are not used.
const IDLE: [(&str, &str); 2] = [LOGGING, ("POLICY__IDLE", "1h")];
const STALE: [(&str, &str); 2] = [LOGGING, ("CACHE__MAX_STALENESS_MS", "100")];

/// One load for all.
fn load(setup: &BenchSetup) -> WrkLoad {
    WrkLoad { threads: 2, connections: 64, seconds: setup.seconds() }
}

/// On SQLite, beside a bare actix-web too, and with other logs.
pub(crate) fn on_sqlite(setup: &BenchSetup, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, Engine::Sqlite)?;
    let server = setup.start(&site, &[LOGGING])?;
    let uncached = setup.start(&site, &UNCACHED)?;
    // As sites for tests are.
    let quiet = setup.start(&site, &[])?;
    let logging = setup.start(&site, &LOGGING_ALL)?;
    let idle = setup.start(&site, &IDLE)?;
    let bare_server = BareServer::start(&setup.bare_server)?;
    let users = TestUsers::register(&server, "c", USERS)?;
    let check = asks_of(&site, "check", CHECK, &users)?;
    let bare = asks_of(&site, "bare", BARE, &users)?;
    let root = asks_of(&site, "root", "/", &users)?;
    let of = |server: &Server, asks| Contestant::new(vec![LoadTarget::from(server)], asks);
    let [bare_server, bare, check, uncached, quiet, logging, idle] = hold(
        &[
            Contestant::new(vec![bare_server.target()], &root),
            of(&server, &bare),
            of(&server, &check),
            of(&uncached, &check),
            of(&quiet, &check),
            of(&logging, &check),
            of(&idle, &check),
        ],
        load(setup),
    )?;
    compare(table, "session check ÷ bare route, SQLite", &check, &bare, Goal::AtLeast(0.90));
    slowest(table, "p99 of session checks ÷ bare route's, SQLite", &check, &bare);
    compare(table, "session check ÷ bare actix-web, SQLite", &check, &bare_server, Goal::AtLeast(0.78));
    compare(table, "bare route ÷ bare actix-web", &bare, &bare_server, Goal::None);
    compare(table, "the same without a cache ÷ bare route, SQLite", &uncached, &bare, Goal::None);
    let what = "session check with the default log ÷ with `warn`, SQLite";
    compare(table, what, &check, &quiet, Goal::AtLeast(0.95));
    let what = "the same where all requests are logged ÷ with `warn`, SQLite";
    compare(table, what, &logging, &quiet, Goal::AtLeast(0.75));
    compare(table, "session check: policy.idle on ÷ off, SQLite", &idle, &check, Goal::AtLeast(0.95));
    Ok(())
}

/// On Postgres: one replica, and three.
pub(crate) fn on_postgres(setup: &BenchSetup, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, Engine::Postgres)?;
    let servers = [setup.start(&site, &[LOGGING])?, setup.start(&site, &[LOGGING])?, setup.start(&site, &[LOGGING])?];
    let [first, ..] = &servers;
    let stale = setup.start(&site, &STALE)?;
    let uncached = setup.start(&site, &UNCACHED)?;
    let idle = setup.start(&site, &IDLE)?;
    let users = TestUsers::register(first, "c", USERS)?;
    let check = asks_of(&site, "check", CHECK, &users)?;
    let bare = asks_of(&site, "bare", BARE, &users)?;
    let of = |server: &Server, asks| Contestant::new(vec![LoadTarget::from(server)], asks);
    let all: Vec<_> = servers.iter().map(LoadTarget::from).collect();
    let [bare_one, one, stale, uncached, idle, bare_all, all] = hold(
        &[
            of(first, &bare),
            of(first, &check),
            of(&stale, &check),
            of(&uncached, &check),
            of(&idle, &check),
            Contestant::new(all.clone(), &bare),
            Contestant::new(all, &check),
        ],
        load(setup),
    )?;
    compare(table, "session check ÷ bare route, Postgres", &one, &bare_one, Goal::AtLeast(0.70));
    slowest(table, "p99 of session checks ÷ bare route's, Postgres", &one, &bare_one);
    let what = "the same where 100 ms of staleness are allowed ÷ bare route, Postgres";
    compare(table, what, &stale, &bare_one, Goal::None);
    compare(table, "the same without a cache ÷ bare route, Postgres", &uncached, &bare_one, Goal::None);
    compare(table, "session check: policy.idle on ÷ off, Postgres", &idle, &one, Goal::AtLeast(0.95));
    compare(table, "three replicas: session check ÷ bare route, Postgres", &all, &bare_all, Goal::None);
    compare(table, "session check of three replicas ÷ of one, Postgres", &all, &one, Goal::None);
    Ok(())
}

/// All contestants are sent the same tokens, so that the generator and the parser of heads have the same to do.
fn asks_of(site: &Site, name: &str, path: &str, users: &TestUsers) -> Result<WrkRequests> {
    WrkRequests::write(site.folder(), name, users.tokens().map(|token| WrkRequest::get(path, token)))
}

fn compare(table: &mut Table, what: &str, one: &Outcome, other: &Outcome, target: Goal) {
    let seen = format!(
        "{:.0}/s, {:.0}/s; processor time {:.1} µs, {:.1} µs: {:.2}",
        one.per_second(),
        other.per_second(),
        one.cost(),
        other.cost(),
        1.0 / one.cost_by(other),
    );
    table.ratio(what, one.part_of(other), target, seen);
}

fn slowest(table: &mut Table, what: &str, one: &Outcome, other: &Outcome) {
    let seen = format!(
        "{:.1} ms, {:.1} ms (medians {:.1} ms, {:.1} ms)",
        one.p99(),
        other.p99(),
        one.median(),
        other.median()
    );
    table.ratio(what, one.p99_by(other), Goal::AtMost(1.1), seen);
}
