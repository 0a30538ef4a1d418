//! `cargo xtask soak`: a steady mixed load for some time, with faults now and then, and nothing that grows: neither
//! memory, files, threads and processor time of a server, nor its database, nor how long answers take.

mod load;
mod trend;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::load::{CLIENTS, LoadClient, SoakState, follow_feed};
use self::trend::{Allowance, Direction, Sample, Trend, trend};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Durations, Report};
use thunderhead_system_tests::live::site::{DATABASE, Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause, usage, wait_for};

/// How long, and with what.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// How long, with each database.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// With this database alone.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// What clients do in a second, all together.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Another build of the server than the one here.
    #[arg(long, value_name = "BINARY")]
    server: Option<PathBuf>,
    /// Keep everything, leave connections open, and demand that this is found out.
    #[arg(long)]
    bite: bool,
}

/// Samples of a run.
const WINDOWS: u32 = 120;
/// Faults of a run, and of a minute, at most.
const FAULTS: u32 = 20;
const FAULTS_A_MINUTE: u32 = 2;
/// How long a replica is away or paused.
const SPELL: Duration = Duration::from_secs(1);
/// How long clients may still meet what a fault has left behind.
const GRACE: Duration = Duration::from_secs(1);
/// How long service may take to come back.
const LONGEST: Duration = Duration::from_secs(30);

/// One of so many may be refused, those among them that met a fault.
const REFUSED: u64 = 100;

/// So that within the first third there is as much of everything as there will be. What has ended goes when a server
/// starts, as one does after each tenth of the run.
const STEADY: [(&str, &str); 7] = [
    ("RETENTION__SESSIONS", "30s"),
    ("RETENTION__AUDIT", "30s"),
    ("CACHE__MEMORY_MIB", "1"),
    // On, so that their windows are kept; but nobody is to be refused.
    ("LIMITS__GENERAL", "1000000/1m"),
    ("LIMITS__LOGIN", "1000000/3m"),
    ("LIMITS__REVOCATION", "1000000/1m"),
    // A busy machine is no outage.
    ("DATABASE__DEADLINE_MS", "10000"),
];
/// So that there never is.
const GROWING: [(&str, &str); 4] = [
    ("RETENTION__SESSIONS", "off"),
    ("RETENTION__AUDIT", "off"),
    ("CACHE__MEMORY_MIB", "64"),
    ("HTTP__KEEP_ALIVE_MS", "3600000"),
];
/// Connections that are left open with each sample, to bite: below what one client may have in a run.
const LEFT_OPEN: u32 = 3;
/// Old rows make room for new ones as soon as in a database of some size.
const POSTGRES: [&str; 3] =
    ["autovacuum_naptime=5s", "autovacuum_vacuum_scale_factor=0.05", "autovacuum_vacuum_insert_scale_factor=0.05"];

/// What is watched: at one replica, which is paused but never killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Memory,
    Descriptors,
    Threads,
    Database,
    ProcessorTime,
    ReadMedian,
    ReadP99,
    ChangeMedian,
    ChangeP99,
}

impl Figure {
    const ALL: [Self; 9] = [
        Self::Memory,
        Self::Descriptors,
        Self::Threads,
        Self::Database,
        Self::ProcessorTime,
        Self::ReadMedian,
        Self::ReadP99,
        Self::ChangeMedian,
        Self::ChangeP99,
    ];
    /// Those that grow where everything is kept.
    const BITTEN: [Self; 3] = [Self::Memory, Self::Descriptors, Self::Database];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory, MiB",
            Self::Descriptors => "file descriptors",
            Self::Threads => "threads",
            Self::Database => "database, MiB",
            Self::ProcessorTime => "processor time of a request, µs",
            Self::ReadMedian => "reads, median, ms",
            Self::ReadP99 => "reads, p99, ms",
            Self::ChangeMedian => "changes, median, ms",
            Self::ChangeP99 => "changes, p99, ms",
        }
    }

    /// What a machine makes of times depends on what else it does; of the others it does not.
    const fn allowance(self) -> Allowance {
        let (part, plus) = match self {
            Self::Memory => (0.02, 1.0),
            Self::Descriptors => (0.0, 3.0),
            Self::Threads => (0.0, 0.5),
            // It is as large as the most that was ever in it; and the change log fills for 64 000 changes.
            Self::Database => (0.1, 3.0),
            Self::ProcessorTime => (0.25, 10.0),
            Self::ReadMedian => (0.5, 1.0),
            Self::ReadP99 => (1.0, 20.0),
            // These wait for a disk, too.
            Self::ChangeMedian => (1.0, 5.0),
            Self::ChangeP99 => (2.0, 50.0),
        };
        Allowance { part, plus }
    }

    /// Whether a fault makes it another for a while.
    const fn is_disturbed(self) -> bool {
        match self {
            Self::Memory | Self::Descriptors | Self::Threads | Self::Database => false,
            Self::ProcessorTime | Self::ReadMedian | Self::ReadP99 | Self::ChangeMedian | Self::ChangeP99 => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A replica is killed, and another one started.
    Killed,
    /// The other one is stopped where it stands, and goes on later.
    Paused,
    Restarted,
}

impl Fault {
    /// In this order, over and over.
    const fn on(engine: Engine) -> &'static [Self] {
        match engine {
            Engine::Postgres => &[Self::Killed, Self::Paused, Self::Killed, Self::Restarted],
            Engine::Sqlite => &[Self::Killed, Self::Paused],
        }
    }
}

