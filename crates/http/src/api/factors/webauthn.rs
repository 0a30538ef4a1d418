//! `POST /users/me/2fa/webauthn` and `POST /users/me/2fa/webauthn/confirm`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::confirmation;
use crate::api::identity::only_identity;
use crate::api::wire::{FactorEnrolled, WebauthnOfferBody};

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().webauthn_begin(&principal, reverified).await?;
    Ok(HttpResponse::Ok().json(WebauthnOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let (confirmation, response) = confirmation(&call, |fields| fields.required_object("response")).await?;
    let enrolled = call.auth().webauthn_confirm(&principal, confirmation, &Value::Object(response)).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
