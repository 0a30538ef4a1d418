//! `POST /api/register`.

use actix_web::HttpResponse;
use thunderhead_auth::accounts::register::Registering;
use thunderhead_auth::credentials::password::rules::Candidate;
use thunderhead_auth::sessions::opening::TokenForm;
use thunderhead_auth::settings::Registration;
use thunderhead_domain::authorization::Guest;
use thunderhead_domain::switch::KillSwitch;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::fields::{NewEmail, NewUsername, PasswordConfirmation};
use crate::api::password::estimated;
use crate::api::wire::SuccessfulAuth;
use crate::request::body::body;

body! {
    pub(crate) struct AccountRegistration {
        username: NewUsername,
        email: NewEmail,
        password: Candidate,
        confirmation as "confirmPassword": PasswordConfirmation,
        /// Whether the session is to last for years.
        remember_me as "rememberMe": bool,
    }
}

pub(crate) async fn register(guest: Guest, call: Call) -> ApiResult {
    if call.auth().policy().registration == Registration::Closed {
        return Err(ApiError::SwitchedOff(KillSwitch::AccountCreate));
    }
    let body: AccountRegistration = call.body().await?;
    let (username, email) = (body.username.parse()?, body.email.parse()?);
    body.confirmation.confirms(&body.password)?;
    let password = estimated(&call, "password", body.password).await?;
    let device = call.device();
    let (form, remember) = (TokenForm::Signed, body.remember_me);
    let form = Registering { username, email, password, form, remember, device };
    let issued = call.auth().registrations.register(guest, form).await?;
    call.note_user(issued.user.id);
    Ok(HttpResponse::Created().json(SuccessfulAuth::from(&issued)))
}
