//! `DELETE /users/me`, `DELETE /users/{uid}` and `DELETE /users`: those that `ids` names.

use actix_web::HttpResponse;
use thunderhead_auth::changes::target::OtherUser;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::UserId;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::identity::{body_and_proof, only_identity};
use crate::api::ids::Ids;
use crate::api::path::user_or_nobody;
use crate::api::wire::{DeleteUser, DeleteUsers};
use crate::request::body::body;

body! {
    pub(crate) struct UserIds {
        ids: Ids<UserId>,
    }
}

pub(crate) async fn own(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    call.auth().accounts.delete(reverified.own()).await?;
    Ok(HttpResponse::Ok().json(DeleteUser::new()))
}

pub(crate) async fn of_user(staff: StaffPrincipal, call: Call) -> ApiResult {
    let other = OtherUser::than(&staff, user_or_nobody(&call))?;
    let reverified = only_identity(&call, &staff).await?;
    call.auth().accounts.delete(reverified.of(other)).await?;
    Ok(HttpResponse::Ok().json(DeleteUser::new()))
}

pub(crate) async fn some(staff: StaffPrincipal, call: Call) -> ApiResult {
    let (UserIds { ids }, proof) = body_and_proof(&call, &staff).await?;
    let others: Vec<_> = ids.0.into_iter().map(|user| OtherUser::than(&staff, user)).collect::<Result<_, _>>()?;
    let reverified = proof.verify(&call, &staff).await?;
    let count = call.auth().accounts.delete_some(reverified.of(others)).await?;
    Ok(HttpResponse::Ok().json(DeleteUsers::new(count)))
}
