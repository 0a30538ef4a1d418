//! `/staff/switches`: the doors that can be shut in an emergency.

use maud::{Markup, html};
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::switch::{KillSwitch, TurnedSwitch};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::table;
use crate::pages::staff::audit::records::UserNames;
use crate::pages::staff::places::{StaffPlace, show as show_page};
use crate::pages::staff::words;
use crate::pages::words::time;

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let turned = call.auth().switches.turned(&staff).await?;
    let by = turned.iter().filter_map(|turned| words::nobody(turned.by).ok());
    let names = UserNames::of(&call, &staff, by).await?;
    let now = call.auth().clock().now();
    let row = |(switch, name): (KillSwitch, &str)| {
        let last = turned.iter().find(|turned| turned.switch == switch);
        let on = last.is_some_and(|turned| turned.on);
        vec![
            html! { span.name.mono { (name) } small { (words::shuts(switch)) } },
            html! { @if on { span.tag.off { "shut" } } @else { span.tag.on { "open" } } },
            since(last, &names, now),
        ]
    };
    let rows: Vec<_> = KillSwitch::TABLE.into_iter().map(row).collect();
    let main = html! {
        h1 { "Kill switches" }
        p { "What is shut answers 503 from the next request on, on every replica. Staff are not stopped." }
        (table("Kill switches", &["Switch", "State", "Since"], &rows))
    };
    Ok(show_page(&call, &staff, StaffPlace::Switches, "Kill switches", &main))
}

fn since(last: Option<&TurnedSwitch>, names: &UserNames, now: Timestamp) -> Markup {
    let Some(turned) = last else { return html! { "never shut" } };
    html! {
        (time(turned.since, now))
        small {
            "by " @match words::nobody(turned.by) { Ok(user) => (names.link(user)), Err(nobody) => (nobody) }
        }
    }
}
