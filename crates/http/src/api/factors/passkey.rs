//! `POST /users/me/2fa/passkey` and `POST /users/me/2fa/passkey/confirm`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_auth::factors::enrolment::Confirmation;
use thunderhead_domain::authorization::Principal;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::others;
use crate::api::factors::webauthn::WebauthnConfirmation;
use crate::api::identity::only_identity;
use crate::api::webauthn_json::RegistrationResponse;
use crate::api::wire::{FactorEnrolled, PasskeyOfferBody};

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().enrolment.passkey_begin(reverified).await?;
    Ok(HttpResponse::Ok().json(PasskeyOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let WebauthnConfirmation { token, name, response: RegistrationResponse(response) } = call.body().await?;
    let confirmation = Confirmation { token: token.into(), name, others: others(&call) };
    let enrolled = call.auth().enrolment.passkey_confirm(&principal, confirmation, &Value::Object(response)).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
