//! `POST /api/login`, and what logins of the other dialect with JSON answers have in common with it.

use actix_web::HttpResponse;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::sessions::login::{FactorLogin, Issued, Login, NamedBy, TokenForm};
use thunderhead_domain::authorization::Guest;
use thunderhead_domain::session::Dialect;

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::factor_answer;
use crate::api::wire::SuccessfulAuth;
use crate::request::body::{BodyError, Fields, read_fields};

/// What a dialect makes of a login.
pub(crate) struct Wording {
    pub(crate) dialect: Dialect,
    pub(crate) named_by: NamedBy,
    /// The field that names the user, in all its spellings.
    pub(crate) name: &'static [&'static str],
    /// The field with the password.
    pub(crate) password: &'static [&'static str],
}

const CURRENT: Wording =
    Wording { dialect: Dialect::Current, named_by: NamedBy::Username, name: &["username"], password: &["password"] };

/// Whoever answers a challenge has shown the password already.
pub(crate) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(async move { read_fields(&request, payload).await }),
    is_answer: |fields| fields.has("2fa") && !fields.has("password"),
};

pub(crate) async fn log_in(guest: Guest, call: Call) -> ApiResult {
    enter(guest, &call, call.fields().await, &CURRENT).await
}

/// Logs in with these fields, by name and password or by the answer to a challenge.
pub(crate) async fn enter(
    guest: Guest,
    call: &Call,
    fields: Result<Fields, BodyError>,
    wording: &Wording,
) -> ApiResult {
    let issued = attempt(guest, call, fields, wording).await;
    // Under a switch everybody who does not get in gets the same answer, whatever they typed.
    let issued = match (guest.staff_only(), issued) {
        (
            Some(switch),
            Err(ApiError::MissingFields(_) | ApiError::BodyTooLarge | ApiError::InvalidSecondFactorMethod),
        ) => {
            return Err(ApiError::SwitchedOff(switch));
        }
        (_, issued) => issued?,
    };
    call.note_user(issued.user.id);
    Ok(HttpResponse::Created().json(SuccessfulAuth::from(&issued)))
}

async fn attempt(
    guest: Guest,
    call: &Call,
    fields: Result<Fields, BodyError>,
    wording: &Wording,
) -> Result<Issued, ApiError> {
    let mut fields = fields?;
    if fields.has("2fa") {
        let answer = factor_answer(&mut fields);
        let remember = fields.optional_bool("rememberMe").unwrap_or(false);
        fields.finish()?;
        let answer = answer?.ok_or(ApiError::Internal)?;
        let login = FactorLogin { answer, remember, device: call.device(wording.dialect) };
        return Ok(call.auth().log_in_with_factor(guest, login).await?);
    }
    let name = fields.required_string_of(wording.name);
    let password = fields.required_string_of(wording.password);
    let remember = fields.optional_bool("rememberMe").unwrap_or(false);
    fields.finish()?;
    let login = Login {
        name: name.unwrap_or_default(),
        named_by: wording.named_by,
        form: TokenForm::Signed,
        password: Password::new(password.unwrap_or_default()),
        remember,
        device: call.device(wording.dialect),
    };
    Ok(call.auth().log_in(guest, login).await?)
}
