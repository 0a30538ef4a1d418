//! `POST /api/login/passkey`.

use actix_web::HttpResponse;
use thunderhead_domain::authorization::LoginCaller;

use crate::access::call::Call;
use crate::api::error::ApiResult;
use crate::api::wire::PasskeyChallengeBody;

/// The challenge is stored nowhere and names nobody, so whoever asks may have one.
pub(crate) async fn ask(_caller: LoginCaller, call: Call) -> ApiResult {
    Ok(HttpResponse::Ok().json(PasskeyChallengeBody::from(&call.auth().passkeys.ask()?)))
}
