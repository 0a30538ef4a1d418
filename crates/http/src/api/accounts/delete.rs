//! `DELETE /users/me`, `DELETE /users/{uid}` and `DELETE /users`: those that `ids` names.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_auth::accounts::staff::OtherUser;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::UserId;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::identity::{identity_last, only_identity};
use crate::api::ids::ids;
use crate::api::path::user_or_nobody;
use crate::api::wire::Deleted;
use crate::request::body::integer;

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    call.auth().account_delete(&principal, reverified).await?;
    Ok(HttpResponse::Ok().json(Deleted::user()))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call))?;
    let reverified = only_identity(&call, staff.principal()).await?;
    call.auth().staff_account_delete(&staff, reverified, other).await?;
    Ok(HttpResponse::Ok().json(Deleted::user()))
}

pub(crate) async fn some(staff: StaffPrincipal, call: Call) -> ApiResult {
    let mut fields = call.fields().await?;
    let users = ids(&mut fields, id)?;
    let shown = identity_last(staff.principal(), &mut fields)?;
    let others: Vec<_> = users.into_iter().map(|user| OtherUser::than(&staff, user)).collect::<Result<_, _>>()?;
    let reverified = shown.verify(&call, staff.principal()).await?;
    let count = call.auth().staff_account_delete_some(&staff, reverified, &others).await?;
    Ok(HttpResponse::Ok().json(Deleted::users(count)))
}

fn id(value: &Value) -> Option<UserId> {
    match value.as_str() {
        Some(text) => text.parse().ok(),
        None => integer(value).map(UserId::from_number),
    }
}
