//! Ending sessions, one at a time, by many clients at once; and what the database alone can do of it.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::BenchSetup;
use crate::bulk::{self, KnownSessions};
use crate::contest::{ROUNDS, median};
use crate::load::{self, ClientLoad, LoadResult};
use crate::pgbench::PgBench;
use crate::table::{Goal, Table};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::requests::log_out;

/// The statements by which the server ends a session, but for those that number the change.
const SAME_STATEMENTS: &str = include_str!("revocations/same_statements.sql");
const TWO_STATEMENTS: &str = include_str!("revocations/two_statements.sql");
const FLAGGED_SESSIONS: &str = include_str!("revocations/flagged_sessions.sql");

/// So many clients, and how many sessions they end at most in one round.
const LOADS: [(u32, u64); 3] = [(1, 6_000), (16, 20_000), (64, 20_000)];
/// How many users the sessions of a few users are of.
const FEW: u64 = 16;
/// Rows that `pgbench` uses up in one round at most.
const ROWS: u64 = 60_000;
/// Sessions that are ended before anything is measured.
const WARM_UP: u64 = 5_000;
/// How long a load lasts at most.
pub(crate) const SECONDS: u32 = 3;
/// The connections of `pgbench` where there is one for each client.
const MANY: u32 = 64;

/// Whose sessions are ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owners {
    /// Each is of another user.
    Each,
    /// Those of a few users.
    Few,
}

impl Owners {
    const ALL: [Self; 2] = [Self::Each, Self::Few];

    const fn told(self) -> &'static str {
        match self {
            Self::Each => "",
            Self::Few => " of a few users",
        }
    }
}

/// A server with sessions to end, and what was measured of it.
struct Ender {
    server: Server,
    /// Where its database is.
    _site: Site,
    /// The last sessions of either kind that were ended.
    each: u64,
    few: u64,
    rounds: Vec<Round>,
}

struct Round {
    clients: u32,
    owners: Owners,
    seen: LoadResult,
}

impl Ender {
    fn set_up(setup: &BenchSetup, site: Site, engine: Engine) -> Result<Self> {
        site.operate(&["migrate"], "")?;
        let half = sessions();
        let known = KnownSessions { own: half, shared: half, among: FEW };
        bulk::insert_known(&setup.bed, &site, engine, known)?;
        let server = setup.start(&site, &[])?;
        let mut ender = Self { server, _site: site, each: 0, few: half, rounds: vec![] };
        ender.end(Owners::Each, ClientLoad { clients: 16, seconds: 1, most: WARM_UP })?;
        Ok(ender)
    }

    fn end(&mut self, owners: Owners, load: ClientLoad) -> Result<LoadResult> {
        let last = match owners {
            Owners::Each => &mut self.each,
            Owners::Few => &mut self.few,
        };
        let first = *last + 1;
        *last += load.most;
        load::run(self.server.address, load, 200, |number| log_out(&bulk::token_of(first + number)))
    }

    fn measure(&mut self, owners: Owners, load: ClientLoad) -> Result<()> {
        let seen = self.end(owners, load)?;
        self.rounds.push(Round { clients: load.clients, owners, seen });
        Ok(())
    }

    fn of(&self, clients: u32, owners: Owners, figure: impl Fn(&LoadResult) -> f64) -> Vec<f64> {
        let rounds = self.rounds.iter().filter(|round| round.clients == clients && round.owners == owners);
        rounds.map(|round| figure(&round.seen)).collect()
    }

    fn per_second(&self, clients: u32) -> Vec<f64> {
        self.of(clients, Owners::Each, |seen| seen.per_second)
    }
}

/// How many sessions of either kind are ended at most.
fn sessions() -> u64 {
    WARM_UP + ROUNDS as u64 * LOADS.iter().map(|(_, most)| most).sum::<u64>()
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let mut limit = if engine == Engine::Postgres { Some(DatabaseLimit::set_up(setup)?) } else { None };
    let mut ender = Ender::set_up(setup, Site::new(&setup.bed, engine)?, engine)?;
    let mut before = match &setup.before {
        None => None,
        Some(binary) => Some(Ender::set_up(setup, Site::new(&setup.bed, engine)?.with_binary(binary), engine)?),
    };
    for _ in 0..ROUNDS {
        for (clients, most) in LOADS {
            let load = ClientLoad { clients, seconds: setup.seconds().min(SECONDS), most };
            for owners in Owners::ALL {
                for ender in std::iter::once(&mut ender).chain(&mut before) {
                    ender.measure(owners, load)?;
                }
            }
            if let Some(limit) = &mut limit {
                limit.measure(clients, load.seconds)?;
            }
        }
    }
    tell(&ender, engine, table);
    if let Some(before) = &before {
        compare(&ender, before, engine, table);
    }
    if let Some(limit) = limit {
        limit.compare(&ender, table);
    }
    Ok(())
}

