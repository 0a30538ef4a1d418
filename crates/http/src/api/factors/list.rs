//! `GET /users/me/2fa` and `GET /users/{uid}/2fa`.

use actix_web::HttpResponse;
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::factor::{Factor, FactorId};
use thunderhead_domain::ports::Page;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::path::user_id;
use crate::api::wire::{FactorNameText, ListBody, Listed};
use crate::wire::Wire;

#[derive(JsonSchema, Serialize)]
#[schemars(rename = "SecondFactorItem")]
pub(crate) struct FactorItem<'a> {
    id: Wire<FactorId>,
    #[schemars(with = "FactorNameText")]
    name: &'a str,
}

impl Listed for FactorItem<'_> {
    const LIST: &'static str = "SecondFactorList";
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    answer(&call.auth().factors.own(&principal).list(call.page()).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    answer(&call.auth().factors.of_user(&staff, user_id(&call)?).await?.list(call.page()).await?)
}

fn answer(page: &Page<Factor>) -> ApiResult {
    let items: Vec<_> =
        page.items.iter().map(|factor| FactorItem { id: Wire(factor.id), name: factor.name.as_str() }).collect();
    Ok(HttpResponse::Ok().json(ListBody { count: page.count, items }))
}
