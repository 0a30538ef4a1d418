//! Opening sessions where hashing a password costs next to nothing: what is left is what the database takes.

use anyhow::Result;

use crate::BenchSetup;
use crate::contest::{ROUNDS, median};
use crate::load::{self, ClientLoad, LoadResult};
use crate::revocations::{SECONDS, beside, clients_of, ratio};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, log_in};

/// One by one, and many at once.
const CLIENTS: [u32; 2] = [1, 64];
/// Users who log in, over and over: so many that two attempts of one seldom meet.
const USERS: u32 = 512;
/// The most openings of one round.
const MOST: u64 = 100_000;

/// A server, and what was measured of it with as many clients as [`CLIENTS`] says.
struct Opener {
    server: Server,
    /// Where its database is.
    _site: Site,
    users: TestUsers,
    seen: [Vec<LoadResult>; CLIENTS.len()],
}

impl Opener {
    fn set_up(setup: &BenchSetup, site: Site) -> Result<Self> {
        let server = setup.start(&site, &[])?;
        let users = TestUsers::register(&server, "o", USERS)?;
        let opener = Self { server, _site: site, users, seen: [vec![], vec![]] };
        opener.open(ClientLoad { clients: 16, seconds: 1, most: MOST })?;
        Ok(opener)
    }

    fn open(&self, load: ClientLoad) -> Result<LoadResult> {
        let users = self.users.all();
        load::run(self.server.address, load, 201, |number| {
            let user = usize::try_from(number).ok().and_then(|number| users.get(number % users.len()));
            log_in(user.map_or("", |user| user.name.as_str()), PASSWORD)
        })
    }

    fn per_second(&self, which: usize) -> Vec<f64> {
        self.seen[which].iter().map(|seen| seen.per_second).collect()
    }
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let mut opener = Opener::set_up(setup, Site::new(&setup.bed, engine)?)?;
    let mut before = match &setup.before {
        None => None,
        Some(binary) => Some(Opener::set_up(setup, Site::new(&setup.bed, engine)?.with_binary(binary))?),
    };
    for _ in 0..ROUNDS {
        for (which, clients) in CLIENTS.into_iter().enumerate() {
            let load = ClientLoad { clients, seconds: setup.seconds().min(SECONDS), most: MOST };
            for opener in std::iter::once(&mut opener).chain(&mut before) {
                let seen = opener.open(load)?;
                opener.seen[which].push(seen);
            }
        }
    }
    for (clients, seen) in CLIENTS.into_iter().zip(&opener.seen) {
        let figure = |figure: fn(&LoadResult) -> f64| median(seen.iter().map(figure).collect());
        let told = format!("median {:.1} ms, p99 {:.1} ms", figure(|seen| seen.median), figure(|seen| seen.p99));
        let what = format!("openings by {}, {engine}", clients_of(clients));
        table.per_second(what, figure(|seen| seen.per_second), told);
    }
    let [one, many] = [0, 1].map(|which| opener.per_second(which));
    // What SQLite commits one by one, each with its own wait for the disk, it can commit together.
    let goal = if engine == Engine::Sqlite { Goal::AtLeast(4.0) } else { Goal::None };
    let what = format!("openings by 64 clients ÷ one by one, {engine}");
    table.ratio(what, ratio(&many, &one), goal, beside(&many, &one));
    if let Some(before) = &before {
        for (which, clients) in CLIENTS.into_iter().enumerate() {
            let (now, then) = (opener.per_second(which), before.per_second(which));
            let what = format!("openings by {} ÷ before, {engine}", clients_of(clients));
            table.ratio(what, ratio(&now, &then), Goal::None, beside(&now, &then));
        }
    }
    Ok(())
}
