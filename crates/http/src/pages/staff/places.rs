//! What the pages of staff have around them and in common: the places that they lead to, the search box, users and
//! sessions as they stand in tables.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_domain::authorization::{AuthenticatedSession, StaffPrincipal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::session::{Grant, Session, SessionStatus};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;

use crate::access::call::Call;
use crate::pages::error::PageError;
use crate::pages::layout::{HtmlPage, Section, table};
use crate::pages::staff::words;
use crate::pages::words::{dialect, time, time_or};

/// Where a page of staff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StaffPlace {
    Search,
    Sessions,
    Audit,
    Switches,
    Services,
    Webhooks,
    Status,
}

impl StaffPlace {
    const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Search, "/staff", "Search"),
        (Self::Sessions, "/staff/sessions", "Sessions"),
        (Self::Audit, "/staff/audit", "Audit trail"),
        (Self::Switches, "/staff/switches", "Kill switches"),
        (Self::Services, "/staff/services", "Services"),
        (Self::Webhooks, "/staff/webhooks", "Webhooks"),
        (Self::Status, "/staff/status", "Status"),
    ];
}

/// Shows a page of staff.
pub(super) fn show(call: &Call, staff: &StaffPrincipal, here: StaffPlace, title: &str, main: &Markup) -> HttpResponse {
    show_with(StatusCode::OK, call, staff, here, title, main)
}

pub(super) fn show_with(
    status: StatusCode,
    call: &Call,
    staff: &StaffPrincipal,
    here: StaffPlace,
    title: &str,
    main: &Markup,
) -> HttpResponse {
    let main = html! {
        nav.places aria-label="Staff" {
            ul {
                @for (place, path, name) in StaffPlace::ALL {
                    li { a href=(path) aria-current=[(place == here).then_some("page")] { (name) } }
                }
            }
        }
        (main)
    };
    HtmlPage::of(call, staff.principal(), Section::Staff, title).status(status).show(&main)
}

/// The one box. It is sent as a form: what looks like a secret stays out of addresses, everything else is led on to one.
pub(super) fn search_box(asked: &str) -> Markup {
    html! {
        form.box method="post" action="/staff/search" role="search" {
            label for="q" { "Find a user or a session" }
            div.row {
                input type="search" id="q" name="q" value=[(!asked.is_empty()).then_some(asked)] autocomplete="off"
                    autocapitalize="none" spellcheck="false" maxlength="2048" required aria-describedby="q-hint";
                button { "Search" }
            }
            p.hint id="q-hint" {
                    "An id or uuid, the beginning of a user name, an e-mail address, a client’s IP address, or a token."
            }
        }
    }
}

/// The user that a path names.
pub(super) fn user_id(call: &Call) -> Result<UserId, PageError> {
    call.path("uid").parse().map_err(|_| PageError::NotFound)
}

pub(super) fn user_link(user: &User) -> Markup {
    html! { a.name href=(user_path(user.id)) { (user.username) } }
}

pub(super) fn user_path(user: UserId) -> String {
    format!("/staff/users/{user}")
}

/// What is out of the ordinary with a user.
pub(super) fn user_tags(user: &User) -> Markup {
    html! {
        @if user.staff { " " span.tag.on { "staff" } }
        @if user.banned_at.is_some() { " " span.tag.off { "banned" } }
        @if user.staff && !user.has_second_factor { " " span.tag.off { "no second factor" } }
    }
}

pub(super) fn user_table(caption: &str, users: &[User], now: Timestamp) -> Markup {
    let row = |user: &User| {
        vec![
            html! { (user_link(user)) (user_tags(user)) },
            html! { span.mono { (user.id) } },
            html! { @if user.verified_at.is_some() { "verified" } @else { "not verified" } },
            time(user.created_at, now),
        ]
    };
    table(caption, &["User", "Id", "Address", "Made"], &users.iter().map(row).collect::<Vec<_>>())
}

/// How it stands with a session.
pub(super) fn session_state(found: &AuthenticatedSession, now: Timestamp) -> Markup {
    let session = &found.session;
    match session.status(now) {
        SessionStatus::Live if found.user.banned_at.is_some() => html! { span.tag.off { "user banned" } },
        SessionStatus::Live => html! { span.tag.on { (words::status(SessionStatus::Live)) } },
        pending @ SessionStatus::SecondFactorPending => html! { span.tag { (words::status(pending)) } },
        expired @ SessionStatus::Expired if !session.bounds.cut => {
            html! { span.tag { (words::status(expired)) } " " (time(session.expires_at, now)) }
        }
        SessionStatus::Expired | SessionStatus::Ended => html! {
            span.tag.off { "ended" }
            @if let Some(end) = session.end(now) { " " (time(end.at, now)) small { (words::end(end)) } }
        },
    }
}

/// Leads to what is known of a client address.
pub(super) fn address_link(address: Option<IpAddr>) -> Markup {
    html! {
        @match address { Some(address) => a.keep href={ "/staff/search?q=" (address) } { (address) }, None => "–" }
    }
}

/// Whether there is anything to be ended.
pub(super) fn can_be_ended(found: &AuthenticatedSession, now: Timestamp) -> bool {
    matches!(found.session.status(now), SessionStatus::Live | SessionStatus::SecondFactorPending)
}

/// What a session is: for a person, or for a program.
pub(super) fn session_kind(session: &Session) -> Markup {
    match session.grant {
        Grant::Full => html! { "full, by " (dialect(session.origin.dialect)) },
        Grant::Scoped(scopes) => html! { "token: " (words::scopes(scopes)) },
    }
}

/// Sessions with their users.
pub(super) fn session_table(caption: &str, sessions: &[AuthenticatedSession], now: Timestamp) -> Markup {
    let row = |found: &AuthenticatedSession| {
        let AuthenticatedSession { session, user } = found;
        let mut row = session_cells(found, now);
        row.insert(1, html! { (user_link(user)) (user_tags(user)) });
        row.push(end_link(session, can_be_ended(found, now)));
        row
    };
    let columns = ["Session", "User", "From", "Signed in", "Last used", "State", ""];
    table(caption, &columns, &sessions.iter().map(row).collect::<Vec<_>>())
}

/// What all tables of sessions say of one.
pub(super) fn session_cells(found: &AuthenticatedSession, now: Timestamp) -> Vec<Markup> {
    let session = &found.session;
    vec![
        html! {
            a.name href={ "/staff/search?q=" (session.uuid) } { (session.name.as_str()) } small { (session_kind(session)) }
        },
        address_link(session.origin.client_ip),
        time(session.created_at, now),
        time_or(session.used_at, now, "never"),
        session_state(found, now),
    ]
}

/// Leads to the page that asks whether a session is to be ended.
pub(super) fn end_link(session: &Session, can_be_ended: bool) -> Markup {
    html! {
        @if can_be_ended {
            a.button.danger.small href={ "/staff/sessions/" (session.uuid) "/end" } {
                "End" span.sr { " the session " (session.name.as_str()) }
            }
        }
    }
}
