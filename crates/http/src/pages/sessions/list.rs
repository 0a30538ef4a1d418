//! `GET /account/sessions`: this session first, then the others, newest first, and those that were ended of late.

use maud::{Markup, html};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::{HtmlPage, Section, brief_table, button, table};
use crate::pages::paging::ListPage;
use crate::pages::sessions::LIST;
use crate::pages::words::{self, time, time_or};

/// How many that have ended are shown.
const ENDED: u32 = 10;

const COLUMNS: [&str; 7] = ["Session", "Address", "Proved by", "Signed in", "Last used", "Expires", ""];

pub(crate) async fn show(principal: Principal, call: Call) -> PageResult {
    let now = call.auth().clock().now();
    let (page, own) = (ListPage::asked(&call), call.auth().sessions.own(&principal));
    let mut others = own.list_full_others(page.start(), ListPage::READ).await?;
    let pager = page.cut(&mut others, LIST);
    let ended = if page.is_first() { own.recently_ended(ENDED).await? } else { Vec::new() };
    let mut rows = Vec::new();
    if page.is_first() {
        rows.push(row(principal.session(), now, true));
    }
    rows.extend(others.iter().map(|session| row(session, now, false)));
    let main = html! {
        h1 { "Where you are signed in" }
        p.soft { "What you do not know, end. It is out at once, everywhere." }
        (actions(!others.is_empty() || !page.is_first()))
        @if rows.is_empty() {
            p.empty { "There are no further sessions. Those that are opened stand on the " a href=(LIST) { "first page" } "." }
        } @else {
            (table("Live sessions", &COLUMNS, &rows))
        }
        (pager)
        @if page.is_first() { (recently_ended(&ended, &principal, now)) }
    };
    Ok(HtmlPage::of(&call, &principal, Section::Sessions, "Sessions").show(&main))
}

fn actions(has_others: bool) -> Markup {
    html! {
        div.row {
            @if has_others {
                (button("/account/sessions/end-others", "danger", &html! { "End all others" }, &[]))
            }
            (button("/account/sessions/end-all", "plain", &html! { "Sign out everywhere" }, &[]))
        }
        p.hint {
            (if has_others { "Either" } else { "It" }) " ends your " a href="/account/tokens" { "tokens for programs" } ", too."
        }
    }
}

fn row(session: &Session, now: Timestamp, is_current: bool) -> Vec<Markup> {
    let origin = &session.origin;
    vec![
        html! {
            span.name { (session.name.as_str()) }
            @if is_current { " " span.tag.on { "this session" } }
            @if session.second_factor_pending { " " span.tag { "second factor pending" } }
            @if let Some(agent) = &origin.user_agent { small.cut title=(agent) { (agent) } }
        },
        html! { @match origin.client_ip { Some(address) => { span.break { (address) } } None => { "unknown" } } },
        html! { (words::proofs(session)) small { "with " (words::dialect(origin.dialect)) } },
        time(session.created_at, now),
        time_or(session.used_at, now, if is_current { "just now" } else { "not yet" }),
        time(session.expires_at, now),
        end_button(session, is_current),
    ]
}

fn end_button(session: &Session, is_current: bool) -> Markup {
    let id = session.id.to_string();
    let words = html! {
        @if is_current { "Sign out" } @else { "End" span.sr { " " (session.name.as_str()) } }
    };
    button("/account/sessions/end", "plain small", &words, &[("id", &id)])
}

fn recently_ended(ended: &[Session], principal: &Principal, now: Timestamp) -> Markup {
    let row = |session: &Session| {
        let end = session.end(now)?;
        Some(vec![
            html! { span.name { (session.name.as_str()) } small { "signed in " (time(session.created_at, now)) } },
            time(end.at, now),
            html! { (words::actor(end.by, principal)) },
            html! { (words::end_reason(end.why)) },
        ])
    };
    let rows: Vec<_> = ended.iter().filter_map(row).collect();
    html! {
        h2 { "Recently ended" }
        @if rows.is_empty() {
            p.empty { "No session of yours was ended of late. When one is, it says here when, by whom and why." }
        } @else {
            (brief_table("Sessions that have ended", &["Session", "Ended", "By", "Why"], &rows))
        }
    }
}
