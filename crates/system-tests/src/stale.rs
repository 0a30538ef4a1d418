//! `cargo xtask stale`: a request that starts after the answer to a revocation was sent, anywhere, is never accepted.
//! Shown on three real replicas over one Postgres, and on three servers over one SQLite file, which are asked without a
//! pause while sessions are ended in every way, and while faults are made. 503 is a right answer at any time – on a busy
//! machine the database may be late – and an end that was answered so is none.

mod bite;
mod disturbance;
mod endings;
mod foreign_writer;
mod kept;
mod ledger;
mod perform;
mod run;
mod token_checks;
mod worker;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use thunderhead_system_tests::live::example::{self, ExampleService};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Durations, Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, on_threads};
use thunderhead_system_tests::requests::{Dice, register};

use self::bite::Bite;
use self::disturbance::Disturbance;
use self::endings::Ending;
use self::ledger::{Findings, Ledger, Probe, REPLICAS};
use self::run::StaleRun;
use self::worker::Worker;

/// Connections to each replica over which tokens are shown without a pause.
const PROBERS: usize = 2;
/// How many end sessions at once.
const WORKERS: u32 = 8;
/// How many violations of one kind are told.
const TOLD: usize = 10;

/// How much is ended.
#[derive(Args)]
pub(crate) struct StaleOptions {
    /// How often something is ended; with each fault, a tenth of that besides.
    #[arg(long, default_value_t = 10_000)]
    revocations: u32,
    /// On which database alone [default: each]
    #[arg(long, value_enum, value_name = "NAME")]
    on: Option<Engine>,
    /// Let the replicas answer from their caches alone for ten minutes, then ignore one of the counters that number changes,
    /// on Postgres, and see no commits on SQLite, and demand that each is found out.
    #[arg(long)]
    bite: bool,
}

/// Ends, asks, compares, and fails if the promise was broken: or, to show that it would be noticed, if it was not.
pub(crate) fn run(options: &StaleOptions) -> Result<()> {
    example::build()?;
    let mut bed = TestBed::set_up()?;
    let mut report = Report::default();
    for engine in Engine::BOTH.into_iter().filter(|engine| options.on.is_none_or(|only| only == *engine)) {
        eprintln!("> {engine}");
        on(engine, options, &mut bed, &mut report)?;
    }
    if options.bite { Ok(()) } else { report.finish() }
}

fn on(engine: Engine, options: &StaleOptions, bed: &mut TestBed, report: &mut Report) -> Result<()> {
    if !options.bite {
        return ended_on(engine, options, None, bed, report);
    }
    Bite::on(engine).iter().try_for_each(|bite| ended_on(engine, options, Some(*bite), bed, report))
}

fn ended_on(
    engine: Engine,
    options: &StaleOptions,
    bite: Option<Bite>,
    bed: &mut TestBed,
    report: &mut Report,
) -> Result<()> {
    let mut site = Site::new(bed, engine)?;
    if let Some(bite) = bite {
        bite.set_up(&mut site)?;
    }
    let replicas = [site.start()?, site.start()?, site.start()?];
    if let Some(bite) = bite {
        bite.break_database(bed, &site)?;
    }
    let secret = service(&site)?;
    let guards = guard_services(&site, &replicas, &secret, &[])?;
    let setup = Setup {
        engine,
        guards: &guards,
        replicas: &replicas,
        site: &site,
        kratos: speaks_kratos(&replicas[0])?,
        secret,
        names: AtomicU32::new(0),
        bite: bite.is_some(),
    };
    if !setup.kratos {
        eprintln!("  these replicas do not speak the Kratos dialect: its endings and its check are left out");
    }
    let rarely = (options.revocations / 200).clamp(3, 48);
    let plan = Ending::plan(options.revocations, rarely, setup.kratos);
    let stale = setup.part("quiet", None, plan, WORKERS, bed, report)?;
    if let Some(bite) = bite {
        if stale == 0 {
            bail!("{} were not found out on {engine}", bite.name());
        }
        println!("\n{stale} stale answers of {} were found out on {engine}, as they must be.", bite.name());
        return Ok(());
    }
    // Those that everybody feels wait for each other.
    let alone = Ending::ALONE.iter().flat_map(|ending| vec![*ending; rarely as usize]).collect();
    setup.part("alone", None, alone, 1, bed, report)?;
    let keepers = guard_services(&site, &replicas, &setup.secret, &[("KEEP_SECONDS", kept::KEEP_SECONDS)])?;
    kept::measure(engine, &replicas, &keepers, options.revocations / 50, report)?;
    drop(keepers);
    for fault in Disturbance::on(engine) {
        let plan = Ending::plan(options.revocations / 10, 2, setup.kratos);
        setup.part(fault.name(), Some(*fault), plan, WORKERS, bed, report)?;
    }
    Ok(())
}

