//! What the model is held against: replicas on this machine, and Postgres alone.

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::checks::CHECK;
use crate::pgbench::PgBench;
use crate::users::TestUsers;
use crate::wrk::{self, WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, usage};
use thunderhead_tooling::postgres::free_port;

/// Users whose tokens are shown in turn.
const USERS: u32 = 1_000;
/// The thread of a server that asks for what has changed, as far as the system keeps its name.
const WATCHER: &str = "postgres-watche";
const ROUNDS: &str = "thunderhead_freshness_reads_total";
/// The median of so many loads is told.
const TIMES: usize = 3;

/// What was seen of so many replicas together. Times are in microseconds, but for the median.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// A second.
    pub(super) checks: f64,
    /// A second, of each replica.
    pub(super) rounds: f64,
    /// Milliseconds.
    pub(super) median: f64,
    /// Processor time of the clients, for a check.
    pub(super) client: f64,
    /// Of the servers but for their watchers, for a check.
    pub(super) check: f64,
    /// Of the watchers, for a round.
    pub(super) ask: f64,
    /// Of Postgres, for a round.
    pub(super) compare: f64,
    /// Processors that nobody else had meanwhile.
    pub(super) processors: f64,
}

/// Measures session checks at so many replicas, for each of these numbers. They share the clients.
pub(super) fn checks(bed: &TestBed, replicas: &[u32], clients: u32, seconds: u32) -> Result<Vec<(u32, Measured)>> {
    let site = Site::new(bed, Engine::Postgres)?;
    let mut servers = vec![Replica::start(&site)?];
    let users = TestUsers::register(&servers[0].server, "m", USERS)?;
    let asks = users.tokens().map(|token| WrkRequest::get(CHECK, token));
    let asks = WrkRequests::write(site.folder(), "check", asks)?;
    let mut seen = vec![];
    for count in replicas {
        while servers.len() < *count as usize {
            servers.push(Replica::start(&site)?);
        }
        let load = WrkLoad { threads: 1, connections: clients / count, seconds };
        measure(bed, &site, &servers, &asks, WrkLoad { seconds: 1, ..load })?;
        let mut times = (0..TIMES).map(|_| measure(bed, &site, &servers, &asks, load)).collect::<Result<Vec<_>>>()?;
        times.sort_by(|one, other| one.checks.total_cmp(&other.checks));
        seen.push((*count, times[TIMES / 2]));
    }
    Ok(seen)
}

struct Replica {
    server: Server,
    metrics: SocketAddr,
}

impl Replica {
    fn start(site: &Site) -> Result<Self> {
        let metrics = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let settings = [("METRICS_LISTEN", metrics.to_string()), ("DATABASE__DEADLINE_MS", "30000".to_owned())];
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(Self { server: site.start_with(&settings)?, metrics })
    }

    fn rounds(&self) -> Result<f64> {
        let text = Client::new(self.metrics).ask(&Request::new("GET", "/metrics"))?.body;
        let line = text.lines().find_map(|line| line.strip_prefix(ROUNDS)).context("no freshness reads are counted")?;
        line.trim().parse().with_context(|| format!("{ROUNDS}: {line}"))
    }
}

/// What has been used up by now.
struct Used {
    rounds: f64,
    clients: f64,
    servers: f64,
    watchers: f64,
    postgres: f64,
}

fn used(bed: &TestBed, site: &Site, servers: &[Replica]) -> Result<Used> {
    let mut used = Used { rounds: 0.0, clients: 0.0, servers: 0.0, watchers: 0.0, postgres: 0.0 };
    for replica in servers {
        let pid = replica.server.pid();
        let watcher = usage::thread_micros(pid, |name| name == WATCHER)?;
        used.rounds += replica.rounds()?;
        used.watchers += watcher;
        used.servers += usage::thread_micros(pid, |_| true)? - watcher;
    }
    let backends = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    for pid in bed.sql(&site.database, backends)?.lines() {
        used.postgres += usage::thread_micros(pid.trim().parse()?, |_| true)?;
    }
    // `psql` was one of them, but as often after as before.
    used.clients = usage::ended_children_micros(std::process::id())? as f64;
    Ok(used)
}

