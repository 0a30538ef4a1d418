//! `DELETE /users/me/2fa/{fid}`, `DELETE /users/me/2fa` (those that `ids` names) and `DELETE /users/me/2fa/all`; and
//! the same under `/users/{uid}/2fa`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_auth::accounts::staff::OtherUser;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::factor::{FactorChoice, FactorId};

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::factors::factor_id;
use crate::api::identity::identity_last;
use crate::api::ids::ids;
use crate::api::path::user_or_nobody;
use crate::api::wire::Deleted;
use crate::request::body::Fields;

pub(crate) async fn own_one(principal: Principal, call: Call) -> ApiResult {
    own(principal, call, one).await
}

pub(crate) async fn own_some(principal: Principal, call: Call) -> ApiResult {
    own(principal, call, some).await
}

pub(crate) async fn own_all(principal: Principal, call: Call) -> ApiResult {
    own(principal, call, all).await
}

pub(crate) async fn one_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user(staff, call, one).await
}

pub(crate) async fn some_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user(staff, call, some).await
}

pub(crate) async fn all_of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    of_user(staff, call, all).await
}

/// Reads which factors are meant.
type Choose = fn(&Call, &mut Fields) -> Result<FactorChoice, ApiError>;

fn one(call: &Call, _fields: &mut Fields) -> Result<FactorChoice, ApiError> {
    Ok(FactorChoice::One(factor_id(call).unwrap_or(FactorId::NONE)))
}

fn some(_call: &Call, fields: &mut Fields) -> Result<FactorChoice, ApiError> {
    let id = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    Ok(FactorChoice::Some(ids(fields, id)?))
}

fn all(_call: &Call, _fields: &mut Fields) -> Result<FactorChoice, ApiError> {
    Ok(FactorChoice::All)
}

async fn own(principal: Principal, call: Call, choose: Choose) -> ApiResult {
    let mut fields = call.fields().await?;
    let which = choose(&call, &mut fields)?;
    let reverified = identity_last(&principal, &mut fields)?.verify(&call, &principal).await?;
    let removed = call.auth().factor_remove(&principal, reverified, which.clone()).await?;
    Ok(answer(&which, removed))
}

async fn of_user(staff: StaffPrincipal, call: Call, choose: Choose) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call));
    let mut fields = call.fields().await?;
    let which = choose(&call, &mut fields)?;
    let shown = identity_last(staff.principal(), &mut fields)?;
    let other = other?;
    let reverified = shown.verify(&call, staff.principal()).await?;
    let removed = call.auth().staff_factor_remove(&staff, reverified, other, which.clone()).await?;
    Ok(answer(&which, removed))
}

fn answer(which: &FactorChoice, removed: u64) -> HttpResponse {
    HttpResponse::Ok().json(match which {
        FactorChoice::One(_) => Deleted::factor(),
        FactorChoice::Some(_) | FactorChoice::All => Deleted::factors(removed),
    })
}
