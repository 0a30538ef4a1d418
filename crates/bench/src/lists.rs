//! Lists of one's sessions, in either dialect that has them in pages, and beside another build of the server.

use anyhow::Result;

use crate::BenchSetup;
use crate::contest::{Contestant, LoadTarget, hold};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::site::{Engine, Server, Site};

/// The lists of the current API and of the Kratos dialect.
const LISTS: [(&str, &str); 2] = [("current API", "/api/users/me/sessions"), ("Kratos dialect", "/sessions")];
/// Users who ask, and have this many sessions each.
const USERS: u32 = 200;
const SESSIONS_EACH: u32 = 10;
const LOAD: WrkLoad = WrkLoad { threads: 1, connections: 16, seconds: 0 };

/// A server, and whoever asks it.
struct Lister {
    server: Server,
    site: Site,
    users: TestUsers,
}

impl Lister {
    fn set_up(setup: &BenchSetup, site: Site) -> Result<Self> {
        let server = setup.start(&site, &[])?;
        let users = TestUsers::register(&server, "l", USERS)?;
        users.log_in_again(&server, SESSIONS_EACH - 1)?;
        Ok(Self { server, site, users })
    }

    fn contestant(&self, path: &str) -> Result<Contestant> {
        let asks = self.users.tokens().map(|token| WrkRequest::get(path, token));
        let asks = WrkRequests::write(self.site.folder(), "lists", asks)?;
        Ok(Contestant::new(vec![LoadTarget::from(&self.server)], &asks))
    }
}

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let now = Lister::set_up(setup, Site::new(&setup.bed, engine)?)?;
    let before = match &setup.before {
        None => None,
        Some(binary) => Some(Lister::set_up(setup, Site::new(&setup.bed, engine)?.with_binary(binary))?),
    };
    let load = WrkLoad { seconds: setup.seconds(), ..LOAD };
    for (dialect, path) in LISTS {
        let what = format!("lists of ten sessions, {dialect}, {engine}");
        if let Some(before) = &before {
            let [now, before] = hold(&[now.contestant(path)?, before.contestant(path)?], load)?;
            let seen = format!(
                "{:.0}/s, {:.0}/s; processor time {:.0} µs, {:.0} µs",
                now.per_second(),
                before.per_second(),
                now.cost(),
                before.cost()
            );
            table.ratio(format!("{what} ÷ before"), now.part_of(&before), Goal::None, seen);
        } else {
            let [now] = hold(&[now.contestant(path)?], load)?;
            let seen = format!("processor time {:.0} µs, p99 {:.1} ms", now.cost(), now.p99());
            table.per_second(what, now.per_second(), seen);
        }
    }
    Ok(())
}
