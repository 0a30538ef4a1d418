//! `cargo xtask faults`: what is promised of faults, shown on real processes over real databases.

pub(crate) mod connections;
mod failover;
mod feed;
mod kill9;
mod outage;
mod poolers;
mod rotation;
mod sigterm;
mod together;
mod upgrade;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::report::Report;

/// Which faults, and how often.
#[derive(Args)]
pub(crate) struct FaultOptions {
    /// Which ones [default: all]
    #[arg(value_enum, value_name = "NAME")]
    faults: Vec<Fault>,
    /// How often a fault that is repeated is made, on each engine.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// How many clients there are.
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// This build of the server, in place of the release, which is built first.
    #[arg(long, value_name = "PROGRAM")]
    binary: Option<PathBuf>,
    /// With `upgrade`: the server of an earlier version.
    #[arg(long, value_name = "PROGRAM")]
    from: Option<PathBuf>,
    /// With `failover`: let the servers take any Postgres for a primary, and demand that this is found out.
    #[arg(long)]
    bite: bool,
}

/// A fault, and the promise that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// SIGKILL under load: what was acknowledged is not lost, and nothing is half done.
    Kill9,
    /// `thunderhead key rotate` under load: no valid token is refused.
    Rotation,
    /// Every connection to Postgres killed under load: right answers or 503 with `Retry-After`.
    Connections,
    /// Postgres stopped: 503 within 2 s everywhere, and service within 2 s of its return.
    Stopped,
    /// The same with a Postgres that is frozen, not gone.
    Frozen,
    /// SIGTERM under load: no request goes unanswered, and the process ends within 10 s.
    Sigterm,
    /// Two replicas that start at once on an empty database.
    Together,
    /// A primary that is lost, and a standby behind the address: no ended session is accepted, and nothing is lost that a
    /// synchronous standby had.
    Failover,
    /// SIGKILL of servers and of Postgres while somebody follows the feed: everything is told, once and in order.
    Feed,
    /// PgBouncer in between, in session and in transaction mode.
    Poolers,
    /// From an earlier version (`--from`) to this one and back: nothing is lost, and where both may run, each knows what
    /// the other has done.
    Upgrade,
}

/// Makes the faults, prints what was seen, and fails if a promise was broken.
pub(crate) fn run(options: &FaultOptions) -> Result<()> {
    let from = options.from.as_deref().map(Path::canonicalize).transpose().context("--from")?;
    if options.faults.contains(&Fault::Upgrade) && from.is_none() {
        bail!("`upgrade` wants the server of an earlier version: --from PROGRAM");
    }
    let faults = if options.faults.is_empty() { Fault::value_variants() } else { &options.faults };
    let mut bed = match &options.binary {
        Some(binary) => TestBed::with_binary(binary.canonicalize().context("--binary")?)?,
        None => TestBed::set_up()?,
    };
    let mut report = Report::default();
    for fault in faults {
        eprintln!("> {}", name(*fault));
        match fault {
            Fault::Kill9 => kill9::run(&bed, options, &mut report)?,
            Fault::Rotation => rotation::run(&bed, options, &mut report)?,
            Fault::Connections => connections::run(&bed, options, &mut report)?,
            Fault::Stopped => outage::stopped(&mut bed, &mut report)?,
            Fault::Frozen => outage::frozen(&bed, &mut report)?,
            Fault::Sigterm => sigterm::run(&bed, options, &mut report)?,
            Fault::Together => together::run(&bed, &mut report)?,
            Fault::Failover => failover::run(&bed, options, &mut report)?,
            Fault::Feed => feed::run(&bed, options, &mut report)?,
            Fault::Poolers => poolers::run(&bed, options, &mut report)?,
            Fault::Upgrade => match &from {
                Some(former) => upgrade::run(&bed, former, options, &mut report)?,
                None => eprintln!("  left out without --from"),
            },
        }
    }
    report.finish()
}

fn name(fault: Fault) -> String {
    fault.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// A program of another package. Debian puts some where ordinary users do not look.
fn installed(program: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    let found = folders.map(|folder| folder.join(program)).find(|program| program.is_file());
    found.with_context(|| format!("{program} was not found.  Debian, Ubuntu:  apt-get install {program}"))
}
