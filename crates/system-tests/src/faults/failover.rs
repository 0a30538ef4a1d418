//! A primary fails over to its synchronous standby, or an address leads to the standby for a while, under load: no
//! ended session is accepted, and nothing that was acknowledged is lost or undone.

pub(super) mod load;
pub(super) mod pair;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::load::{FailoverCounts, Load};
use self::pair::Pair;
use super::FaultOptions;
use super::outage::OutageCheck;
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::switch::Destination;
use thunderhead_system_tests::live::{TestBed, pause, wait_for};
use thunderhead_system_tests::requests::{register, who_am_i};

/// How long an address leads to one place before it leads to another.
const SPELL: Duration = Duration::from_millis(600);
/// How long a service may take to come back: the time that a pool rests between two attempts included.
const BACK: Duration = Duration::from_secs(10);

pub(super) fn run(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let stale = switch_over(bed, options, report)? + lagging(bed, options, report)?;
    if options.bite {
        if stale == 0 {
            bail!("servers that take any server for a primary were not found out");
        }
        println!("\n{stale} stale answers were found out, as they must be.");
        return Ok(());
    }
    promotion(bed, options, report)?;
    standby_alone(bed, report)
}

/// Two replicas that find their database behind an address.
pub(super) struct Replicas {
    servers: [Server; 2],
    _site: Site,
}

impl Replicas {
    pub(super) fn start(site: Site) -> Result<Self> {
        Ok(Self { servers: [site.start()?, site.start()?], _site: site })
    }

    pub(super) fn load<'a>(&self, part: &'a str, options: &FaultOptions, report: &'a Report) -> Load<'a> {
        Load {
            part,
            replicas: self.servers.each_ref().map(|server| server.address),
            clients: options.clients,
            violations: report.violations(),
            outages: true,
            bite: options.bite,
        }
    }

    /// Waits until both serve. Returns how long that took.
    pub(super) fn back(&self, what: &str, token: &str) -> Result<Duration> {
        let begun = Instant::now();
        for server in &self.servers {
            let mut client = Client::new(server.address);
            wait_for(what, BACK, || client.ask(&who_am_i(token)).ok().filter(|answer| answer.status == 200))?;
        }
        Ok(begun.elapsed())
    }

    /// A session of somebody who has no other part in it.
    pub(super) fn somebody(&self) -> Result<String> {
        Ok(Client::new(self.servers[0].address).ask(&register("somebody"))?.text("token"))
    }
}

/// For a moment the address leads to the standby, which lags behind, and then to the primary again. What was connected
/// meanwhile stays where it is.
fn switch_over(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<u64> {
    let pair = Pair::set_up(bed, options.bite)?;
    let replicas = Replicas::start(pair.site(pair.switch.port())?)?;
    let rounds = rounds(options);
    let counts = replicas.load("switch-over", options, report).during(|| lead_astray(&pair, rounds))?;
    tell("switch-over", format!("{rounds} times, {counts}"), report);
    Ok(counts.stale)
}

/// To the standby and back, again and again.
pub(super) fn lead_astray(pair: &Pair<'_>, rounds: u32) -> Result<()> {
    pause(SPELL);
    pair.hold_back()?;
    for _ in 0..rounds {
        pair.lead_to_standby();
        pair.switch.cut();
        pause(SPELL);
        pair.lead_to_primary();
        pause(SPELL * 2);
    }
    pair.switch.cut();
    pair.go_on()
}

/// The address leads to both by turns, as a load balancer does that takes them for equals.
fn lagging(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<u64> {
    let pair = Pair::set_up(bed, options.bite)?;
    let replicas = Replicas::start(pair.site(pair.switch.port())?)?;
    let rounds = rounds(options) * 2;
    let counts = replicas.load("lagging standby", options, report).during(|| {
        pair.hold_back()?;
        pair.lead_to_both();
        for _ in 0..rounds {
            pair.switch.cut();
            pause(SPELL);
        }
        pair.lead_to_primary();
        pair.switch.cut();
        pair.go_on()
    })?;
    tell("lagging standby", format!("cut {rounds} times, {counts}"), report);
    Ok(counts.stale)
}

/// The primary is killed, and its standby promoted. The old one is gone, as fencing has it.
fn promotion(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let times = (rounds(options) / 2).max(1);
    let (mut all, mut longest) = (FailoverCounts::default(), Duration::ZERO);
    for _ in 0..times {
        let pair = Pair::set_up(bed, false)?;
        let replicas = Replicas::start(pair.site(pair.switch.port())?)?;
        let token = replicas.somebody()?;
        let counts = replicas.load("promotion", options, report).during(|| {
            pause(SPELL * 2);
            pair.kill_primary()?;
            pair.switch.lead(Destination::Nowhere);
            pair.switch.cut();
            pair.promote()?;
            pair.lead_to_standby();
            longest = longest.max(replicas.back("service after the promotion", &token)?);
            pause(SPELL * 2);
            Ok(())
        })?;
        all = [all, counts].into_iter().sum();
    }
    let longest = longest.as_millis();
    tell("promotion", format!("{times} times, {all}; service at most {longest} ms after it"), report);
    Ok(())
}

/// The address leads to the standby, and stays there: no endpoint takes its word.
fn standby_alone(bed: &TestBed, report: &mut Report) -> Result<()> {
    let pair = Pair::set_up(bed, false)?;
    let check = OutageCheck::on(pair.site(pair.switch.port())?)?;
    pair.lead_to_standby();
    pair.switch.cut();
    let figures = check.without_database("standby", report.violations())?;
    pair.lead_to_primary();
    let back = check.back("standby", report.violations())?;
    tell("standby alone", format!("{figures}; back after {} ms", back.as_millis()), report);
    Ok(())
}

fn rounds(options: &FaultOptions) -> u32 {
    (options.rounds / 3).max(1)
}

fn tell(part: &str, figures: String, report: &mut Report) {
    report.row("failover", Engine::Postgres, format!("{part}: {figures}"));
}
