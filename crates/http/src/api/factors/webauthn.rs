//! `POST /users/me/2fa/webauthn` and `POST /users/me/2fa/webauthn/confirm`.

use actix_web::HttpResponse;
use serde_json::Value;
use thunderhead_auth::factors::enrolment::Confirmation;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::identity::only_identity;
use crate::api::wire::{FactorEnrolled, WebauthnOfferBody};
use crate::request::body::{Object, body};

body! {
    pub(crate) struct ConfirmWebauthn {
        /// The token of the offer.
        token: String,
        name: FactorName,
        /// A `RegistrationResponseJSON`, as the credential's `toJSON()` makes it.
        response: Object,
    }
}

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().enrolment.webauthn_begin(reverified).await?;
    Ok(HttpResponse::Ok().json(WebauthnOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let ConfirmWebauthn { token, name, response } = call.body().await?;
    let confirmation = Confirmation { token: token.into(), name };
    let enrolled = call.auth().enrolment.webauthn_confirm(&principal, confirmation, &Value::Object(response)).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
