//! `cargo xtask bench model`: a site as a model, held against what is measured here, and then asked about sites that are
//! larger than this machine.
//!
//! What others on this machine take of its processors is measured, and left to them in the model. What each thing costs is
//! taken from one measurement: of one replica. What two, four and eight of them do is predicted,
//! and measured. For the counters it is the same: one connection tells what a change costs, and the model says what 64 of
//! them do with one counter and with 64.

mod measurement;
mod simulation;

use anyhow::Result;

use self::measurement::Measured;
use self::simulation::{Arrivals, Costs, Machines, ModelledSite, Prediction};
use crate::disk;
use thunderhead_system_tests::live::TestBed;

/// Replicas that are measured, at one machine and one Postgres.
const REPLICAS: [u32; 4] = [1, 2, 4, 8];
/// Clients, whom the replicas share.
const CLIENTS: u32 = 64;
/// `cache.spacing_us`, and what a thread sleeps longer than it wants to (the timer slack of Linux).
const SPACING: f64 = 500.0 + 50.0;
/// How long the model runs.
const MICROS: f64 = 500_000.0;
const SEED: u64 = 1;

pub(crate) fn run(bed: &TestBed, seconds: u32) -> Result<()> {
    let workers = std::thread::available_parallelism()?.get();
    let measured = measurement::checks(bed, &REPLICAS, CLIENTS, seconds)?;
    if let Some((_, first)) = measured.first() {
        let costs = costs_of(first);
        println!(
            "\nOne replica: {:.1} µs of a client for a check, {:.1} of the server; for a round {:.1} of the server and \
             {:.1} of Postgres.\n",
            costs.client, costs.check, costs.ask, costs.compare
        );
        println!("| replicas | figure | measured | predicted | predicted ÷ measured |");
        println!("|---|---|---|---|---|");
        for (replicas, seen) in &measured {
            eprintln!("  {replicas} replicas had {:.2} processors", seen.processors);
            tell_checks(*replicas, seen, &checks_of(costs, *replicas, workers, seen.processors));
        }
    }
    counters(bed, seconds)?;
    println!("\nLarger sites:\n");
    larger_sites();
    Ok(())
}

/// By a single measurement, of one replica.
const fn costs_of(seen: &Measured) -> Costs {
    let Measured { client, check, ask, compare, .. } = *seen;
    Costs { client, check, ask, compare, change: 0.0, write: 0.0, flush: 0.0 }
}

fn checks_of(costs: Costs, replicas: u32, workers: usize, processors: f64) -> Prediction {
    let site = ModelledSite {
        replicas: replicas as usize,
        machines: Machines::One(processors),
        workers,
        connections: 0,
        round_trip: 0.0,
        spacing: SPACING,
        counters: 1,
        users: 1,
        checks: Some(Arrivals::Clients(CLIENTS / replicas)),
        changes: None,
        costs,
    };
    simulation::run(&site, MICROS, SEED)
}

fn tell_checks(replicas: u32, seen: &Measured, predicted: &Prediction) {
    for (figure, measured, predicted) in [
        ("checks a second", seen.checks, predicted.checks),
        ("rounds a second, each", seen.rounds, predicted.rounds),
        ("median of a check, ms", seen.median, predicted.check_median / 1_000.0),
    ] {
        tell(&replicas.to_string(), figure, measured, predicted);
    }
}

fn tell(what: &str, figure: &str, measured: f64, predicted: f64) {
    let digits = if measured < 100.0 { 2 } else { 0 };
    let ratio = predicted / measured;
    println!("| {what} | {figure} | {measured:.digits$} | {predicted:.digits$} | {ratio:.2} |");
}

