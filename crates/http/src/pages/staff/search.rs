//! `/staff/search`: one box for whatever staff have of a user or a session. Secrets are searched by a form alone, so that
//! they stand in no address, and no page says them again.

use std::net::IpAddr;

use maud::{Markup, html};
use thunderhead_auth::search::account_query::AccountQuery;
use thunderhead_auth::search::{TokenSession, may_be_secret};
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::SessionSearch;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{User, Username};
use uuid::Uuid;

use crate::access::call::Call;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::see_other;
use crate::pages::staff::places::{StaffPlace, search_box, session_table, show as show_page, user_table};
use crate::pages::staff::query_string;
use crate::pages::words::time;

/// How many of each are on a page.
const MOST: u32 = 50;
/// User names, addresses of clients and ids are no longer.
const LONGEST_PLAIN: usize = 64;

/// What was found.
#[derive(Default)]
struct Found {
    users: Vec<User>,
    /// Where the users go on.
    more_users: Option<String>,
    sessions: Vec<AuthenticatedSession>,
    /// Where the sessions go on.
    more_sessions: Option<String>,
}

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let asked = call.query("q").unwrap_or_default();
    let asked = asked.trim();
    if asked.is_empty() {
        return Ok(see_other(call.request(), "/staff"));
    }
    let found = find(&call, &staff, asked).await?;
    let main = html! {
        h1 { "Search" }
        (search_box(asked))
        (found.shown(asked, call.auth().clock().now()))
    };
    Ok(show_page(&call, &staff, StaffPlace::Search, "Search", &main))
}

pub(super) async fn submit(staff: StaffPrincipal, call: Call) -> PageResult {
    let fields = call.form().await?;
    let asked = fields.text("q").unwrap_or_default().trim();
    if asked.is_empty() {
        return Ok(see_other(call.request(), "/staff"));
    }
    if !may_be_a_secret(asked) {
        return Ok(see_other(call.request(), &format!("/staff/search?{}", query_string(&[("q", asked)]))));
    }
    let (found, now) = (call.auth().search.session_of_token(&staff, asked).await?, call.auth().clock().now());
    let main = html! {
        h1 { "Whose token this is" }
        (search_box(""))
        @match found {
            Some(TokenSession { authenticated, replaced_at }) => {
                @if let Some(at) = replaced_at {
                    div.note { p {
                        b { "This token is good for nothing any more." } " It was replaced " (time(at, now))
                        ", when its session was confirmed. The session has another."
                    } }
                }
                (session_table("The session of the token", &[authenticated], now))
            }
            None => p.empty {
                "This is no token of this server’s, or its session is so long over that nothing is known of it any more. "
                "A token is recognised by its signature: one that was changed by a letter is not."
            },
        }
    };
    Ok(show_page(&call, &staff, StaffPlace::Search, "Whose token this is", &main))
}

/// Whether a text might be a token, or another secret of ours. What is not one here may be one elsewhere: in doubt it
/// is.
fn may_be_a_secret(text: &str) -> bool {
    may_be_secret(text) || (text.len() > LONGEST_PLAIN && !text.contains('@'))
}

async fn find(call: &Call, staff: &StaffPrincipal, asked: &str) -> Result<Found, PageError> {
    let (auth, mut found) = (call.auth(), Found::default());
    let query = AccountQuery::read(asked);
    let after = call.query("after").and_then(|name| Username::existing(name).ok());
    // A page of sessions that goes on says nothing of users again.
    let before = call.query("before");
    if before.is_none() {
        let page = auth.search.accounts(staff, &query, after, MOST).await?;
        found.users = page.items;
        found.more_users = page.next.map(|name| query_string(&[("q", asked), ("after", name.as_str())]));
    }
    if let Ok(uuid) = Uuid::try_parse(asked) {
        found.sessions.extend(auth.sessions.all(staff).show(SessionUuid(uuid)).await?);
    }
    if let Ok(address) = asked.parse::<IpAddr>() {
        let search = SessionSearch { client_ip: Some(address), ..SessionSearch::default() };
        let start = before.and_then(|text| text.parse().ok());
        let page = auth.search.sessions(staff, search, start, MOST).await?;
        found.sessions = page.items;
        found.more_sessions = page.next.map(|place| query_string(&[("q", asked), ("before", &place.to_string())]));
    }
    Ok(found)
}

impl Found {
    fn shown(&self, asked: &str, now: Timestamp) -> Markup {
        html! {
            @if self.users.is_empty() && self.sessions.is_empty() {
                p.empty {
                    "Nothing was found for " b { (asked) } ". User names are found by how they begin, addresses and ids as a whole. "
                    "Who was deleted is still in the "
                    a href={ "/staff/audit?" (query_string(&[("user", asked)])) } { "audit trail" } ", by their id."
                }
            }
            @if !self.users.is_empty() {
                h2 { "Users" }
                (user_table("Users", &self.users, now))
                @if let Some(more) = &self.more_users {
                    p.pager { a rel="next" href={ "/staff/search?" (more) } { "Further users" } }
                }
            }
            @if !self.sessions.is_empty() {
                h2 { "Sessions" }
                (session_table("Sessions", &self.sessions, now))
                @if let Some(more) = &self.more_sessions {
                    p.pager { a rel="next" href={ "/staff/search?" (more) } { "Older sessions" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_stays_out_of_addresses() {
        let jwt = format!("{0}.{0}.{0}", "x".repeat(40));
        let opaque = "x1".repeat(16);
        for secret in [jwt.as_str(), opaque.as_str(), "thk_abc"] {
            assert!(may_be_a_secret(secret), "{secret}");
        }
        let address = format!("{}@example.org", "x".repeat(200));
        for plain in [
            "",
            "ada",
            "1687067614042",
            "01893dd2-2a5d-4f44-8a2c-0123456789ab",
            "2001:db8::1",
            address.as_str(),
            &"x".repeat(64),
        ] {
            assert!(!may_be_a_secret(plain), "{plain}");
        }
    }
}
