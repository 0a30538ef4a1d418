//! `GET /staff/services`: who may ask whose token something is, and when they last did.

use maud::html;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::service::{EventAccess, Service};

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::table;
use crate::pages::staff::places::{StaffPlace, show as show_page};
use crate::pages::words::{time, time_or};

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let services = call.auth().services.list(&staff).await?;
    let now = call.auth().clock().now();
    let row = |service: &Service| {
        vec![
            html! { span.name { (service.name) } },
            html! {
                @match service.revoked_at {
                    Some(at) => { span.tag.off { "revoked" } " " (time(at, now)) },
                    None => span.tag.on { "may ask" },
                }
            },
            html! {
                @match service.events {
                    EventAccess::Denied => "no",
                    EventAccess::Plain => "yes",
                    EventAccess::Personal => "yes, with personal data",
                }
            },
            time(service.created_at, now),
            time_or(service.asked_at, now, "never"),
        ]
    };
    let main = html! {
        h1 { "Services" }
        p { "Other services that may ask whose token something is. They are made known and revoked on the command line: " code { "thunderhead service" } "." }
        @if services.is_empty() {
            p.empty { "No service is known. " code { "thunderhead service create NAME" } " makes one known, and gives it a secret." }
        } @else {
            (table("Services", &["Service", "State", "Reads events", "Made known", "Last asked"], &services.iter().map(row).collect::<Vec<_>>()))
        }
    };
    Ok(show_page(&call, &staff, StaffPlace::Services, "Services", &main))
}
