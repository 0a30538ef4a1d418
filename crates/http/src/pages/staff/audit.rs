//! `GET /staff/audit`: who did what to whom, when, from where and why.

pub(super) mod csv;
mod query;
pub(super) mod records;

use actix_web::http::StatusCode;
use maud::{Markup, html};
use thunderhead_domain::audit::{AuditCursor, AuditKind};
use thunderhead_domain::authorization::StaffPrincipal;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::staff::audit::query::AuditQuery;
use crate::pages::staff::audit::records::UserNames;
use crate::pages::staff::places::{StaffPlace, show_with};
use crate::pages::staff::words;

/// How many records are on a page.
const MOST: u32 = 100;

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let query = AuditQuery::read(&call, &staff).await?;
    let Ok(filter) = query.filter else {
        let main = html! { h1 { "Audit trail" } (form(&query)) };
        return Ok(show_with(StatusCode::BAD_REQUEST, &call, &staff, StaffPlace::Audit, "Audit trail", &main));
    };
    let page = call.auth().search.records(&staff, filter, query.after, MOST).await?;
    let names = UserNames::of_records(&call, &staff, &page.items).await?;
    let main = html! {
        h1 { "Audit trail" }
        (form(&query))
        @if page.items.is_empty() {
            p.empty {
                @if page.next.is_some() { "Nothing of this is among the records that were looked through so far." }
                @else { "There is no such record" @if query.after.is_some() { " any further back" } ". Whatever changes an account, a session or a switch leaves one." }
            }
        } @else {
            (records::table("Records", &page.items, &names, call.auth().clock().now()))
        }
        (pager(&query, page.next))
    };
    Ok(show_with(StatusCode::OK, &call, &staff, StaffPlace::Audit, "Audit trail", &main))
}

fn pager(query: &AuditQuery, next: Option<AuditCursor>) -> Markup {
    html! {
        p.pager {
            @if query.after.is_some() { a href={ "/staff/audit?" (query.text(None)) } { "Newest" } }
            @if next.is_some() { a rel="next" href={ "/staff/audit?" (query.text(next)) } { "Older records" } }
            a href={ "/staff/audit.csv?" (query.text(None)) } download { "All of these as CSV (at most 100,000)" }
        }
    }
}

fn form(query: &AuditQuery) -> Markup {
    let field = |name: &str, label: &str, kind: &str, hint: &str| {
        let error = query.error(name);
        let (error_id, hint_id) = (format!("{name}-error"), format!("{name}-hint"));
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) type=(kind) value=(query.asked(name)) autocomplete="off" autocapitalize="none"
                    spellcheck="false" aria-describedby=(if error.is_some() { &error_id } else { &hint_id })
                    aria-invalid=[error.map(|_| "true")] autofocus[error.is_some()];
                @match error {
                    Some(error) => p.error id=(error_id) { (error) },
                    None => p.hint id=(hint_id) { (hint) },
                }
            }
        }
    };
    html! {
        form.filters method="get" action="/staff/audit" {
            (field("user", "Done to", "text", "Name, id, uuid or e-mail address"))
            (field("by", "Done by", "text", "The same, or command-line, or stranger"))
            div.field {
                label for="kind" { "What" }
                select id="kind" name="kind" aria-describedby=[query.error("kind").map(|_| "kind-error")]
                    aria-invalid=[query.error("kind").map(|_| "true")] {
                    option value="" { "Anything" }
                    @for (kind, name) in AuditKind::TABLE {
                        option value=(name) selected[query.asked("kind") == name] { (words::kind(kind)) }
                    }
                }
                @if let Some(error) = query.error("kind") { p.error #kind-error { (error) } }
            }
            (field("address", "From the address", "text", "IPv4 or IPv6"))
            (field("from", "At or after", "text", "UTC: 2026-01-31 or 2026-01-31T12:00"))
            (field("to", "Before", "text", "UTC, in the same form"))
            div.row { button { "Show" } a.button.plain href="/staff/audit" { "Clear" } }
        }
    }
}