pub(crate) fn run(options: &SoakOptions) -> Result<()> {
    let mut report = Report::default();
    for engine in Engine::BOTH.into_iter().filter(|engine| options.engine.is_none_or(|only| only == *engine)) {
        eprintln!("> {engine}");
        let figures = soak(engine, options, &mut report).with_context(|| engine.to_string())?;
        if options.bite {
            must_bite(engine, &figures)?;
        }
    }
    report.finish()
}

/// All figures, with what became of them.
type Figures = Vec<(Figure, Trend)>;

fn must_bite(engine: Engine, figures: &Figures) -> Result<()> {
    let missed =
        |(figure, trend): &&(Figure, Trend)| Figure::BITTEN.contains(figure) && trend.direction != Direction::Rises;
    if let Some((figure, trend)) = figures.iter().find(missed) {
        bail!("on {engine} everything was kept, and it was not found out: {}, {trend}", figure.name());
    }
    println!("\nWhat was kept was found out on {engine}, as it must be.");
    Ok(())
}

fn soak(engine: Engine, options: &SoakOptions, report: &mut Report) -> Result<Figures> {
    let mut bed = TestBed::set_up_durable_with(options.server.as_deref(), &POSTGRES)?;
    let mut site = Site::new(&bed, engine)?;
    let growing = if options.bite { GROWING.as_slice() } else { &[] };
    STEADY.iter().chain(growing).for_each(|(name, value)| site.set(name, value));
    let steady = site.start()?;
    let other = site.start()?;
    let service = site.operate(&["service", "create", "reader", "--events"], "")?;
    let shared = SoakState::new([steady.address, other.address], report.violations());
    let interval = Duration::from_secs(1) * CLIENTS / options.rate;
    let minutes = options.minutes;
    let mut watch = Watch { bed: &mut bed, site: &site, engine, steady, other: Some(other), shared: &shared, minutes };
    let run = thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (shared, service) = (&shared, service.trim());
            scope.spawn(move || LoadClient::new(number, shared, service).work(interval));
        }
        scope.spawn(|| follow_feed(&shared, service.trim()));
        let run = watch.until_the_end(if options.bite { LEFT_OPEN } else { 0 });
        // In any case: the clients wait for it.
        shared.end();
        run
    })?;
    drop(watch);
    let [at_steady, at_other] = [0, 1].map(|replica| shared.answered_by(replica));
    let events = shared.events.load(Ordering::Relaxed);
    let figures: Figures =
        Figure::ALL.into_iter().map(|figure| (figure, trend(&run.samples_of(figure), figure.allowance()))).collect();
    let (refused, faults) = (shared.refused.load(Ordering::Relaxed), run.faults);
    let load = format!(
        "{minutes} minutes, {at_steady} and {at_other} answers, {refused} refused, {faults} faults, {events} events"
    );
    let is_served = refused * REFUSED < at_steady + at_other;
    report.violations().unless(is_served, || format!("soak, {engine}: {load}"));
    report.row("load", engine, load);
    for (figure, trend) in &figures {
        report.row(figure.name(), engine, trend);
        if !options.bite {
            let is_flat = trend.direction == Direction::Flat;
            report.violations().unless(is_flat, || format!("soak, {engine}: {}: {trend}", figure.name()));
        }
    }
    site.remove(&bed)?;
    Ok(figures)
}

/// All that was sampled.
#[derive(Default)]
struct Run {
    samples: Vec<(Figure, Sample)>,
    faults: u32,
}

impl Run {
    fn samples_of(&self, figure: Figure) -> Vec<Sample> {
        self.samples.iter().filter(|(of, _)| *of == figure).map(|(_, sample)| *sample).collect()
    }
}

/// Whoever makes the faults, and samples.
struct Watch<'a> {
    bed: &'a mut TestBed,
    site: &'a Site,
    engine: Engine,
    /// Is never killed.
    steady: Server,
    other: Option<Server>,
    shared: &'a SoakState<'a>,
    minutes: u32,
}