fn measure(bed: &TestBed, site: &Site, servers: &[Replica], asks: &WrkRequests, load: WrkLoad) -> Result<Measured> {
    let before = used(bed, site, servers)?;
    let others = OtherWork::begin()?;
    let loads = servers.iter().map(|replica| wrk::start(replica.server.address, asks, load));
    let loads = loads.collect::<Result<Vec<_>>>()?;
    let seen = loads.into_iter().map(wrk::Running::finish).collect::<Result<Vec<_>>>()?;
    seen.iter().try_for_each(wrk::WrkResult::must_be_good)?;
    let others = others.ends()?;
    let after = used(bed, site, servers)?;
    let requests: u64 = seen.iter().map(|seen| seen.requests).sum();
    let requests = requests as f64;
    let rounds = after.rounds - before.rounds;
    let ours = [
        after.clients - before.clients,
        after.servers - before.servers,
        after.watchers - before.watchers,
        after.postgres - before.postgres,
    ];
    Ok(Measured {
        processors: others.left(ours.iter().sum()),
        checks: seen.iter().map(|seen| seen.per_second).sum(),
        rounds: rounds / f64::from(load.seconds) / servers.len() as f64,
        median: seen.iter().map(|seen| seen.median).sum::<f64>() / seen.len() as f64,
        client: (after.clients - before.clients) / requests,
        check: (after.servers - before.servers) / requests,
        ask: (after.watchers - before.watchers) / rounds,
        compare: (after.postgres - before.postgres) / rounds,
    })
}

/// What the machine does beside what is measured.
struct OtherWork {
    begun: Instant,
    busy: u64,
}

/// The same, when it is over.
struct AllWork {
    micros: f64,
    busy: f64,
}

impl OtherWork {
    fn begin() -> Result<Self> {
        Ok(Self { begun: Instant::now(), busy: usage::busy_micros()? })
    }

    fn ends(self) -> Result<AllWork> {
        let micros = self.begun.elapsed().as_secs_f64() * 1e6;
        Ok(AllWork { micros, busy: (usage::busy_micros()? - self.busy) as f64 })
    }
}

impl AllWork {
    /// Processors that are left to whoever took so much.
    fn left(&self, ours: f64) -> f64 {
        let all = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        all - (self.busy - ours).max(0.0) / self.micros
    }
}

/// A change that takes a number, and does nothing else.
const TAKE_A_NUMBER: &str = "\\set partition random(1, :counters)
UPDATE change_counters SET number = number + 1, nonce = DEFAULT WHERE partition = :partition;
";

/// A database in which `pgbench` takes numbers.
pub(super) struct Numbering<'a> {
    bed: &'a TestBed,
    site: Site,
}

impl<'a> Numbering<'a> {
    pub(super) fn set_up(bed: &'a TestBed) -> Result<Self> {
        let site = Site::new(bed, Engine::Postgres)?;
        site.operate(&["migrate"], "")?;
        Ok(Self { bed, site })
    }

    /// What `pgbench` and Postgres have used of the processors: as children of ours, and of the server.
    fn ours(&self) -> Result<f64> {
        let file = self.bed.cluster.folder().join("data/postmaster.pid");
        let pid = fs::read_to_string(file)?.lines().next().and_then(|pid| pid.parse().ok()).context("no pid")?;
        Ok((usage::ended_children_micros(pid)? + usage::ended_children_micros(std::process::id())?) as f64)
    }

    /// Changes a second, and the processors that nobody else had meanwhile.
    pub(super) fn per_second(&self, connections: u32, counters: u32, seconds: u32) -> Result<(f64, f64)> {
        let script = TAKE_A_NUMBER.replace(":counters", &counters.to_string());
        let mut pgbench = PgBench::new(self.bed, &self.site, "numbers", &script)?;
        let mut once = || {
            let (others, before) = (OtherWork::begin()?, self.ours()?);
            let per_second = pgbench.run(connections, seconds, 0)?;
            Ok((per_second, others.ends()?.left(self.ours()? - before)))
        };
        let mut seen = (0..TIMES).map(|_| once()).collect::<Result<Vec<_>>>()?;
        seen.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(seen[TIMES / 2])
    }
}
