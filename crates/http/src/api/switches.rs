//! The kill-switch endpoints.

pub(crate) mod docs;

use actix_web::HttpResponse;
use serde::Serialize;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::switch::{KillSwitch, SwitchSet};

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::identity::only_identity;
use crate::api::path::switch;
use crate::api::wire::ListBody;

#[derive(Serialize)]
struct Item {
    id: u8,
    name: &'static str,
    state: bool,
}

/// `GET /killswitches`.
pub(crate) async fn list(staff: StaffPrincipal, call: Call) -> ApiResult {
    answer(call.auth().switch_list(&staff).await?)
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
    let reverified = only_identity(&call, staff.principal()).await?;
    answer(call.auth().switch_clear(&staff, reverified).await?)
}

async fn set(staff: StaffPrincipal, call: Call, on: bool) -> ApiResult {
    let reverified = only_identity(&call, staff.principal()).await?;
    let switch = match switch(&call) {
        Ok(switch) => switch,
        Err(unknown) => {
            call.auth().withdraw(reverified).await?;
            return Err(unknown);
        }
    };
    answer(call.auth().switch_set(&staff, reverified, switch, on).await?)
}

fn answer(switches: SwitchSet) -> ApiResult {
    let item = |(switch, name): (KillSwitch, _)| Item { id: switch.id(), name, state: switches.is_on(switch) };
    let items: Vec<_> = KillSwitch::TABLE.into_iter().map(item).collect();
    Ok(HttpResponse::Ok().json(ListBody { count: KillSwitch::TABLE.len() as u64, items }))
}
