//! `GET /staff/status`: how it stands with the replica that answers.

use maud::{Markup, html};
use thunderhead_auth::status::{CacheStatus, KeyStatus};
use thunderhead_auth::tokens::keys::KeyUse;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::PoolStatus;
use thunderhead_domain::time::Timestamp;

use crate::access::call::Call;
use crate::pages::error::PageResult;
use crate::pages::layout::table;
use crate::pages::staff::places::{StaffPlace, show as show_page};
use crate::pages::words::{time, time_or};

pub(super) async fn show(staff: StaffPrincipal, call: Call) -> PageResult {
    let status = call.auth().status(&staff).await?;
    let pool = |pool: &PoolStatus| {
        vec![
            html! { span.name.mono { (pool.name) } },
            html! { (pool.busy) },
            html! { (pool.open) },
            html! { (pool.most) },
        ]
    };
    let key = |key: &KeyStatus| {
        vec![html! { span.mono { (key.kid) } }, html! { (key_use(key.purpose)) }, time(key.created_at, status.now)]
    };
    let main = html! {
        h1 { "Status" }
        p { "Of the replica that answered this request. Others may say otherwise." }
        dl.facts {
            dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) }
            dt { "Database" } dd { (status.storage.engine) }
            dt { "Time here" } dd.mono { (status.now) }
            (cache(status.cache, status.now))
        }
        h2 { "Connections to the database" }
        (table("Connections", &["Pool", "In use", "Open", "At most"], &status.storage.pools.iter().map(pool).collect::<Vec<_>>()))
        h2 { "Signing keys" }
        (table("Signing keys", &["Key", "What it does", "Made"], &status.keys.iter().map(key).collect::<Vec<_>>()))
    };
    Ok(show_page(&call, &staff, StaffPlace::Status, "Status", &main))
}

const fn key_use(purpose: KeyUse) -> &'static str {
    match purpose {
        KeyUse::Next => "signs soon",
        KeyUse::Signs => "signs",
        KeyUse::Verifies => "verifies older tokens",
    }
}

fn cache(cache: Option<CacheStatus>, now: Timestamp) -> Markup {
    let Some(cache) = cache else {
        return html! { dt { "Cached sessions" } dd { "none: every session is read anew" } };
    };
    html! {
        dt { "Cached sessions" }
        dd { (cache.sessions) ", in " (kibibytes(cache.bytes)) " of " (kibibytes(cache.most_bytes)) }
        dt { "Freshness" }
        dd {
            "changes asked for " (time_or(cache.asked_at, now, "never"))
            @match cache.max_staleness_millis {
                0 => ", for every request",
                millis => { ", and for " (millis) " ms an answer holds" },
            }
        }
        dt { "Changes known" } dd.mono { (cache.latest.changes()) }
    }
}

fn kibibytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1_024)),
        _ => format!("{} MiB", bytes.div_ceil(1_048_576)),
    }
}
