//! `GET /staff/webhooks`: which endpoints events are posted to, how each stands, and how far it has got. Their addresses may
//! hold secrets of the receivers', so no more than the host is shown.

use maud::{Markup, html};
use thunderhead_auth::webhooks::manage::WebhookStatus;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::webhook::{StopReason, WebhookCondition, WebhookState};

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::table;
use crate::pages::staff::places::{StaffPlace, show as show_page};
use crate::pages::words::{time, time_or};

const COLUMNS: [&str; 6] = ["Endpoint", "State", "Events", "Last delivered", "Last failure", "Still to come"];

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let webhooks = call.auth().webhooks.list_for(&staff).await?;
    let now = call.auth().clock().now();
    let rows: Vec<_> = webhooks.iter().map(|status| row(status, now)).collect();
    let main = html! {
        h1 { "Webhooks" }
        p { "Endpoints of other services that events are posted to, in order. They are added, tried and removed on the command line: " code { "thunderhead webhook" } "." }
        @if rows.is_empty() {
            p.empty { "There is no endpoint. " code { "thunderhead webhook add NAME URL" } " adds one, and gives it a secret." }
        } @else {
            (table("Webhooks", &COLUMNS, &rows))
        }
    };
    Ok(show_page(&call, &staff, StaffPlace::Webhooks, "Webhooks", &main))
}

fn row(WebhookStatus { webhook, behind }: &WebhookStatus, now: Timestamp) -> Vec<Markup> {
    let progress = &webhook.progress;
    vec![
        html! { span.name { (webhook.name) } small { (webhook.url.origin()) } },
        state(progress.state, webhook.name.as_str(), now),
        html! {
            (webhook.types.to_string().replace(',', ", "))
            @if webhook.personal { small { "with personal data" } }
        },
        time_or(progress.succeeded_at, now, "nothing yet"),
        html! {
            @match &progress.failure {
                Some(failure) => { (time(failure.at, now)) small { (failure.what) } },
                None => "none",
            }
        },
        html! {
            @match behind {
                Some(0) => "nothing",
                Some(events) => { (events) @if *events == 1 { " event" } @else { " events" } },
                None => "not known",
            }
        },
    ]
}

fn state(state: WebhookState, name: &str, now: Timestamp) -> Markup {
    let word = state.condition().name();
    html! {
        @match state.condition() {
            WebhookCondition::Delivering => span.tag.on { (word) },
            WebhookCondition::Retrying => span.tag { (word) },
            WebhookCondition::Parked | WebhookCondition::Off => span.tag.off { (word) },
        }
        @match state {
            WebhookState::Delivering => {},
            WebhookState::Retrying { attempts, next_at } => small { "attempt " (attempts.saturating_add(1)) " " (time(next_at, now)) },
            WebhookState::Stopped { at, why } => {
                " " (time(at, now))
                small { (stopped(why)) " " code { "thunderhead webhook resend " (name) } " goes on." }
            },
        }
    }
}

const fn stopped(why: StopReason) -> &'static str {
    match why {
        StopReason::Attempts => "It did not take an event in ten attempts.",
        StopReason::CursorGone => "What follows is not kept any more, or a backup was restored.",
        StopReason::Gone => "It answered that it is gone.",
    }
}