/// What all parts share.
struct Setup<'a> {
    engine: Engine,
    /// A service beside each replica, which has the guard ask it about each request.
    guards: &'a [ExampleService; REPLICAS],
    replicas: &'a [Server; REPLICAS],
    site: &'a Site,
    kratos: bool,
    secret: String,
    names: AtomicU32,
    bite: bool,
}

impl Setup<'_> {
    /// Ends what is planned, with a fault in between. Returns how often something was accepted after its end.
    fn part(
        &self,
        part: &str,
        fault: Option<Disturbance>,
        mut plan: Vec<Ending>,
        workers: u32,
        bed: &mut TestBed,
        report: &mut Report,
    ) -> Result<usize> {
        let part = &format!("{}, {part}", self.engine);
        eprintln!("> {part}: {} times", plan.len());
        if workers > 1 {
            shuffle(&mut plan);
        }
        let addresses = self.replicas.each_ref().map(|replica| replica.address);
        let mut run = StaleRun::new(self.site, addresses, (SERVICE, &self.secret), report.violations(), &self.names);
        run.guards = self.guards.each_ref().map(|guard| guard.address);
        run.kratos = self.kratos;
        let mut made = None;
        let unanswered = thread::scope(|scope| {
            for number in 0..REPLICAS * PROBERS {
                let run = &run;
                scope.spawn(move || run.probe_on(number % REPLICAS, number * 5));
            }
            let (replicas, site, run) = (self.replicas, self.site, &run);
            let disturbance = fault.map(|fault| scope.spawn(move || fault.go_on(bed, site, replicas, run)));
            let unanswered = carry_out(run, &plan, workers);
            run.end();
            if let Some(disturbance) = disturbance {
                made = Some(disturbance.join().ok().context("a thread panicked")??);
            }
            unanswered
        })?;
        let StaleRun { ledger, .. } = run;
        Ok(self.tell((part, &plan), ledger, unanswered, made, report))
    }

    fn tell(
        &self,
        (part, plan): (&str, &[Ending]),
        ledger: Ledger,
        unanswered: usize,
        faults: Option<u32>,
        report: &mut Report,
    ) -> usize {
        let lasted = ledger.now();
        let findings = ledger.check();
        for row in &findings.rows {
            let times = Durations::of(row.took.clone());
            let figures = format!(
                "{:5} times, {:5} tokens, {:7} probes, {:7} afterwards, {} stale; {times}",
                row.took.len(),
                row.targets,
                row.probes,
                row.afterwards,
                row.stale,
            );
            report.row(part, row.ending, figures);
        }
        let deletes = findings.rows.iter().filter(|row| row.ending.starts_with("DELETE"));
        let took = |rows: &mut dyn Iterator<Item = &ledger::EndingFigures>| {
            Durations::of(rows.flat_map(|row| row.took.iter().copied()).collect())
        };
        let (deletes, every) = (took(&mut deletes.into_iter()), took(&mut findings.rows.iter()));
        let sum = |of: fn(&ledger::EndingFigures) -> u64| findings.rows.iter().map(of).sum::<u64>();
        if deletes.count() > 0 {
            report.row(part, "every DELETE", format!("{:5} times; {deletes}", deletes.count()));
        }
        if faults.is_none() {
            self.demand_all((part, plan), &findings, report.violations());
        }
        let faults = faults.map_or_else(String::new, |count| format!("{count} faults; "));
        let figures = format!(
            "{:5} times, {:5} tokens, {:7} probes, {:7} afterwards, {} stale; {every}; {faults}503: {unanswered} ends, {} probes; {:.0} s",
            every.count(),
            sum(|row| row.targets),
            findings.probes,
            sum(|row| row.afterwards),
            findings.stale.len(),
            findings.unavailable,
            lasted as f64 / 1e9,
        );
        report.row(part, "all", figures);
        self.check(part, &findings, report.violations());
        findings.stale.len()
    }

    fn check(&self, part: &str, findings: &Findings, violations: &Violations) {
        if !self.bite {
            for (probe, after) in findings.stale.iter().take(TOLD) {
                let after = *after as f64 / 1e6;
                let Probe { check, replica, .. } = probe;
                let what = format!("{part}: {check:?} at replica {replica}");
                violations.add(format!("{what}: accepted {after:.3} ms after the end was answered"));
            }
        }
        for probe in findings.refused_early.iter().take(TOLD) {
            let Probe { check, replica, .. } = probe;
            let what = format!("{part}: {check:?} at replica {replica}");
            violations.add(format!("{what}: refused though nobody had asked for the end"));
        }
    }

    /// Each ending was tried: without a fault, none may fail each time.
    fn demand_all(&self, (part, plan): (&str, &[Ending]), findings: &Findings, violations: &Violations) {
        let mut tried: Vec<_> = findings.rows.iter().filter(|row| row.afterwards > 0).map(|row| row.ending).collect();
        for ending in plan.iter().map(|ending| ending.name()) {
            if !tried.contains(&ending) {
                violations.add(format!("{part}: nobody was asked after {ending}"));
                tried.push(ending);
            }
        }
    }
}

