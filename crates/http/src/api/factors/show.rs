//! `GET /users/me/2fa/{fid}` and `GET /users/{uid}/2fa/{fid}`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::factor::{Factor, FactorId};

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::factors::factor_id;
use crate::api::path::user_id;
use crate::api::wire::FactorBody;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let id = factor_id(&call).ok_or(ApiError::InvalidSecondFactor)?;
    answer(&call.auth().factors.own(&principal).show(id).await?)
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    // An unknown user is told before an unknown factor.
    let id = factor_id(&call).unwrap_or(FactorId::NONE);
    answer(&call.auth().factors.of_user(&staff, user_id(&call)?).await?.show(id).await?)
}

fn answer(factor: &Factor) -> ApiResult {
    Ok(HttpResponse::Ok().json(FactorBody::from(factor)))
}
