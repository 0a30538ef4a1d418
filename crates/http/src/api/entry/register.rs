//! `POST /api/register`.

use actix_web::HttpResponse;
use thunderhead_auth::Registration;
use thunderhead_auth::accounts::register::{Registering, parse_email};
use thunderhead_domain::authorization::Guest;
use thunderhead_domain::session::Dialect;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::Username;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::password::{candidate, estimated};
use crate::api::wire::SuccessfulAuth;

pub(crate) async fn register(guest: Guest, call: Call) -> ApiResult {
    if call.auth().policy().registration == Registration::Closed {
        return Err(ApiError::SwitchedOff(KillSwitch::AccountCreate));
    }
    let mut fields = call.fields().await?;
    let username = fields.required_string("username");
    let email = fields.required_string("email");
    let password = fields.required_string("password");
    let confirmation = fields.required_string("confirmPassword");
    let remember = fields.optional_bool("rememberMe").unwrap_or(false);
    let personal = [&username, &email].into_iter().flatten().cloned().collect();
    let candidate = candidate(&mut fields, "password", password, personal);
    fields.finish()?;
    let username = Username::try_from(username.unwrap_or_default()).map_err(|_| ApiError::InvalidUsername)?;
    let email = parse_email(&email.unwrap_or_default()).map_err(|_| ApiError::InvalidEmail)?;
    let (Some(candidate), Some(confirmation)) = (candidate, confirmation) else { return Err(ApiError::Internal) };
    if !candidate.is(&confirmation) {
        return Err(ApiError::PasswordsDoNotMatch);
    }
    let password = estimated(&call, "password", candidate).await?;
    let form = Registering { username, email, password, remember, device: call.device(Dialect::Current) };
    let issued = call.auth().register(guest, form).await?;
    call.note_user(issued.user.id);
    Ok(HttpResponse::Created().json(SuccessfulAuth::from(&issued)))
}
