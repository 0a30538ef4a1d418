//! `POST /users/me/2fa/webauthn` and `POST /users/me/2fa/webauthn/confirm`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_auth::factors::enrolment::Confirmation;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::others;
use crate::api::fields::TOKEN;
use crate::api::identity::only_identity;
use crate::api::webauthn_json::RegistrationResponse;
use crate::api::wire::{FactorEnrolled, WebauthnOfferBody};
use crate::request::body::body;

body! {
    pub(crate) struct WebauthnConfirmation {
        /// The token of the offer.
        token: String = TOKEN,
        name: FactorName,
        response: RegistrationResponse,
    }
}

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().enrolment.webauthn_begin(reverified).await?;
    Ok(HttpResponse::Ok().json(WebauthnOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let WebauthnConfirmation { token, name, response: RegistrationResponse(response) } = call.body().await?;
    let confirmation = Confirmation { token: token.into(), name, others: others(&call) };
    let enrolled = call.auth().enrolment.webauthn_confirm(&principal, confirmation, &Value::Object(response)).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
