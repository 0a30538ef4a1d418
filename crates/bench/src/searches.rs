//! What staff search for, over few sessions and users and over very many: by each filter.

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::bulk::{self, DIALECTS};
use crate::contest::{Contestant, LoadTarget, hold};
use crate::table::{Goal, Table};
use crate::wrk::{WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, totp_code};

const STAFF: &str = "searcher";
/// So many users are searched for in turn, each by what they alone have.
const PICKED: u64 = 200;
/// A search takes longer than a check, so that fewer of them tell.
const SECONDS: u32 = 2;

/// Somebody who searches, and what of.
pub(crate) struct Searcher<'a> {
    site: &'a Site,
    server: &'a Server,
    token: String,
    /// Users, each with all that staff may know of them.
    picked: Vec<Known>,
}

struct Known {
    id: String,
    uuid: String,
    name: String,
    /// Where, and when, a session of theirs was made.
    ip: String,
    made: String,
}

/// Each kind of search, and what it asks for.
type Search = (&'static str, fn(&Known, usize) -> String);

const SEARCHES: [Search; 17] = [
    ("sessions, newest", |_, _| "staff/sessions?".to_owned()),
    ("sessions by a user's name", |known, _| format!("staff/sessions?user={}", known.name)),
    ("sessions by a user's uuid", |known, _| format!("staff/sessions?user={}", known.uuid)),
    ("sessions by address", |known, _| format!("staff/sessions?ip={}", known.ip)),
    ("sessions before a moment", |known, _| format!("staff/sessions?before={}", known.made)),
    ("sessions after a moment", |known, _| format!("staff/sessions?after={}", known.made)),
    ("sessions by dialect", |_, number| format!("staff/sessions?dialect={}", DIALECTS[number % DIALECTS.len()])),
    ("live sessions", |_, _| "staff/sessions?state=live".to_owned()),
    ("ended sessions", |_, _| "staff/sessions?state=ended".to_owned()),
    ("sessions whose second factor is pending", |_, _| "staff/sessions?state=second_factor_pending".to_owned()),
    // There are none: it looks at as many as one page may.
    ("expired sessions", |_, _| "staff/sessions?state=expired".to_owned()),
    ("live sessions of a user before a moment", |known, _| {
        format!("staff/sessions?user={}&state=live&before={}", known.name, known.made)
    }),
    ("users by id", |known, _| format!("users?q={}", known.id)),
    ("users by uuid", |known, _| format!("users?q={}", known.uuid)),
    ("users by e-mail address", |known, _| format!("users?q={}@example.org", known.name)),
    ("users by a whole name", |_, _| format!("users?q={STAFF}")),
    // More than are counted.
    ("users by the beginning of a name", |_, _| "users?q=bulk".to_owned()),
];

impl<'a> Searcher<'a> {
    /// Makes somebody who is staff and has a second factor, and picks users from among so many.
    pub(crate) fn set_up(site: &'a Site, server: &'a Server, sessions: u64) -> Result<Self> {
        let address = address_of(STAFF);
        site.operate(&["user", "create", STAFF, "--email", &address, "--password-stdin", "--staff"], PASSWORD)?;
        let mut client = Client::new(server.address);
        let token = good(client.ask(&log_in(STAFF, PASSWORD))?)?.text("token");
        let post = |path: &str, body| Request::new("POST", path).token(&token).json(&body);
        let offer = good(client.ask(&post("/api/users/me/2fa/totp", json!({"password": PASSWORD})))?)?;
        let code = totp_code(&offer.text("secret"), 0)?;
        let shown = json!({"token": offer.text("token"), "name": "phone", "code": code});
        good(client.ask(&post("/api/users/me/2fa/totp/confirm", shown))?)?;
        let users = bulk::users(sessions);
        let picked = (0..PICKED.min(users)).map(|number| 1 + number * (users / PICKED.min(users)));
        let known = |number: u64| -> Result<Known> {
            let name = format!("bulk{number}");
            let get = |path: &str| Request::new("GET", path).token(&token);
            let user = good(client.ask(&get(&format!("/api/users/{number:013}")))?)?;
            let found = good(client.ask(&get(&format!("/api/staff/sessions?user={name}&limit=1")))?)?;
            let found = found.member("items");
            let session = found.get(0).with_context(|| format!("{name} has no session"))?;
            let text = |field: &str| session[field].as_str().unwrap_or_default().to_owned();
            let (ip, made) = (text("ip"), text("createdAt"));
            Ok(Known { id: user.text("id"), uuid: user.text("uuid"), name, ip, made })
        };
        let picked = picked.map(known).collect::<Result<Vec<_>>>()?;
        Ok(Self { site, server, token, picked })
    }

    fn contestant(&self, (_, path): Search) -> Result<Contestant> {
        let paths = self.picked.iter().enumerate().map(|(number, known)| format!("/api/{}", path(known, number)));
        let paths: Vec<_> = paths.collect();
        let asks = paths.iter().map(|path| WrkRequest::get(path, &self.token));
        let asks = WrkRequests::write(self.site.folder(), "searches", asks)?;
        Ok(Contestant::new(vec![LoadTarget::from(self.server)], &asks))
    }
}

/// Each search here and there in turn. `of` says what is compared.
pub(crate) fn compare(
    few: &Searcher<'_>,
    much: &Searcher<'_>,
    of: impl Fn(&str) -> String,
    table: &mut Table,
) -> Result<()> {
    let load = WrkLoad { threads: 1, connections: 4, seconds: SECONDS };
    for search in SEARCHES {
        let [few, much] = hold(&[few.contestant(search)?, much.contestant(search)?], load)?;
        let seen = format!("medians {:.2} ms, {:.2} ms", much.median(), few.median());
        table.ratio(of(&format!("time of a search: {}", search.0)), few.part_of(&much), Goal::AtMost(1.3), seen);
    }
    Ok(())
}

fn good(answer: Answer) -> Result<Answer> {
    if !matches!(answer.status, 200 | 201) {
        bail!("the search could not be prepared: {answer}");
    }
    Ok(answer)
}
