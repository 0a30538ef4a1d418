//! `GET /staff/users/{uid}`: all that staff see of a user, and what they can do.

use maud::{Markup, html};
use thunderhead_domain::audit::AuditFilter;
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::factor::Factor;
use thunderhead_domain::ports::{PageStart, SessionCursor, SessionFilter};
use thunderhead_domain::session::Grant;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::table;
use crate::pages::staff::act::Act;
use crate::pages::staff::audit::records::{self, UserNames};
use crate::pages::staff::places::{
    StaffPlace, can_be_ended, end_link, session_cells, show as show_page, user_id, user_path, user_tags,
};
use crate::pages::staff::query_string;
use crate::pages::words::{factor_kind, time, time_or};

/// How many live sessions are on a page.
const MOST_SESSIONS: u32 = 50;
/// How many records.
const MOST_RECORDS: u32 = 20;

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let (auth, now) = (call.auth(), call.auth().clock().now());
    let id = user_id(&call)?;
    let user = auth.accounts.show(&staff, id).await?;
    let filter = SessionFilter { user: Some(id), active: Some(true), ..SessionFilter::default() };
    let start = call.query("before").and_then(|text| text.parse().ok()).map_or(PageStart::Skip(0), PageStart::After);
    let sessions = auth.sessions.all(&staff).list(filter, start, MOST_SESSIONS).await?;
    let factors = if user.has_second_factor { auth.factors.of_found(&staff, &user).all().await? } else { Vec::new() };
    let of_user = AuditFilter { user: Some(id), ..AuditFilter::default() };
    let trail = auth.search.records(&staff, of_user, None, MOST_RECORDS).await?.items;
    let names = UserNames::of_records_beside(&call, &staff, &trail, &user).await?;
    let main = html! {
        h1 { (user.username) (user_tags(&user)) }
        (facts(&user, now))
        (acts(&staff, &user))
        h2 { "Live sessions" }
        (sessions_of(&user, &sessions, now))
        p { a href={ "/staff/sessions?" (query_string(&[("user", &id.to_string())])) } { "All sessions, also those that are over" } }
        h2 { "Second factors" }
        (factors_of(&factors, now))
        h2 { "What happened" }
        (records::table("What happened", &trail, &names, now))
        p { a href={ "/staff/audit?" (query_string(&[("user", &id.to_string())])) } { "All of the audit trail" } }
    };
    Ok(show_page(&call, &staff, StaffPlace::Search, user.username.as_str(), &main))
}

fn facts(user: &User, now: Timestamp) -> Markup {
    html! {
        dl.facts {
            dt { "Id" } dd.mono { (user.id) }
            dt { "Identity" } dd.mono { (user.uuid) }
            dt { "E-mail address" } dd { (user.email.as_str()) }
            dt { "Address verified" } dd { (time_or(user.verified_at, now, "no")) }
            @if !user.has_password { dt { "Password" } dd { "none" } }
            dt { "Second factor" } dd { @if user.has_second_factor { "yes" } @else { "no" } }
            dt { "Banned" } dd { (time_or(user.banned_at, now, "no")) }
            dt { "Made" } dd { (time(user.created_at, now)) }
            dt { "Changed" } dd { (time(user.updated_at, now)) }
        }
    }
}

fn acts(staff: &StaffPrincipal, user: &User) -> Markup {
    html! {
        div.row {
            @for act in Act::ALL.into_iter().filter(|act| act.is_for(staff, user)) {
                @let class = if act.is_harmful() { "danger" } else { "plain" };
                a.button.small.(class) href={ (user_path(user.id)) "/" (act.name()) } { (act.label()) }
            }
            a.button.small.danger href={ (user_path(user.id)) "/end-sessions" } { "End all sessions" }
        }
    }
}

fn sessions_of(user: &User, sessions: &[AuthenticatedSession], now: Timestamp) -> Markup {
    if sessions.is_empty() {
        return html! { p.empty { "No session is live. One begins when " (user.username) " signs in." } };
    }
    let row = |found: &AuthenticatedSession| {
        let mut row = session_cells(found, now);
        row.push(end_link(&found.session, can_be_ended(found, now)));
        row
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let more = sessions.last().filter(|_| sessions.len() == MOST_SESSIONS as usize);
    html! {
        (table("Live sessions", &["Session", "From", "Signed in", "Last used", "State", ""], &rows))
        @if let Some(last) = more {
            @let place = SessionCursor::from(&last.session).to_string();
            p.pager { a rel="next" href={ (user_path(user.id)) "?" (query_string(&[("before", &place)])) } { "Older sessions" } }
        }
        @if sessions.iter().any(|found| matches!(found.session.grant, Grant::Scoped(_))) {
            p.hint { "A token is a session for a program; it ends like any other." }
        }
    }
}

fn factors_of(factors: &[Factor], now: Timestamp) -> Markup {
    if factors.is_empty() {
        return html! { p.empty { "There is none. Users add them to their own accounts." } };
    }
    let row = |factor: &Factor| {
        vec![
            html! { span.name { (factor.name.as_str()) } },
            html! { (factor_kind(factor)) },
            time(factor.created_at, now),
            time_or(factor.used_at, now, "never"),
        ]
    };
    table("Second factors", &["Name", "Kind", "Added", "Last used"], &factors.iter().map(row).collect::<Vec<_>>())
}
