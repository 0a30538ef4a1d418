//! `POST /users/me/2fa/webauthn` and `POST /users/me/2fa/webauthn/confirm`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_domain::judgement::Principal;

use super::super::error::{ApiError, ApiResult};
use super::super::identity::only_identity;
use super::super::wire::{FactorEnrolled, WebauthnOfferBody};
use super::confirmation;
use crate::call::Call;

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().webauthn_begin(&principal, reverified, call.client_ip()).await?;
    Ok(HttpResponse::Ok().json(WebauthnOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let mut fields = call.fields().await?;
    let confirmation = confirmation(&call, &mut fields);
    let response = fields.required_object("response");
    fields.finish()?;
    let response = Value::Object(response.ok_or(ApiError::Internal)?);
    let enrolled = call.auth().webauthn_confirm(&principal, confirmation()?, &response).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
