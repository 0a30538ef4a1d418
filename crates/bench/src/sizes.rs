//! The same requests over few sessions and over very many.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::bulk::{self, SessionKind};
use crate::checks::{CACHE_OFF, CHECK};
use crate::contest::{Contestant, LoadTarget, Outcome, ROUNDS, hold, median};
use crate::searches::{self, Searcher};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{WrkLoad, WrkRequest, WrkRequests};
use crate::{BenchSetup, decimal};
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::on_threads;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::requests::log_out;

pub(crate) const FEW: u64 = 10_000;
/// Users who ask, and have this many sessions each.
const USERS: u32 = 200;
const SESSIONS_EACH: u32 = 10;
/// Sessions of theirs that are ended, by so many clients at once.
const ENDED: usize = 1_500;
const ENDERS: u32 = 4;

/// A server over so many sessions.
struct Place {
    site: Site,
    server: Server,
    uncached: Server,
    users: TestUsers,
    /// Further tokens of theirs.
    more: Vec<String>,
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let many = setup.many();
    let (few, _) = place(setup, engine, FEW)?;
    let (much, seconds) = place(setup, engine, many)?;
    eprintln!("  {} sessions, {engine}: loaded in {seconds:.0} s", decimal(many));
    let of = |requests: &str| format!("{requests} at {} ÷ at {} sessions, {engine}", decimal(many), decimal(FEW));
    let pair = |path: &str, cached: bool| -> Result<[Outcome; 2]> {
        let contestant = |place: &Place| {
            let asks = place.users.tokens().map(|token| WrkRequest::get(path, token));
            let asks = WrkRequests::write(place.site.folder(), "asks", asks)?;
            let server = if cached { &place.server } else { &place.uncached };
            anyhow::Ok(Contestant::new(vec![LoadTarget::from(server)], &asks))
        };
        let load = WrkLoad { threads: 1, connections: 8, seconds: setup.seconds() };
        hold(&[contestant(&few)?, contestant(&much)?], load)
    };
    let subjects = [
        ("time of a session check", CHECK, true),
        ("time of a session check without a cache", CHECK, false),
        ("time of a list page", "/api/users/me/sessions", true),
    ];
    for (what, path, cached) in subjects {
        let [few, much] = pair(path, cached)?;
        let seen = format!(
            "{:.0}/s, {:.0}/s; medians {:.2} ms, {:.2} ms",
            much.per_second(),
            few.per_second(),
            much.median(),
            few.median()
        );
        table.ratio(of(what), few.part_of(&much), Goal::AtMost(1.3), seen);
    }
    ends(&few, &much, &of("time of ending a session"), engine, table)?;
    searches::compare(&few.searcher(FEW)?, &much.searcher(many)?, of, table)?;
    drop(few);
    much.forget(setup)
}

/// Ends sessions here and there in turn.
fn ends(few: &Place, much: &Place, what: &str, engine: Engine, table: &mut Table) -> Result<()> {
    let (mut ratios, mut slow) = (vec![], [vec![], vec![]]);
    for round in 0..ROUNDS {
        let mut medians = [0.0; 2];
        for (number, place) in [few, much].into_iter().enumerate() {
            let took = end(place, round)?;
            medians[number] = percentile(&took, 50);
            slow[number].push(percentile(&took, 99));
        }
        ratios.push(medians[1] / medians[0]);
    }
    let [few, much] = slow.map(median);
    let seen = format!("{ENDED} ended by {ENDERS} clients");
    table.ratio(what, median(ratios), Goal::AtMost(1.3), seen.clone());
    table.millis(format!("p99 of DELETE at few sessions, {engine}"), few, Goal::AtMost(20.0), seen.clone());
    table.millis(format!("p99 of DELETE at many, {engine}"), much, Goal::AtMost(20.0), seen);
    Ok(())
}

/// A third of what there is to end: the times, in order.
fn end(place: &Place, round: usize) -> Result<Vec<Duration>> {
    let share = ENDED / ROUNDS;
    let tokens = place.more.iter().skip(round * share).take(share).collect::<Vec<_>>();
    let took = on_threads(ENDERS, |thread| {
        let mut client = Client::new(place.server.address);
        let mine = tokens.iter().skip(thread as usize).step_by(ENDERS as usize);
        let end = |token: &&String| {
            let answer = client.ask(&log_out(token))?;
            if answer.status != 200 {
                bail!("a session did not end: {answer}");
            }
            Ok(answer.took)
        };
        mine.map(end).collect::<Result<Vec<_>>>()
    })?;
    let mut took: Vec<_> = took.into_iter().flatten().collect();
    took.sort();
    Ok(took)
}

/// Milliseconds, of times in order.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}

fn place(setup: &BenchSetup, engine: Engine, sessions: u64) -> Result<(Place, f64)> {
    let site = Site::new(&setup.bed, engine)?;
    site.operate(&["migrate"], "")?;
    let seconds = bulk::insert(&setup.bed, &site, engine, sessions, SessionKind::Kept)?;
    let server = setup.start(&site, &[])?;
    let uncached = setup.start(&site, &CACHE_OFF)?;
    let users = TestUsers::register(&server, "s", USERS)?;
    let more = users.log_in_again(&server, SESSIONS_EACH - 1)?;
    Ok((Place { site, server, uncached, users, more }, seconds))
}

impl Place {
    fn searcher(&self, sessions: u64) -> Result<Searcher<'_>> {
        Searcher::set_up(&self.site, &self.server, sessions)
    }

    /// Ends the servers, and gives the space back.
    fn forget(self, setup: &BenchSetup) -> Result<()> {
        let Self { site, server, uncached, .. } = self;
        server.kill()?;
        uncached.kill()?;
        site.remove(&setup.bed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_times_in_order() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 99), percentile(&times, 100)), (101.0, 199.0, 200.0));
        assert!(percentile(&[], 50).is_nan());
    }
}
