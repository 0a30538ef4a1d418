//! `GET /staff`: the box, and what is newest.

use maud::{Markup, html};
use thunderhead_domain::audit::{AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::failed_login::{FailedLogins, LoginTarget};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{PageStart, SessionFilter};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::brief_table;
use crate::pages::staff::audit::records::UserNames;
use crate::pages::staff::places::{StaffPlace, address_link, search_box, session_table, show as show_page, user_table};
use crate::pages::words::time;

/// How much of each is shown.
const NEWEST: u32 = 10;

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let (auth, now) = (call.auth(), call.auth().clock().now());
    let users = auth.search.newest_accounts(&staff, NEWEST).await?;
    let sessions = auth.sessions.all(&staff).list(SessionFilter::default(), PageStart::Skip(0), NEWEST).await?;
    let counted = auth.search.failed_logins(&staff, NEWEST).await?;
    let filter = AuditFilter { kind: Some(AuditKind::LoginsFailed), ..AuditFilter::default() };
    let recorded = auth.search.records(&staff, filter, None, NEWEST).await?.items;
    let targets = counted.iter().filter_map(FailedLogins::user).chain(recorded.iter().filter_map(|record| record.user));
    let names = UserNames::of(&call, &staff, targets).await?;
    let main = html! {
        h1 { "Staff" }
        (search_box(""))
        h2 { "Newest sessions" }
        (session_table("Newest sessions", &sessions, now))
        h2 { "Failed logins" }
        @if counted.is_empty() && recorded.is_empty() {
            p.empty { "No login has failed lately. Wrong passwords and codes are counted here, for each account and address." }
        } @else {
            (failures(&counted, &recorded, &names, now))
            p { a href="/staff/audit?kind=logins-failed" { "All failed logins" } }
        }
        h2 { "Newest users" }
        (user_table("Newest users", &users, now))
    };
    Ok(show_page(&call, &staff, StaffPlace::Search, "Staff", &main))
}

/// Those of the last minutes, and then those that the audit trail has.
fn failures(counted: &[FailedLogins], recorded: &[AuditRecord], names: &UserNames, now: Timestamp) -> Markup {
    let account = |user: Option<UserId>, otherwise: &str| {
        html! {
            @match user { Some(user) => (names.link(user)), None => (otherwise) }
        }
    };
    let of_count = |failed: &FailedLogins| {
        let otherwise = match failed.attempts.target {
            LoginTarget::Account(_) | LoginTarget::UnknownName => "names that nobody has",
            LoginTarget::Others => "several",
        };
        vec![
            account(failed.user(), otherwise),
            address_link(failed.attempts.address),
            html! { (failed.detail()) },
            time(failed.last_at, now),
        ]
    };
    let of_record = |record: &AuditRecord| {
        vec![
            account(record.user, "names that nobody has"),
            address_link(record.action.client_ip),
            html! { (record.detail.as_deref().unwrap_or_default()) },
            time(record.action.at, now),
        ]
    };
    let rows: Vec<_> = counted.iter().map(of_count).chain(recorded.iter().map(of_record)).collect();
    brief_table("Failed logins", &["Account", "From", "What", "When"], &rows)
}
