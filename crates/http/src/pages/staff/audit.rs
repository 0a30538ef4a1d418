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
use crate::pages::staff::filters::FilterField;
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
    let filter = |name, label| FilterField { name, label, asked: query.asked(name), error: query.error(name) };
    let kinds = AuditKind::TABLE.map(|(kind, name)| (name, words::kind(kind)));
    html! {
        form.filters method="get" action="/staff/audit" {
            (filter("user", "Done to").text("Name, id, uuid or e-mail address"))
            (filter("by", "Done by").text("The same, or command-line, or stranger"))
            (filter("kind", "What").choice(kinds))
            (filter("address", "From the address").text("IPv4 or IPv6"))
            (filter("from", "At or after").text("UTC: 2026-01-31 or 2026-01-31T12:00"))
            (filter("to", "Before").text("UTC, in the same form"))
            div.row { button { "Show" } a.button.plain href="/staff/audit" { "Clear" } }
        }
    }
}
