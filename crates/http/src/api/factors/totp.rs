//! `POST /users/me/2fa/totp` and `POST /users/me/2fa/totp/confirm`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::confirmation;
use crate::api::identity::only_identity;
use crate::api::wire::{FactorEnrolled, TotpOfferBody};

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().totp_begin(&principal, reverified).await?;
    Ok(HttpResponse::Ok().json(TotpOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let (confirmation, code) = confirmation(&call, |fields| fields.required_string("code")).await?;
    let enrolled = call.auth().totp_confirm(&principal, confirmation, &code).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
