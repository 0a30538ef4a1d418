//! A primary fails over to its standby, or an address leads to the standby for a while, under load: no ended session is
//! accepted, and where the standby was a synchronous one, nothing that was acknowledged is lost or undone.

mod haproxy;
mod health;
pub(super) mod load;
pub(super) mod pair;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::haproxy::Haproxy;
use self::load::{FailoverCounts, Load};
use self::pair::{Pair, Replication};
use super::FaultOptions;
use super::outage::OutageCheck;
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, pause, wait_for};
use thunderhead_system_tests::requests::{register, who_am_i};

/// People who were made up so far.
static SOMEBODY: AtomicU32 = AtomicU32::new(0);

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
    by_address(bed, options, report)?;
    by_both_addresses(bed, options, report)?;
    by_haproxy(bed, options, report)?;
    asynchronous(bed, options, report)?;
    standby_alone(bed, report)
}

/// Two replicas that find their database behind an address.
pub(super) struct Replicas {
    servers: [Server; 2],
    site: Site,
}

impl Replicas {
    pub(super) fn start(site: Site) -> Result<Self> {
        Ok(Self { servers: [site.start()?, site.start()?], site })
    }

    pub(super) fn load<'a>(&self, part: &'a str, options: &FaultOptions, report: &'a Report) -> Load<'a> {
        Load {
            part,
            replicas: self.servers.each_ref().map(|server| server.address),
            clients: options.clients,
            violations: report.violations(),
            outages: true,
            bite: options.bite,
            may_lose: false,
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
        let name = format!("somebody{}", SOMEBODY.fetch_add(1, Ordering::Relaxed));
        Ok(Client::new(self.servers[0].address).ask(&register(&name))?.text("token"))
    }
}

/// For a moment the address leads to the standby, which lags behind, and then to the primary again. What was connected
/// meanwhile stays where it is.
fn switch_over(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<u64> {
    let pair = armed_or_not(bed, options)?;
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
    let pair = armed_or_not(bed, options)?;
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

/// One address goes with the primary.
fn by_address(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let mut pair = Pair::set_up(bed, Replication::Synchronous)?;
    let replicas = Replicas::start(pair.site(pair.switch.port())?)?;
    let figures = promotions("synchronous", &mut pair, &replicas, options.rounds, options, report)?;
    tell("synchronous", figures, report);
    Ok(())
}

/// `database_url` names both nodes.
fn by_both_addresses(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let mut pair = Pair::set_up(bed, Replication::Synchronous)?;
    let replicas = Replicas::start(pair.site_with_both()?)?;
    let figures = promotions("both named", &mut pair, &replicas, few(options), options, report)?;
    tell("synchronous, both named", figures, report);
    Ok(())
}

/// HAProxy asks which node leads.
fn by_haproxy(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let mut pair = Pair::set_up(bed, Replication::Synchronous)?;
    let haproxy = Haproxy::start(&pair)?;
    let replicas = Replicas::start(pair.site(haproxy.port)?)?;
    let figures = promotions("HAProxy", &mut pair, &replicas, few(options), options, report)?;
    tell("synchronous, HAProxy", figures, report);
    Ok(())
}

/// The primary is killed, and its standby promoted, again and again: the lost one comes back as the standby of the new one.
/// Each second time, the standby has received nothing for a while.
pub(super) fn promotions(
    part: &str,
    pair: &mut Pair<'_>,
    replicas: &Replicas,
    times: u32,
    options: &FaultOptions,
    report: &Report,
) -> Result<String> {
    let token = replicas.somebody()?;
    let mut longest = Duration::ZERO;
    let counts = replicas.load(part, options, report).during(|| {
        for round in 0..times {
            pause(SPELL * 2);
            if round % 2 == 1 {
                pair.part();
                pause(SPELL);
            }
            pair.kill_primary()?;
            pair.promote()?;
            longest = longest.max(replicas.back("service after a promotion", &token)?);
            pause(SPELL);
            pair.replace_lost()?;
        }
        pause(SPELL);
        Ok(())
    })?;
    Ok(format!("{times} failovers, {counts}; service at most {} ms after a promotion", longest.as_millis()))
}

/// Commits wait for no standby, and the standby has received nothing for a moment when the primary is lost: that moment is
/// lost with it. What an operator is told to do then ends what has come back.
fn asynchronous(bed: &TestBed, options: &FaultOptions, report: &mut Report) -> Result<()> {
    let mut pair = Pair::set_up(bed, Replication::Asynchronous)?;
    let replicas = Replicas::start(pair.site(pair.switch.port())?)?;
    let times = few(options);
    let mut all = FailoverCounts::default();
    for _ in 0..times {
        let token = replicas.somebody()?;
        let load = Load { may_lose: true, ..replicas.load("asynchronous", options, report) };
        let mut clients = load.until(|| {
            pause(SPELL * 2);
            pair.part();
            pause(SPELL);
            pair.kill_primary()
        })?;
        pair.promote()?;
        replicas.back("service after a promotion", &token)?;
        let counts = clients.compare()?;
        let told = || format!("asynchronous: the last moments were to be lost, and were not: {counts}");
        report.violations().unless(counts.lost > 0, told);
        all = [all, counts].into_iter().sum();
        replicas.site.operate(&["session", "end-all", "--before", &pair.soon()?, "--yes"], "")?;
        let accepted = clients.accepted_though_ended()?;
        report.violations().unless(accepted == 0, || format!("asynchronous: {accepted} ended sessions are live again"));
        pair.replace_lost()?;
    }
    tell("asynchronous", format!("{times} failovers, {all}; after `session end-all` 0 undone"), report);
    Ok(())
}

/// The address leads to the standby, and stays there: no endpoint takes its word.
fn standby_alone(bed: &TestBed, report: &mut Report) -> Result<()> {
    let pair = Pair::set_up(bed, Replication::Synchronous)?;
    let check = OutageCheck::on(pair.site(pair.switch.port())?)?;
    pair.lead_to_standby();
    pair.switch.cut();
    let figures = check.without_database("standby", report.violations())?;
    pair.lead_to_primary();
    let back = check.back("standby", report.violations())?;
    tell("standby alone", format!("{figures}; back after {} ms", back.as_millis()), report);
    Ok(())
}

fn armed_or_not<'a>(bed: &'a TestBed, options: &FaultOptions) -> Result<Pair<'a>> {
    let mut pair = Pair::set_up(bed, Replication::Synchronous)?;
    if options.bite {
        pair.disarm()?;
    }
    Ok(pair)
}

fn rounds(options: &FaultOptions) -> u32 {
    (options.rounds / 3).max(1)
}

/// For what differs only in the way to the primary.
pub(super) fn few(options: &FaultOptions) -> u32 {
    (options.rounds / 5).max(2)
}

fn tell(part: &str, figures: String, report: &mut Report) {
    report.row("failover", Engine::Postgres, format!("{part}: {figures}"));
}