fn tell(ender: &Ender, engine: Engine, table: &mut Table) {
    for (clients, _) in LOADS {
        for owners in Owners::ALL {
            let figure = |figure: fn(&LoadResult) -> f64| median(ender.of(clients, owners, figure));
            let seen = format!(
                "median {:.1} ms, p99 {:.1} ms; {:.0} ended",
                figure(|seen| seen.median),
                figure(|seen| seen.p99),
                figure(|seen| seen.requests as f64)
            );
            let what = format!("revocations{} by {}, {engine}", owners.told(), clients_of(clients));
            table.per_second(what, figure(|seen| seen.per_second), seen);
        }
    }
    let p99 = median(ender.of(16, Owners::Each, |seen| seen.p99));
    table.millis(format!("p99 of DELETE by 16 clients, {engine}"), p99, Goal::AtMost(20.0), String::new());
    let (most, some) = (ender.per_second(64), ender.per_second(16));
    // That more clients get no less is a question of locks, which SQLite has not.
    let goal = if engine == Engine::Postgres { Goal::AtLeast(1.0) } else { Goal::None };
    let what = format!("revocations by 64 clients ÷ by 16, {engine}");
    table.ratio(what, ratio(&most, &some), goal, beside(&most, &some));
}

/// Beside another build of the server.
fn compare(ender: &Ender, before: &Ender, engine: Engine, table: &mut Table) {
    for (clients, _) in LOADS {
        let (now, then) = (ender.per_second(clients), before.per_second(clients));
        let goal = match (clients, engine) {
            (1, _) => Goal::AtLeast(1.0),
            (64, Engine::Sqlite) => Goal::AtLeast(5.0),
            _ => Goal::None,
        };
        let what = format!("revocations by {} ÷ before, {engine}", clients_of(clients));
        table.ratio(what, ratio(&now, &then), goal, beside(&now, &then));
    }
}

pub(crate) fn clients_of(count: u32) -> String {
    if count == 1 { "one client".to_owned() } else { format!("{count} clients") }
}

/// The median of the rounds' ratios.
pub(crate) fn ratio(one: &[f64], other: &[f64]) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}

pub(crate) fn beside(one: &[f64], other: &[f64]) -> String {
    format!("{:.0}/s, {:.0}/s", median(one.to_vec()), median(other.to_vec()))
}

/// What Postgres does without a server in front of it.
struct DatabaseLimit<'a> {
    _site: Site,
    /// How many connections the server holds.
    connections: u32,
    same: PgBench<'a>,
    two: PgBench<'a>,
    same_by_pool: Vec<f64>,
    same_by_many: Vec<f64>,
    two_by_pool: Vec<f64>,
}

impl<'a> DatabaseLimit<'a> {
    fn set_up(setup: &'a BenchSetup) -> Result<Self> {
        let engine = Engine::Postgres;
        let site = Site::new(&setup.bed, engine)?;
        site.operate(&["migrate"], "")?;
        let rounds = ROUNDS as u64;
        let known = KnownSessions { own: 2 * rounds * ROWS, shared: 0, among: 1 };
        bulk::insert_known(&setup.bed, &site, engine, known)?;
        let mut psql = setup.bed.psql(&site.database);
        psql.arg(format!("--set=rows={}", rounds * ROWS));
        bulk::run(psql, FLAGGED_SESSIONS)?;
        let connections = connections(&site)?;
        let same = PgBench::new(&setup.bed, &site, "same", SAME_STATEMENTS)?;
        let two = PgBench::new(&setup.bed, &site, "two", TWO_STATEMENTS)?;
        let (same_by_pool, same_by_many, two_by_pool) = (vec![], vec![], vec![]);
        Ok(Self { _site: site, connections, same, two, same_by_pool, same_by_many, two_by_pool })
    }

    /// What so many clients are compared with.
    fn measure(&mut self, clients: u32, seconds: u32) -> Result<()> {
        match clients {
            16 => self.two_by_pool.push(self.two.run(self.connections, seconds, ROWS)?),
            64 => {
                self.same_by_pool.push(self.same.run(self.connections, seconds, ROWS)?);
                self.same_by_many.push(self.same.run(MANY, seconds, ROWS)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn compare(&self, ender: &Ender, table: &mut Table) {
        let pool = self.connections;
        let rows = [
            (16, format!("two statements over {pool} connections"), &self.two_by_pool, 1.5),
            (64, format!("the same statements without a number over {pool} connections"), &self.same_by_pool, 0.8),
            (64, format!("the same statements without a number over {MANY} connections"), &self.same_by_many, 0.6),
        ];
        for (clients, what, limit, least) in rows {
            let ours = ender.per_second(clients);
            let what = format!("revocations by {clients} clients ÷ {what} by pgbench, Postgres");
            table.ratio(what, ratio(&ours, limit), Goal::AtLeast(least), beside(&ours, limit));
        }
    }
}

/// As many as the server's pool has, unless it is set otherwise.
fn connections(site: &Site) -> Result<u32> {
    let settings: Value = serde_json::from_str(&site.operate(&["config", "show", "--json"], "")?)?;
    let items = settings["items"].as_array().context("no list of settings")?;
    let setting = items.iter().find(|item| item["key"] == "database.connections");
    let value = setting.and_then(|setting| setting["value"].as_str()).context("no `database.connections`")?;
    value.parse().with_context(|| format!("not a number of connections: {value}"))
}
