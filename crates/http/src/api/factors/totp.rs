//! `POST /users/me/2fa/totp` and `POST /users/me/2fa/totp/confirm`.

use actix_web::HttpResponse;
use thunderhead_auth::factors::enrolment::Confirmation;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::factor::FactorName;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::factors::others;
use crate::api::fields::TOKEN;
use crate::api::identity::only_identity;
use crate::api::wire::{FactorEnrolled, TotpOfferBody};
use crate::request::body::body;

body! {
    pub(crate) struct TotpConfirmation {
        /// The token of the offer.
        token: String = TOKEN,
        name: FactorName,
        /// Six digits.
        code: String = "123456",
    }
}

pub(crate) async fn begin(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    let offer = call.auth().enrolment.totp_begin(reverified).await?;
    Ok(HttpResponse::Ok().json(TotpOfferBody::from(&offer)))
}

pub(crate) async fn confirm(principal: Principal, call: Call) -> ApiResult {
    let TotpConfirmation { token, name, code } = call.body().await?;
    let confirmation = Confirmation { token: token.into(), name, others: others(&call) };
    let enrolled = call.auth().enrolment.totp_confirm(&principal, confirmation, &code).await?;
    Ok(HttpResponse::Created().json(FactorEnrolled::from(&enrolled)))
}
