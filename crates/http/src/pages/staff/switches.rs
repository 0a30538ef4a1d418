//! `/staff/switches`: the doors that can be shut in an emergency.

use actix_web::http::Method;
use maud::{Markup, html};
use thunderhead_auth::changes::target::System;
use thunderhead_domain::authorization::ScopeRule::Never;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::switch::{KillSwitch, TurnedSwitch};
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::access::endpoint::Endpoint;
use crate::access::route::staff as staff_row;
use crate::pages::confirm::confirmed;
use crate::pages::docs;
use crate::pages::error::{PageError, PageResult};
use crate::pages::layout::{see_other_saying, table as layout_table};
use crate::pages::notice::Notice;
use crate::pages::staff::act::or_confirm_anew;
use crate::pages::staff::audit::records::UserNames;
use crate::pages::staff::places::{StaffPlace, show as show_page};
use crate::pages::staff::words;
use crate::pages::words::time;

pub(super) fn table() -> Vec<Endpoint> {
    let rows = |(path, on): (&'static str, bool)| {
        let ask = staff_row(Method::GET, path, Never, move |staff, call| ask(on, staff, call), docs::page);
        let turn = staff_row(Method::POST, path, Never, move |staff, call| turn(on, staff, call), docs::form);
        [ask, turn.reverified()]
    };
    [("/staff/switches/{name}/on", true), ("/staff/switches/{name}/off", false)].into_iter().flat_map(rows).collect()
}

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
            html! {
                a.button.small.(if on { "plain" } else { "danger" }) href={ "/staff/switches/" (name) (if on { "/off" } else { "/on" }) } {
                    (if on { "Open" } else { "Shut" }) span.sr { " " (name) }
                }
            },
        ]
    };
    let rows: Vec<_> = KillSwitch::TABLE.into_iter().map(row).collect();
    let main = html! {
        h1 { "Kill switches" }
        p { "What is shut answers 503 from the next request on, on every replica. Staff are not stopped." }
        (layout_table("Kill switches", &["Switch", "State", "Since", ""], &rows))
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

fn named(call: &Call) -> Result<KillSwitch, PageError> {
    let named = |(_, name): &(KillSwitch, &str)| *name == call.path("name");
    KillSwitch::TABLE.into_iter().find(named).map(|(switch, _)| switch).ok_or(PageError::NotFound)
}

async fn ask(on: bool, staff: StaffPrincipal, call: Call) -> PageResult {
    let switch = named(&call)?;
    confirmed(&call, staff.clone())?;
    let title = format!("{} {switch}", if on { "Shut" } else { "Open" });
    let main = html! {
        h1 { (if on { "Shut " } else { "Open " }) code { (switch) } }
        p { (words::shuts(switch)) }
        @if on { p { "It stays shut, through restarts too, until somebody opens it here, by the API or on the command line." } }
        div.row {
            form method="post" { button.danger[on] { (if on { "Shut it" } else { "Open it" }) } }
            a.button.plain href="/staff/switches" { "Leave it" }
        }
    };
    Ok(show_page(&call, &staff, StaffPlace::Switches, &title, &main))
}

async fn turn(on: bool, staff: StaffPrincipal, call: Call) -> PageResult {
    or_confirm_anew(&call, set(on, staff, &call).await)
}

async fn set(on: bool, staff: StaffPrincipal, call: &Call) -> PageResult {
    let switch = named(call)?;
    call.auth().switches.set(confirmed(call, staff)?.of(System), switch, on).await?;
    let notice = if on { Notice::SwitchShut } else { Notice::SwitchOpened };
    Ok(see_other_saying(call, "/staff/switches", notice))
}
