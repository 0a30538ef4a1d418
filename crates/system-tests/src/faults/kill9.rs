//! SIGKILL under load. What was acknowledged is there after the restart, and nothing is half done.

mod ledger;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use self::ledger::{KillCounts, RecordingClient};
use super::FaultOptions;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::live::{TestBed, wait_for};
use thunderhead_system_tests::requests::Dice;

/// How many acknowledgements there are between a start and a kill: up to this many.
const BETWEEN: u64 = 400;
/// How long clients may take for them.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    for engine in Engine::BOTH {
        let counts = on(bed, engine, options, report).with_context(|| engine.to_string())?;
        report.row("kill9", engine, format!("{} kills, {counts}", options.rounds));
    }
    Ok(())
}

fn on(bed: &TestBed, engine: Engine, options: &FaultOptions, report: &Report) -> Result<KillCounts> {
    let site = Site::new(bed, engine)?;
    let mut clients: Vec<_> = (0..options.clients).map(RecordingClient::new).collect();
    let mut dice = Dice::new(1);
    let mut server = site.start()?;
    for _ in 0..options.rounds {
        let enough = 20 + dice.below(BETWEEN);
        let acknowledged = AtomicU64::new(0);
        let address = server.address;
        thread::scope(|scope| {
            for client in &mut clients {
                let acknowledged = &acknowledged;
                scope.spawn(move || client.change_things(address, acknowledged, report.violations()));
            }
            let reached = || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(());
            let waited = wait_for("acknowledgements", LONGEST, reached);
            // In any case: the clients end with the server.
            server.kill()?;
            waited
        })?;
        server = site.start()?;
        let address = server.address;
        thread::scope(|scope| {
            let checks = clients
                .iter_mut()
                .map(|client| scope.spawn(move || client.check_everything(address, report.violations())));
            let checks: Vec<_> = checks.collect();
            checks.into_iter().try_for_each(|check| check.join().ok().context("a thread panicked")?)
        })?;
    }
    Ok(clients.iter().map(RecordingClient::counts).fold(KillCounts::default(), KillCounts::plus))
}