/// What changes do that take a number and nothing else, with one counter and with as many as there are.
fn counters(bed: &TestBed, seconds: u32) -> Result<()> {
    let flush = disk::sync_micros(bed.cluster.folder())?;
    let numbering = measurement::Numbering::set_up(bed)?;
    let (alone, _) = numbering.per_second(1, 64, seconds)?;
    // All that is no flush is processor time, of `pgbench` and of Postgres.
    let work = (1e6 / alone - flush).max(0.0);
    println!("\nOne connection: {alone:.0} changes a second, of {flush:.0} µs on the disk and {work:.0} µs of work.\n");
    println!("| connections, counters | figure | measured | predicted | predicted ÷ measured |");
    println!("|---|---|---|---|---|");
    for (connections, counters) in [(1, 64), (16, 1), (64, 1), (16, 64), (64, 64)] {
        let (measured, processors) = numbering.per_second(connections, counters, seconds)?;
        let site = ModelledSite {
            replicas: 1,
            machines: Machines::One(processors),
            workers: 1,
            connections: connections as usize,
            round_trip: 0.0,
            spacing: 0.0,
            counters: counters.into(),
            users: 1 << 20,
            checks: None,
            changes: Some(Arrivals::Clients(connections)),
            costs: Costs { client: 0.0, check: 0.0, ask: 0.0, compare: 0.0, change: 0.0, write: work, flush },
        };
        let predicted = simulation::run(&site, MICROS * 4.0, SEED);
        tell(&format!("{connections}, {counters}"), "changes a second", measured, predicted.changes);
    }
    Ok(())
}

/// What a site is asked in its busiest minute, and what it has for that.
#[derive(Clone, Copy)]
struct LargeSite {
    people: &'static str,
    /// A second, all together.
    checks: f64,
    changes: f64,
    replicas: usize,
    /// Of each replica, and of Postgres.
    processors: u32,
    postgres: u32,
    spacing: f64,
}

/// See docs/SCALING.md, *Three sites*.
const fn large(people: &'static str, millions: f64, replicas: usize, processors: u32, postgres: u32) -> LargeSite {
    let (checks, changes) = (CHECKS * millions, CHANGES * millions);
    LargeSite { people, checks, changes, replicas, processors, postgres, spacing: 500.0 }
}

/// What a million people want in the busiest second: of each, a hundred checks and two changes a day, five times as many as
/// on average.
const CHECKS: f64 = 100.0 * 1e6 * 5.0 / 86_400.0;
const CHANGES: f64 = 2.0 * 1e6 * 5.0 / 86_400.0;

const LARGE_SITES: [LargeSite; 5] = [
    large("10⁴", 0.01, 2, 2, 2),
    large("10⁶", 1.0, 3, 2, 4),
    large("10⁷: a cell of ten", 10.0, 6, 4, 16),
    large("10⁸ on one", 100.0, 24, 8, 64),
    LargeSite { spacing: 5_000.0, ..large("10⁸ on one, spacing 5 ms", 100.0, 24, 8, 64) },
];
/// Round trips to Postgres: within a rack, between halls, and between regions that lie close.
const ROUND_TRIPS: [f64; 3] = [200.0, 1_000.0, 10_000.0];

/// Of the machine that SCALING.md's figures are from, so that this part does not depend on what else this one does.
const KNOWN_COSTS: Costs =
    Costs { client: 0.0, check: 15.0, ask: 60.0, compare: 60.0, change: 150.0, write: 400.0, flush: 1_000.0 };

fn larger_sites() {
    println!(
        "| people | round trip, ms | checks: median, p99, ms | changes: median, p99, ms | rounds/s, each | busy: replica | busy: Postgres |"
    );
    println!("|---|---|---|---|---|---|---|");
    for large in &LARGE_SITES {
        for round_trip in ROUND_TRIPS {
            let seen = simulation::run(&site_of(large, round_trip), MICROS, SEED);
            println!(
                "| {} | {:.1} | {:.1}, {:.1} | {:.1}, {:.1} | {:.0} | {:.1} of {} | {:.1} of {} |",
                large.people,
                round_trip / 1_000.0,
                seen.check_median / 1_000.0,
                seen.check_p99 / 1_000.0,
                seen.change_median / 1_000.0,
                seen.change_p99 / 1_000.0,
                seen.rounds,
                seen.replica_busy,
                large.processors,
                seen.postgres_busy,
                large.postgres,
            );
        }
    }
}

fn site_of(large: &LargeSite, round_trip: f64) -> ModelledSite {
    let LargeSite { checks, changes, replicas, processors, postgres, spacing, .. } = *large;
    let each = |all: f64| Some(Arrivals::PerSecond(all / replicas as f64));
    ModelledSite {
        replicas,
        machines: Machines::Apart { replica: processors.into(), postgres: postgres.into() },
        workers: processors as usize,
        connections: 16,
        round_trip,
        spacing: spacing + 50.0,
        counters: 64,
        users: 1 << 20,
        checks: each(checks),
        changes: each(changes),
        costs: KNOWN_COSTS,
    }
}