/// Has pools do what is planned, each the next. Returns how much of it was not answered.
fn carry_out(run: &StaleRun<'_>, plan: &[Ending], workers: u32) -> Result<usize> {
    let (next, unanswered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let carried = on_threads(workers, |number| {
        let mut worker = Worker::new(run, number);
        while let Some(ending) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
            let performed = worker.perform(*ending).and_then(|answered| {
                unanswered.fetch_add(usize::from(!answered), Ordering::Relaxed);
                if Ending::ALONE.contains(ending) { ending.clear_up(&mut worker) } else { Ok(()) }
            });
            if performed.is_err() {
                // The others need not go on.
                next.store(plan.len(), Ordering::Relaxed);
            }
            performed?;
        }
        worker.finish();
        Ok(())
    });
    carried.map(|_| unanswered.into_inner())
}

const SERVICE: &str = "prober";

/// A service beside each replica.
fn guard_services(
    site: &Site,
    replicas: &[Server; REPLICAS],
    secret: &str,
    settings: &[(&str, &str)],
) -> Result<[ExampleService; REPLICAS]> {
    let start = |replica: usize| {
        let credentials = (SERVICE, secret);
        ExampleService::start(site, example::ACTIX_WEB, replicas[replica].address, credentials, settings)
    };
    Ok([start(0)?, start(1)?, start(2)?])
}

fn service(site: &Site) -> Result<String> {
    let printed = site.operate(&["service", "create", SERVICE, "--events"], "")?;
    let secret = printed.trim().strip_prefix(&format!("{SERVICE}:"));
    secret.map(str::to_owned).context("no secret was printed")
}

/// Whether there is a Kratos dialect: a session without an end is told of there.
fn speaks_kratos(server: &Server) -> Result<bool> {
    let mut client = Client::new(server.address);
    let token = client.ask(&register("first"))?.text("token");
    let request = Request::new("GET", "/auth/sessions/whoami").header("X-Session-Token", &token);
    match client.ask(&request)?.status {
        200 => Ok(true),
        404 => Ok(false),
        status => bail!("GET /auth/sessions/whoami: {status}"),
    }
}

/// Another order, the same in each run (Fisher and Yates).
fn shuffle(plan: &mut [Ending]) {
    let mut dice = Dice::new(plan.len() as u64);
    for last in (1..plan.len()).rev() {
        plan.swap(last, dice.below(last as u64 + 1) as usize);
    }
}

/// How long a fault lasts, and the peace after it.
const SPELL: Duration = Duration::from_millis(300);
