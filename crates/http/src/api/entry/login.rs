//! `POST /api/login`, and what logins of the other dialect with JSON answers have in common with it.

use actix_web::HttpResponse;
use schemars::SchemaGenerator;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::sessions::login::{FactorLogin, Login, NamedBy, PasskeyLogin, SecondStep};
use thunderhead_auth::sessions::opening::{Issued, TokenForm};
use thunderhead_domain::authorization::Guest;

use crate::access::call::Call;
use crate::access::limit_class::Submission;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::{AnsweredPasskey, SecondFactorAnswer};
use crate::api::wire::SuccessfulAuth;
use crate::request::body::{BodySchema, Fields, Rejection, RequestBody, body, read_fields};

/// A login of this dialect.
pub(crate) enum ApiLogIn {
    Passkey(LoginWithPasskey),
    Step(LogIn<LoginWithPassword>),
}

/// A login by a dialect's form of [`LoginWithPassword`], or by the answer to its challenge.
pub(crate) enum LogIn<C> {
    Password(C),
    SecondFactor(LoginWithSecondFactor),
}

body! {
    pub(crate) struct LoginWithPassword {
        /// The user name, in any case.
        username: String = "ada",
        password: Password,
        /// Whether the session is to last for years.
        remember_me as "rememberMe": bool,
    }
}

body! {
    pub(crate) struct LoginWithSecondFactor {
        answer as "2fa": SecondFactorAnswer,
        /// Whether the session is to last for years.
        remember_me as "rememberMe": bool,
    }
}

body! {
    pub(crate) struct LoginWithPasskey {
        passkey: AnsweredPasskey,
        /// Whether the session is to last for years.
        remember_me as "rememberMe": bool,
    }
}

/// What looks like the answer to a challenge is counted as one, and so it is nothing else.
impl RequestBody for ApiLogIn {
    fn read(fields: &mut Fields) -> Option<Self> {
        if fields.has("passkey") && !fields.has("2fa") {
            LoginWithPasskey::read(fields).map(Self::Passkey)
        } else {
            LogIn::read(fields).map(Self::Step)
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> BodySchema {
        LogIn::<LoginWithPassword>::schema(generator).or(LoginWithPasskey::schema(generator))
    }
}

impl<C: RequestBody> RequestBody for LogIn<C> {
    fn read(fields: &mut Fields) -> Option<Self> {
        if fields.has("2fa") {
            LoginWithSecondFactor::read(fields).map(Self::SecondFactor)
        } else {
            C::read(fields).map(Self::Password)
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> BodySchema {
        C::schema(generator).or(LoginWithSecondFactor::schema(generator))
    }
}

/// Whoever answers a challenge has shown the password already.
pub(crate) const SUBMISSION: Submission = Submission {
    read: |request, payload| Box::pin(async move { read_fields(&request, payload).await }),
    is_answer: |fields| fields.has("2fa") && !fields.has("password"),
};

pub(crate) async fn log_in(guest: Guest, call: Call) -> ApiResult {
    let issued = match call.body().await {
        Ok(ApiLogIn::Passkey(login)) => by_passkey(guest, &call, login).await,
        Ok(ApiLogIn::Step(login)) => attempt(guest, &call, login, NamedBy::Username).await,
        Err(rejection) => Err(rejection.into()),
    };
    entered(guest, &call, issued)
}

/// Logs in by name and password, or by the answer to a challenge.
pub(crate) async fn enter<C: Into<LoginWithPassword>>(
    guest: Guest,
    call: &Call,
    body: Result<LogIn<C>, Rejection>,
    named_by: NamedBy,
) -> ApiResult {
    let issued = match body {
        Ok(login) => attempt(guest, call, login, named_by).await,
        Err(rejection) => Err(rejection.into()),
    };
    entered(guest, call, issued)
}

fn entered(guest: Guest, call: &Call, issued: Result<Issued, ApiError>) -> ApiResult {
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

async fn by_passkey(
    guest: Guest,
    call: &Call,
    LoginWithPasskey { passkey, remember_me: remember }: LoginWithPasskey,
) -> Result<Issued, ApiError> {
    let login = PasskeyLogin { shown: passkey.0, form: TokenForm::Signed, remember, device: call.device() };
    Ok(call.auth().logins.log_in_with_passkey(guest, login).await?)
}

async fn attempt<C: Into<LoginWithPassword>>(
    guest: Guest,
    call: &Call,
    login: LogIn<C>,
    named_by: NamedBy,
) -> Result<Issued, ApiError> {
    let device = call.device();
    let credentials: LoginWithPassword = match login {
        LogIn::SecondFactor(LoginWithSecondFactor { answer, remember_me: remember }) => {
            let login = FactorLogin { answer: answer.parse()?, form: TokenForm::Signed, remember, device };
            return Ok(call.auth().logins.log_in_with_factor(guest, login).await?);
        }
        LogIn::Password(credentials) => credentials.into(),
    };
    let login = Login {
        name: credentials.username,
        named_by,
        form: TokenForm::Signed,
        second_step: SecondStep::Challenge,
        password: credentials.password,
        remember: credentials.remember_me,
        device,
    };
    Ok(call.auth().logins.log_in(guest, login).await?)
}
