//! `POST /users/me/2fa/backup`: new backup codes.

use actix_web::HttpResponse;
use thunderhead_auth::changes::ChangeError;
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::change_authorization::Refusal;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::only_identity;
use crate::api::wire::BackupCodes;

pub(crate) async fn renew(principal: Principal, call: Call) -> ApiResult {
    let reverified = only_identity(&call, &principal).await?;
    match call.auth().factors.renew_backup_codes(reverified.own()).await {
        Ok(codes) => Ok(HttpResponse::Created().json(BackupCodes::from(codes.as_slice()))),
        // Codes that stand in for a factor that there is not.
        Err(ChangeError::Refused(Refusal::FactorMissing)) => Err(ApiError::InvalidSecondFactorMethod),
        Err(error) => Err(error.into()),
    }
}
