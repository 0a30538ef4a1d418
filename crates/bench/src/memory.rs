//! How much memory a server takes, and how soon it is ready.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::BenchSetup;
use crate::bulk::{self, KnownSessions};
use crate::contest::{ROUNDS, median};
use crate::logins::HASHING;
use crate::table::{Goal, Measurement, Table, Unit};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{on_threads, pause, usage};
use thunderhead_system_tests::requests::{PASSWORD, log_in, register, who_am_i};

/// A session without a name gets one from this.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// A server that was asked nothing for so long is idle. Hashing gives its memory back after a second.
const IDLE: Duration = Duration::from_secs(2);
/// Sessions that are cached.
const CACHED: u64 = 100_000;
/// Sessions that are asked for before the first measurement, so that connections and buffers are there.
const WARM: usize = 2_000;
const CLIENTS: u32 = 4;

/// Idle, before and after a first login; and how soon it is ready.
pub(crate) fn idle(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, engine)?;
    let server = setup.start(&site, &HASHING)?;
    expect(Client::new(server.address).ask(&register("ada"))?.status, 201)?;
    server.kill()?;
    let mut times = vec![];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let server = setup.start(&site, &HASHING)?;
        expect(Client::new(server.address).ask(&Request::new("GET", "/health/ready"))?.status, 200)?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        server.kill()?;
    }
    let what = format!("from start to ready on an existing database, {engine}");
    table.millis(what, median(times), Goal::AtMost(500.0), format!("median of {ROUNDS} starts"));
    let server = setup.start(&site, &HASHING)?;
    expect(Client::new(server.address).ask(&Request::new("GET", "/health/ready"))?.status, 200)?;
    let before = when_idle(&server)?;
    let named = log_in("ada", PASSWORD).header("X-Session-Name", "by name");
    expect(Client::new(server.address).ask(&named)?.status, 201)?;
    let after_name = when_idle(&server)?;
    let browser = log_in("ada", PASSWORD).header("User-Agent", BROWSER);
    expect(Client::new(server.address).ask(&browser)?.status, 201)?;
    let after_browser = when_idle(&server)?;
    let row = |what: String, value| Measurement {
        what,
        unit: Unit::MebiBytes,
        value,
        target: Goal::AtMost(40.0),
        seen: "resident".to_owned(),
    };
    table.add(row(format!("memory, idle, {engine}"), before));
    table.add(row(format!("memory, idle after a first login that names its session, {engine}"), after_name));
    table.add(row(format!("memory, idle after a first login by a browser, {engine}"), after_browser));
    Ok(())
}

/// What a cached session takes. The memory is the same over both engines.
pub(crate) fn cached(setup: &BenchSetup, table: &mut Table) -> Result<()> {
    let engine = Engine::Postgres;
    let site = Site::new(&setup.bed, engine)?;
    site.operate(&["migrate"], "")?;
    let known = KnownSessions { own: CACHED + WARM as u64, shared: 0, among: 1 };
    bulk::insert_known(&setup.bed, &site, engine, known)?;
    let tokens: Vec<_> = (1..=known.own).map(bulk::token_of).collect();
    let server = setup.start(&site, &[])?;
    let (warm, others) = tokens.split_at(WARM);
    ask_for_all(&server, warm)?;
    let before = mebibytes(&server)?;
    ask_for_all(&server, others)?;
    let after = mebibytes(&server)?;
    let each = (after - before) * 1_048_576.0 / CACHED as f64;
    table.add(Measurement {
        what: "memory for each remembered session".to_owned(),
        unit: Unit::Bytes,
        value: each,
        target: Goal::AtMost(600.0),
        seen: format!("{before:.1} MiB before, {after:.1} MiB after {CACHED} sessions"),
    });
    Ok(())
}

fn ask_for_all(server: &Server, tokens: &[String]) -> Result<()> {
    let asked = on_threads(CLIENTS, |thread| {
        let mut client = Client::new(server.address);
        for token in tokens.iter().skip(thread as usize).step_by(CLIENTS as usize) {
            expect(client.ask(&who_am_i(token))?.status, 200)?;
        }
        Ok(())
    });
    asked.map(drop)
}

fn expect(status: u16, expected: u16) -> Result<()> {
    if status != expected {
        bail!("answered {status} instead of {expected}");
    }
    Ok(())
}

fn when_idle(server: &Server) -> Result<f64> {
    pause(IDLE);
    mebibytes(server)
}

fn mebibytes(server: &Server) -> Result<f64> {
    usage::resident_mebibytes(server.pid())
}