impl Watch<'_> {
    fn until_the_end(&mut self, left_open: u32) -> Result<Run> {
        let (mut run, mut open) = (Run::default(), Vec::new());
        let faults = FAULTS.min(FAULTS_A_MINUTE * self.minutes);
        let (total, begun) = (Duration::from_secs(60) * self.minutes, Instant::now());
        let mut before = (usage::processor_micros(self.steady.pid())?, self.shared.answered_by(0));
        let mut calm = false;
        for window in 1..=WINDOWS {
            // Half a step after the beginning the first, half a step before the end the last.
            let due = total * (2 * run.faults + 1) / (2 * faults);
            let disturbed = begun.elapsed() >= due;
            if disturbed {
                self.make_fault(run.faults)?;
                run.faults += 1;
            }
            let end = total * window / WINDOWS;
            pause(end.saturating_sub(begun.elapsed()));
            let after = (usage::processor_micros(self.steady.pid())?, self.shared.answered_by(0));
            let at = begun.elapsed().as_secs_f64() / total.as_secs_f64();
            // The window after a fault is left out, too: caches and connections are made anew.
            let is_calm = calm && !disturbed;
            let figures = self.figures(before, after)?;
            let kept =
                figures.into_iter().filter(|(figure, value)| value.is_finite() && (is_calm || !figure.is_disturbed()));
            run.samples.extend(kept.map(|(figure, value)| (figure, Sample { at, value })));
            (before, calm) = (after, !disturbed);
            for _ in 0..left_open {
                let mut client = Client::new(self.steady.address);
                client.ask(&Request::new("GET", "/health/live"))?;
                open.push(client);
            }
            if window.is_multiple_of(WINDOWS / 10) {
                self.tell(&run, at);
            }
        }
        Ok(run)
    }

    fn tell(&self, run: &Run, at: f64) {
        let last = |figure| {
            let of = run.samples.iter().rev().find(|(of, _)| *of == figure);
            format!("{}: {:.1}", Figure::name(figure), of.map_or(f64::NAN, |(_, sample)| sample.value))
        };
        eprintln!("  {:.0} %: {}", at * 100.0, Figure::ALL.map(last).join("; "));
    }

    fn figures(&self, before: (u64, u64), after: (u64, u64)) -> Result<Vec<(Figure, f64)>> {
        let pid = self.steady.pid();
        let latencies = self.shared.take_latencies();
        let [reads, changes] = [latencies.reads, latencies.changes].map(Durations::of);
        let of = |durations: &Durations, permille| {
            if durations.count() == 0 { f64::NAN } else { durations.millis(permille) }
        };
        Ok(vec![
            (Figure::Memory, usage::resident_mebibytes(pid)?),
            (Figure::Descriptors, usage::descriptors(pid)?),
            (Figure::Threads, usage::threads(pid)?),
            (Figure::Database, self.database_mebibytes()?),
            // Not finite where nothing was answered.
            (Figure::ProcessorTime, (after.0 - before.0) as f64 / (after.1 - before.1) as f64),
            (Figure::ReadMedian, of(&reads, 500)),
            (Figure::ReadP99, of(&reads, 990)),
            (Figure::ChangeMedian, of(&changes, 500)),
            (Figure::ChangeP99, of(&changes, 990)),
        ])
    }

    fn database_mebibytes(&self) -> Result<f64> {
        let bytes = match self.engine {
            Engine::Postgres => {
                let size = "select pg_database_size(current_database())";
                self.bed.sql(&self.site.database, size)?.trim().parse()?
            }
            Engine::Sqlite => ["", "-wal"]
                .iter()
                .map(|end| self.site.folder().join(format!("{DATABASE}{end}")))
                .map(|file| fs::metadata(file).map_or(0, |file| file.len()))
                .sum::<u64>(),
        };
        Ok(bytes as f64 / 1_048_576.0)
    }

    fn make_fault(&mut self, number: u32) -> Result<()> {
        let faults = Fault::on(self.engine);
        self.shared.fault_begins();
        match faults[number as usize % faults.len()] {
            Fault::Killed => {
                self.other.take().map(Server::kill).transpose()?;
                pause(SPELL);
                let started = self.site.start()?;
                self.shared.replica_is_at(1, started.address);
                self.other = Some(started);
            }
            Fault::Paused => {
                self.steady.signal("STOP")?;
                pause(SPELL);
                self.steady.signal("CONT")?;
            }
            Fault::Restarted => {
                self.bed.cluster.stop(&self.bed.postgres)?;
                pause(SPELL);
                self.bed.cluster.start_again(&self.bed.postgres)?;
                wait_for("Postgres", LONGEST, || self.bed.cluster.is_ready(&self.bed.postgres).then_some(()))?;
            }
        }
        for address in self.shared.addresses() {
            let ready = Request::new("GET", "/health/ready");
            let ask = || Client::patient_for(address, LONGEST).ask(&ready).ok().filter(|answer| answer.status == 200);
            wait_for("service", LONGEST, ask)?;
        }
        pause(GRACE);
        self.shared.fault_is_over();
        Ok(())
    }
}
