//! The kill-switch endpoints.

pub(crate) mod docs;

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use thunderhead_auth::changes::target::System;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::identity::only_identity;
use crate::api::path::switch;
use crate::api::wire::{ListBody, Listed};
use crate::wire::{KillSwitchId, value_schemas};

value_schemas! {
    SwitchName: {"enum": KillSwitch::TABLE.map(|(_, name)| name)};
}

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "KillSwitch", example = Self::of(KillSwitch::AccountLogin, true))]
pub(crate) struct SwitchBody {
    #[schemars(with = "KillSwitchId")]
    id: u8,
    #[schemars(with = "SwitchName")]
    name: &'static str,
    /// Whether it is on, so that what it stands for is shut.
    state: bool,
}

impl SwitchBody {
    const fn of(switch: KillSwitch, state: bool) -> Self {
        Self { id: switch.id(), name: switch.name(), state }
    }
}

impl Listed for SwitchBody {
    const LIST: &'static str = "KillSwitchList";

    fn example() -> Option<Value> {
        Some(json!(list_of(|switch| switch == KillSwitch::AccountLogin)))
    }
}

/// `GET /killswitches`.
pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    answer(call.auth().switches.list(&staff).await?)
}

/// `PUT /killswitches/{id}`.
pub(crate) async fn on(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, true).await
}

/// `DELETE /killswitches/{id}`.
pub(crate) async fn off(staff: StaffPrincipal, call: Call) -> ApiResult {
    set(staff, call, false).await
}

/// `DELETE /killswitches`.
pub(crate) async fn all_off(staff: StaffPrincipal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &staff).await?;
    answer(call.auth().switches.clear(reverified.of(System)).await?)
}

async fn set(staff: StaffPrincipal, call: Call, on: bool) -> ApiResult {
    let reverified = only_identity(&call, &staff).await?;
    let switch = match switch(&call) {
        Ok(switch) => switch,
        Err(unknown) => {
            call.auth().reverification.withdraw(reverified).await?;
            return Err(unknown);
        }
    };
    answer(call.auth().switches.set(reverified.of(System), switch, on).await?)
}

fn answer(switches: SwitchSet) -> ApiResult {
    Ok(HttpResponse::Ok().json(list_of(|switch| switches.is_on(switch))))
}

fn list_of(is_on: impl Fn(KillSwitch) -> bool) -> ListBody<SwitchBody> {
    let items: Vec<_> =
        KillSwitch::TABLE.into_iter().map(|(switch, _)| SwitchBody::of(switch, is_on(switch))).collect();
    ListBody { count: items.len() as u64, items }
}
