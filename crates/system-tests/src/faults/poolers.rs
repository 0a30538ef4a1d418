//! PgBouncer between the servers and Postgres, in session mode and in transaction mode: everything works, nothing leaks
//! to others who use the same pool, and a standby behind the pooler answers nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::failover::pair::{Pair, Replication};
use super::failover::{Replicas, few, lead_astray, promotions};
use super::outage::OutageCheck;
use super::{FaultOptions, installed};
use thunderhead_system_tests::live::guarded::Guarded;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::live::{TestBed, on_threads, pause, wait_for};
use thunderhead_tooling::postgres::free_port;
use thunderhead_tooling::process::output;
use thunderhead_tooling::throwaway::parent_folder;

const START: Duration = Duration::from_secs(20);
/// How long the service may take to come back: a pooler rests between two attempts, and so does a pool.
const BACK: Duration = Duration::from_secs(6);
/// How long clients go on without a fault.
const QUIET: Duration = Duration::from_secs(3);

/// Which connection this is, and what others have left on it.
const LEFT: &str = "select pg_backend_pid(), current_setting('statement_timeout'), \
    (select count(*) from pg_prepared_statements) from pg_sleep(0.5)";

/// How a pooler lends its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Session,
    Transaction,
}

impl Mode {
    const BOTH: [Self; 2] = [Self::Session, Self::Transaction];

    /// Connections to Postgres: in session mode one for each of the servers' and some, else fewer than they have.
    const fn pool(self) -> u32 {
        match self {
            Self::Session => 40,
            Self::Transaction => 4,
        }
    }

    /// What the servers have to be told (`docs/OPERATIONS.md`).
    const fn prepared_statements(self) -> &'static str {
        match self {
            Self::Session => "on",
            Self::Transaction => "off",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        })
    }
}

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    for mode in Mode::BOTH {
        let mut pair = Pair::set_up(bed, Replication::Synchronous)?;
        let pooler = Pooler::start(bed, mode, pair.switch.port())?;
        works(&pair, &pooler, options, report)?;
        leaks_nothing(bed, &pair, &pooler, report)?;
        is_led_astray(&pair, &pooler, options, report)?;
        survives_promotions(&mut pair, &pooler, options, report)?;
        believes_no_standby(&pair, &pooler, report)?;
    }
    Ok(())
}

/// Without a fault there is no 503. The schema is made through the pooler, too.
fn works(pair: &Pair<'_>, pooler: &Pooler, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let replicas = pooler.replicas(pair)?;
    let part = format!("{} mode", pooler.mode);
    let mut load = replicas.load(&part, options, report);
    load.outages = false;
    let counts = load.during(|| {
        pause(QUIET);
        Ok(())
    })?;
    pooler.tell(&format!("{counts}"), report);
    Ok(())
}

/// Others who are lent the same connections find them as Postgres made them.
fn leaks_nothing(bed: &TestBed, pair: &Pair<'_>, pooler: &Pooler, report: &mut Report) -> Result<()> {
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", pooler.port, pair.database());
    // They are asked at once, so that each is asked of another connection.
    let asked = on_threads(Mode::Transaction.pool(), |_| {
        let mut psql = bed.psql("postgres");
        psql.args(["--dbname", &url, "--command", LEFT]);
        output(psql)
    })?;
    let mut connections = BTreeSet::new();
    for answer in asked {
        let (connection, left) = answer.trim().split_once('|').context("no answer")?;
        report.violations().unless(left == "0|0", || format!("{} mode leaves {left} behind", pooler.mode));
        connections.insert(connection.to_owned());
    }
    pooler.tell(&format!("left nothing on {} connections", connections.len()), report);
    Ok(())
}

/// For a moment the pooler's address leads to a standby that lags behind.
fn is_led_astray(pair: &Pair<'_>, pooler: &Pooler, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let replicas = pooler.replicas(pair)?;
    let part = format!("{} mode, switch-over", pooler.mode);
    let rounds = (options.rounds / 5).max(1);
    let counts = replicas.load(&part, options, report).during(|| lead_astray(pair, rounds))?;
    pooler.tell(&format!("switch-over {rounds} times: {counts}"), report);
    Ok(())
}

/// The pooler's address goes with the primary, which is lost again and again.
fn survives_promotions(
    pair: &mut Pair<'_>,
    pooler: &Pooler,
    options: &FaultOptions,
    report: &mut Report,
) -> Result<()> {
    let replicas = pooler.replicas(pair)?;
    let part = format!("{} mode, synchronous", pooler.mode);
    let figures = promotions(&part, pair, &replicas, few(options), options, report)?;
    pooler.tell(&format!("synchronous: {figures}"), report);
    Ok(())
}

/// No endpoint takes a standby's word that comes through the pooler, which believes that it is still the primary's.
fn believes_no_standby(pair: &Pair<'_>, pooler: &Pooler, report: &mut Report) -> Result<()> {
    let check = OutageCheck::on(pooler.site(pair)?)?;
    pair.lead_to_standby();
    pair.switch.cut();
    let fault = format!("{} mode, standby", pooler.mode);
    let figures = check.without_database(&fault, report.violations())?;
    pair.lead_to_primary();
    pair.switch.cut();
    let back = check.back_within(BACK, &fault, report.violations())?;
    pooler.tell(&format!("standby alone: {figures}; back after {} ms", back.as_millis()), report);
    Ok(())
}

/// A running PgBouncer. Dropping it kills it.
struct Pooler {
    mode: Mode,
    port: u16,
    _process: Guarded,
    _folder: TempDir,
}

impl Pooler {
    fn start(bed: &TestBed, mode: Mode, server: u16) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("thunderhead-pooler-").tempdir_in(parent_folder())?;
        let (port, file) = (free_port()?, folder.path().join("pgbouncer.ini"));
        fs::write(&file, configuration(mode, port, server))?;
        for path in [folder.path(), &file] {
            bed.postgres.hand_over(path)?;
        }
        let mut command = bed.postgres.command(installed("pgbouncer")?, folder.path());
        command.arg("pgbouncer.ini").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Guarded::spawn(command, folder.path())?;
        wait_for("PgBouncer", START, || TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Self { mode, port, _process: process, _folder: folder })
    }

    /// A place for servers that find their database through it.
    fn site(&self, pair: &Pair<'_>) -> Result<Site> {
        let mut site = pair.site(self.port)?;
        site.set("DATABASE__PREPARED_STATEMENTS", self.mode.prepared_statements());
        Ok(site)
    }

    fn replicas(&self, pair: &Pair<'_>) -> Result<Replicas> {
        Replicas::start(self.site(pair)?)
    }

    fn tell(&self, figures: &str, report: &mut Report) {
        report.row("poolers", Engine::Postgres, format!("PgBouncer, {} mode: {figures}", self.mode));
    }
}

fn configuration(mode: Mode, port: u16, server: u16) -> String {
    let pool = mode.pool();
    format!(
        "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool}\n\
         max_client_conn = 200\nserver_login_retry = 1\nlogfile = pgbouncer.log\n"
    )
}
