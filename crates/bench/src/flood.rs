//! Session checks while strangers try passwords.

use anyhow::{Result, bail};

use crate::BenchSetup;
use crate::checks::CHECK;
use crate::contest::{ROUNDS, median};
use crate::logins::{HASHING, log_in_bodies};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{self, WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::site::{Engine, Site};

const FLOOD: u32 = 200;
const CLIENTS: u32 = 8;
/// The flood begins before the checks and ends after them, by so many seconds each.
const MARGIN: u32 = 1;

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, engine)?;
    let server = setup.start(&site, &HASHING)?;
    let users = TestUsers::register(&server, "f", FLOOD)?;
    let check = WrkRequests::write(site.folder(), "check", users.tokens().map(|token| WrkRequest::get(CHECK, token)))?;
    let bodies = log_in_bodies(&users, "not the password");
    let wrong = bodies.iter().map(|body| WrkRequest { method: "POST", path: "/api/login", token: "", body });
    let wrong = WrkRequests::write(site.folder(), "wrong", wrong)?;
    let calm = WrkLoad { threads: 1, connections: CLIENTS, seconds: setup.seconds() };
    let storm = WrkLoad { threads: 1, connections: FLOOD, seconds: setup.seconds() + 2 * MARGIN };
    wrk::run(server.address, &check, calm)?;
    let (mut before, mut during, mut ratios, mut floods) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let own = wrk::run(server.address, &check, calm)?;
        let flood = wrk::start(server.address, &wrong, storm)?;
        thunderhead_system_tests::live::pause(std::time::Duration::from_secs(MARGIN.into()));
        let flooded = wrk::run(server.address, &check, calm)?;
        let flood = flood.finish()?;
        if flood.refused != flood.requests || flood.lost > 0 {
            bail!("of {} wrong passwords {} were refused, and {} lost", flood.requests, flood.refused, flood.lost);
        }
        before.push(own.p99);
        during.push(flooded.p99);
        ratios.push(flooded.p99 / own.p99);
        floods.push(flood.per_second);
    }
    let seen = format!(
        "{CLIENTS} clients beside {FLOOD} that send {:.0} wrong logins/s; no check was refused",
        median(floods)
    );
    let p99 = median(during);
    table.millis(format!("p99 of session checks in a flood of logins, {engine}"), p99, Goal::AtMost(25.0), seen);
    let seen = format!("{p99:.1} ms, {:.1} ms", median(before));
    table.ratio(format!("the same ÷ before the flood, {engine}"), median(ratios), Goal::AtMost(3.0), seen);
    Ok(())
}
