//! `POST /api/login`.

use actix_web::HttpResponse;
use thunderhead_auth::login::{FactorLogin, Issued, Login, NamedBy, TokenForm};
use thunderhead_auth::password::Password;
use thunderhead_domain::judgement::Visitor;
use thunderhead_domain::session::Dialect;

use super::error::{ApiError, ApiResult};
use super::identity::factor_answer;
use super::wire::SuccessfulAuth;
use crate::call::Call;

pub(crate) async fn log_in(visitor: Visitor, call: Call) -> ApiResult {
    let issued = attempt(visitor, call).await;
    // Under a switch everybody who does not get in gets the same answer, whatever they typed.
    let issued = match (visitor.staff_only(), issued) {
        (
            Some(switch),
            Err(ApiError::MissingFields(_) | ApiError::BodyTooLarge | ApiError::InvalidSecondFactorMethod),
        ) => {
            return Err(ApiError::SwitchedOff(switch));
        }
        (_, issued) => issued?,
    };
    Ok(HttpResponse::Created().json(SuccessfulAuth::from(&issued)))
}

async fn attempt(visitor: Visitor, call: Call) -> Result<Issued, ApiError> {
    let mut fields = call.fields().await?;
    if fields.has("2fa") {
        let answer = factor_answer(&mut fields);
        let remember = fields.optional_bool("rememberMe").unwrap_or(false);
        fields.finish()?;
        let answer = answer?.ok_or(ApiError::Internal)?;
        let login = FactorLogin { answer, remember, device: call.device(Dialect::Current) };
        return Ok(call.auth().log_in_with_factor(visitor, login).await?);
    }
    let username = fields.required_string("username");
    let password = fields.required_string("password");
    let remember = fields.optional_bool("rememberMe").unwrap_or(false);
    fields.finish()?;
    let login = Login {
        name: username.unwrap_or_default(),
        named_by: NamedBy::Username,
        form: TokenForm::Signed,
        password: Password::new(password.unwrap_or_default()),
        remember,
        device: call.device(Dialect::Current),
    };
    Ok(call.auth().log_in(visitor, login).await?)
}
