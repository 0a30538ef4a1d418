//! Session checks beside bare routes: what it costs to know who calls.

use anyhow::Result;

use crate::Stand;
use crate::contest::{Contestant, Outcome, Target as At, hold};
use crate::crew::Crew;
use crate::naked::Naked;
use crate::table::{Table, Target};
use crate::wrk::{Ask, Asks, Pressure};
use thunderhead_system_tests::live::site::{Engine, Server, Site};

/// The cheapest read of a user: it answers with what the check has found.
pub(crate) const CHECK: &str = "/api/users/me";
/// A bare JSON route behind the same middleware.
const BARE: &str = "/health/live";
/// Users whose tokens are shown in turn.
const USERS: u32 = 1_000;

pub(crate) const CACHE_OFF: [(&str, &str); 1] = [("CACHE__MEMORY_MIB", "0")];
const STALE: [(&str, &str); 1] = [("CACHE__MAX_STALENESS_MS", "100")];

/// One load for all.
fn pressure(stand: &Stand) -> Pressure {
    Pressure { threads: 2, connections: 64, seconds: stand.seconds() }
}

/// On SQLite, beside a bare actix-web too.
pub(crate) fn on_sqlite(stand: &Stand, table: &mut Table) -> Result<()> {
    let site = Site::new(&stand.bench, Engine::Sqlite)?;
    let server = stand.start(&site, &[])?;
    let uncached = stand.start(&site, &CACHE_OFF)?;
    let naked = Naked::start(&stand.naked)?;
    let crew = Crew::register(&server, "c", USERS)?;
    let check = asks_of(&site, "check", CHECK, &crew)?;
    let bare = asks_of(&site, "bare", BARE, &crew)?;
    let root = asks_of(&site, "root", "/", &crew)?;
    let [naked, bare, check, uncached] = hold(
        &[
            Contestant::new(vec![naked.target()], &root),
            Contestant::new(vec![At::from(&server)], &bare),
            Contestant::new(vec![At::from(&server)], &check),
            Contestant::new(vec![At::from(&uncached)], &check),
        ],
        pressure(stand),
    )?;
    compare(table, "session check ÷ bare route, SQLite", &check, &bare, Target::AtLeast(0.85));
    slowest(table, "p99 of session checks ÷ bare route's, SQLite", &check, &bare);
    compare(table, "session check ÷ naked actix-web, SQLite", &check, &naked, Target::AtLeast(0.70));
    compare(table, "bare route ÷ naked actix-web", &bare, &naked, Target::None);
    compare(table, "the same without a cache ÷ bare route, SQLite", &uncached, &bare, Target::None);
    Ok(())
}

/// On Postgres: one replica, and three.
pub(crate) fn on_postgres(stand: &Stand, table: &mut Table) -> Result<()> {
    let site = Site::new(&stand.bench, Engine::Postgres)?;
    let servers = [stand.start(&site, &[])?, stand.start(&site, &[])?, stand.start(&site, &[])?];
    let [first, ..] = &servers;
    let stale = stand.start(&site, &STALE)?;
    let uncached = stand.start(&site, &CACHE_OFF)?;
    let crew = Crew::register(first, "c", USERS)?;
    let check = asks_of(&site, "check", CHECK, &crew)?;
    let bare = asks_of(&site, "bare", BARE, &crew)?;
    let of = |server: &Server, asks| Contestant::new(vec![At::from(server)], asks);
    let all: Vec<_> = servers.iter().map(At::from).collect();
    let [bare_one, one, stale, uncached, bare_all, all] = hold(
        &[
            of(first, &bare),
            of(first, &check),
            of(&stale, &check),
            of(&uncached, &check),
            Contestant::new(all.clone(), &bare),
            Contestant::new(all, &check),
        ],
        pressure(stand),
    )?;
    compare(table, "session check ÷ bare route, Postgres", &one, &bare_one, Target::AtLeast(0.75));
    slowest(table, "p99 of session checks ÷ bare route's, Postgres", &one, &bare_one);
    let what = "the same where 100 ms of staleness are allowed ÷ bare route, Postgres";
    compare(table, what, &stale, &bare_one, Target::None);
    compare(table, "the same without a cache ÷ bare route, Postgres", &uncached, &bare_one, Target::None);
    compare(table, "three replicas: session check ÷ bare route, Postgres", &all, &bare_all, Target::None);
    compare(table, "session check of three replicas ÷ of one, Postgres", &all, &one, Target::None);
    Ok(())
}

/// All contestants are sent the same tokens, so that the generator and the parser of heads have the same to do.
fn asks_of(site: &Site, name: &str, path: &str, crew: &Crew) -> Result<Asks> {
    Asks::write(site.folder(), name, crew.tokens().map(|token| Ask::get(path, token)))
}

fn compare(table: &mut Table, what: &str, one: &Outcome, other: &Outcome, target: Target) {
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
    table.ratio(what, one.p99_by(other), Target::AtMost(3.0), seen);
}
