//! `GET /staff/sessions`: everybody's sessions, narrowed by user, address, state, way in and moment.

use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::SessionCursor;
use thunderhead_domain::session::{Dialect, SessionStatus};

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::staff::filters::FilterField;
use crate::pages::staff::places::{StaffPlace, session_table, show_with};
use crate::pages::staff::words;
use crate::pages::words::dialect;
use crate::session_query::SessionQuery;

/// How many sessions are on a page.
const MOST: u32 = 50;
const TITLE: &str = "Sessions";
const MOMENT: &str = "Write it like 2026-01-31 or 2026-01-31T12:00.";

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let mut query = SessionQuery::read(&call, &staff).await?;
    // A place that is none counts as absent.
    query.wrong.retain(|name| *name != "cursor");
    if query.user_is_unknown {
        query.wrong.push("user");
    }
    if !query.wrong.is_empty() {
        let main = html! { h1 { (TITLE) } (form(&query)) };
        return Ok(show_with(StatusCode::BAD_REQUEST, &call, &staff, StaffPlace::Sessions, TITLE, &main));
    }
    let page = call.auth().search.sessions(&staff, query.search, query.after, MOST).await?;
    let main = html! {
        h1 { (TITLE) }
        (form(&query))
        @if page.items.is_empty() {
            p.empty {
                @if page.next.is_some() { "No such session is among those that were looked through so far." }
                @else { "There is no such session" @if query.after.is_some() { " any further back" } ". One is kept for some time after it is over." }
            }
        } @else {
            (session_table(TITLE, &page.items, call.auth().clock().now()))
        }
        (pager(&query, page.next))
    };
    Ok(show_with(StatusCode::OK, &call, &staff, StaffPlace::Sessions, TITLE, &main))
}

fn pager(query: &SessionQuery, next: Option<SessionCursor>) -> Markup {
    html! {
        @if query.after.is_some() || next.is_some() {
            p.pager {
                @if query.after.is_some() { a href={ "/staff/sessions?" (query.text(None)) } { "Newest" } }
                @if next.is_some() { a rel="next" href={ "/staff/sessions?" (query.text(next)) } { "Older sessions" } }
            }
        }
    }
}

fn form(query: &SessionQuery) -> Markup {
    let filter = |name, label, wrong| {
        let error = query.wrong.contains(&name).then_some(wrong);
        FilterField { name, label, asked: query.asked(name), error }
    };
    let states = SessionStatus::TABLE.map(|(status, name)| (name, words::status(status)));
    let dialects = Dialect::TABLE.map(|(way, name)| (name, dialect(way)));
    html! {
        form.filters method="get" action="/staff/sessions" {
            (filter("user", "Of", "Nobody has this name.").text("Name, id, uuid or e-mail address"))
            (filter("ip", "From the address", "This is no IP address.").text("IPv4 or IPv6"))
            (filter("state", "State", "There is no such state.").choice(states))
            (filter("dialect", "Signed in by", "There is no such way in.").choice(dialects))
            (filter("after", "Signed in at or after", MOMENT).text("UTC: 2026-01-31 or 2026-01-31T12:00"))
            (filter("before", "Signed in before", MOMENT).text("UTC, in the same form"))
            div.row { button { "Show" } a.button.plain href="/staff/sessions" { "Clear" } }
        }
    }
}
