//! The errors of the current dialect, and what every fault of the layers below becomes (`spec/model.md`, *Errors*).

use std::error::Error;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use serde::Serialize;
use thunderhead_auth::account::AccountError;
use thunderhead_auth::login::LoginError;
use thunderhead_auth::password::HashFault;
use thunderhead_auth::register::RegisterError;
use thunderhead_auth::reverify::ReverifyError;
use thunderhead_auth::scoped::ScopedError;
use thunderhead_auth::sessions::StaffSessionError;
use thunderhead_auth::staff_account::{Oneself, PromoteError};
use thunderhead_auth::token::TokenFault;
use thunderhead_auth::work::WorkFault;
use thunderhead_domain::judgement::Denial;
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::seconds_rounded_up;

use crate::body::{BodyError, MissingFields};
use crate::gate::Refusal;

/// Seconds after which an overloaded or cut-off server is worth another try.
const RETRY_SECONDS: i64 = 1;

/// What a handler answers.
pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

/// An error of the current dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    MissingFields(Vec<&'static str>),
    MalformedSecondFactor,
    RefusedSecondFactor,
    InvalidSecondFactorMethod,
    InvalidUsername,
    InvalidEmail,
    PasswordsDoNotMatch,
    NotAuthenticated,
    NoSuchSession,
    InvalidPassword,
    EndpointRequiresSecondFactor,
    InsufficientPermissions,
    Banned,
    InvalidUser,
    InvalidEndpoint,
    UserExists,
    UserRequiresSecondFactor,
    BodyTooLarge,
    TooManyIds,
    /// The headers tell how long to wait.
    RateLimited,
    /// To be tried again after this many milliseconds.
    Throttled(i64),
    Internal,
    SwitchedOff(KillSwitch),
    Unavailable,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<u8>,
}

impl ApiError {
    /// Status, code and message: the table of the specification.
    const fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MissingFields(_) => (S::BAD_REQUEST, "MISSING_FIELDS_ERROR", "Missing Fields"),
            Self::MalformedSecondFactor => {
                (S::BAD_REQUEST, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response")
            }
            Self::RefusedSecondFactor => {
                (S::UNAUTHORIZED, "INVALID_SECOND_FACTOR_RESPONSE_ERROR", "Invalid Second Factor Response")
            }
            Self::InvalidSecondFactorMethod => {
                (S::BAD_REQUEST, "INVALID_SECOND_FACTOR_METHOD_ERROR", "Invalid Second Factor Method")
            }
            Self::InvalidUsername => (S::BAD_REQUEST, "INVALID_USERNAME_ERROR", "Invalid Username"),
            Self::InvalidEmail => (S::BAD_REQUEST, "INVALID_EMAIL_ERROR", "Invalid Email"),
            Self::PasswordsDoNotMatch => (S::BAD_REQUEST, "PASSWORDS_DO_NOT_MATCH_ERROR", "Passwords Do Not Match"),
            Self::NotAuthenticated => (S::UNAUTHORIZED, "INVALID_SESSION_ERROR", "Invalid Session"),
            Self::NoSuchSession => (S::NOT_FOUND, "INVALID_SESSION_ERROR", "Invalid Session"),
            Self::InvalidPassword => (S::UNAUTHORIZED, "INVALID_PASSWORD_ERROR", "Invalid Password"),
            Self::EndpointRequiresSecondFactor => {
                (S::UNAUTHORIZED, "ENDPOINT_REQUIRES_SECOND_FACTOR_ERROR", "Endpoint Requires Second Factor")
            }
            Self::InsufficientPermissions => {
                (S::FORBIDDEN, "INSUFFICIENT_PERMISSIONS_ERROR", "Insufficient Permissions")
            }
            Self::Banned => (S::FORBIDDEN, "BANNED_ERROR", "Banned"),
            Self::InvalidUser => (S::NOT_FOUND, "INVALID_USER_ERROR", "Invalid User"),
            Self::InvalidEndpoint => (S::NOT_FOUND, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint"),
            Self::UserRequiresSecondFactor => {
                (S::BAD_REQUEST, "USER_REQUIRES_SECOND_FACTOR_ERROR", "User Requires Second Factor")
            }
            Self::UserExists => (S::CONFLICT, "USER_EXISTS_ERROR", "User Exists"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE_ERROR", "Body Too Large"),
            Self::TooManyIds => (S::BAD_REQUEST, "BODY_TOO_LARGE_ERROR", "Body Too Large"),
            Self::RateLimited | Self::Throttled(_) => {
                (S::TOO_MANY_REQUESTS, "RATELIMITED_ERROR", "You Have Been Ratelimited. Please Try Again Later.")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Internal Server Error"),
            Self::SwitchedOff(_) | Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE_ERROR", "Service Unavailable")
            }
        }
    }

    fn body(&self) -> Body<'_> {
        let (_, code, message) = self.row();
        let (fields, feature) = match self {
            Self::MissingFields(fields) => (Some(fields.as_slice()), None),
            Self::SwitchedOff(switch) => (None, Some(switch.id())),
            _ => (None, None),
        };
        Body { code, message, fields, feature }
    }

    /// The status, for the OpenAPI document.
    pub(crate) const fn status(&self) -> StatusCode {
        self.row().0
    }

    /// The body, for the OpenAPI document.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.body())
    }

    /// The response.
    pub(crate) fn into_response(self) -> HttpResponse {
        let retry_millis = match &self {
            Self::Throttled(millis) => Some(*millis),
            Self::Unavailable => Some(RETRY_SECONDS * 1_000),
            _ => None,
        };
        let mut response = HttpResponse::build(self.status());
        if let Some(millis) = retry_millis {
            response.insert_header((RETRY_AFTER, seconds_rounded_up(millis).to_string()));
        }
        response.json(self.body())
    }
}

/// Logged here, once, with its causes; the client learns nothing of them.
fn internal(fault: &(dyn Error + 'static)) -> ApiError {
    tracing::error!(error = fault, "a request failed");
    ApiError::Internal
}

impl From<StorageFault> for ApiError {
    fn from(fault: StorageFault) -> Self {
        match &fault {
            StorageFault::Outage(_) => {
                tracing::warn!(error = &fault as &(dyn Error + 'static), "the database is away");
                Self::Unavailable
            }
            StorageFault::Defect(_) => internal(&fault),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Storage(fault) => fault.into(),
            Refusal::Denied(denial) => denial.into(),
        }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            Denial::Unauthenticated | Denial::FactorOwed | Denial::AlreadyAuthenticated => Self::NotAuthenticated,
            Denial::Banned => Self::Banned,
            Denial::StaffFactorMissing => Self::EndpointRequiresSecondFactor,
            Denial::CrossSite | Denial::NotStaff | Denial::ScopeMissing => Self::InsufficientPermissions,
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::NotAnObject => Self::MissingFields(vec![]),
        }
    }
}

impl From<MissingFields> for ApiError {
    fn from(MissingFields(fields): MissingFields) -> Self {
        Self::MissingFields(fields)
    }
}

impl From<TokenFault> for ApiError {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Malformed => Self::MalformedSecondFactor,
            TokenFault::Refused | TokenFault::UnknownKey => Self::RefusedSecondFactor,
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::UnknownUser => Self::InvalidUser,
            LoginError::WrongPassword => Self::InvalidPassword,
            LoginError::Banned => Self::Banned,
            LoginError::Throttled(millis) => Self::Throttled(millis),
            LoginError::SwitchedOff(switch) => Self::SwitchedOff(switch),
            LoginError::SecondFactor(fault) => fault.into(),
            LoginError::Busy => Self::Unavailable,
            LoginError::Storage(fault) => fault.into(),
            LoginError::Hash(_) | LoginError::Sign(_) => internal(&error),
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::SwitchedOff(KillSwitch::AccountCreate),
            RegisterError::Taken => Self::UserExists,
            RegisterError::Busy => Self::Unavailable,
            RegisterError::Storage(fault) => fault.into(),
            RegisterError::Hash(_) | RegisterError::Sign(_) => internal(&error),
        }
    }
}

impl From<ReverifyError> for ApiError {
    fn from(error: ReverifyError) -> Self {
        match error {
            ReverifyError::WrongPassword => Self::InvalidPassword,
            ReverifyError::Throttled(millis) => Self::Throttled(millis),
            ReverifyError::SecondFactor(fault) => fault.into(),
            ReverifyError::Busy => Self::Unavailable,
            ReverifyError::Storage(fault) => fault.into(),
            ReverifyError::Hash(_) => internal(&error),
        }
    }
}

impl From<ScopedError> for ApiError {
    fn from(error: ScopedError) -> Self {
        match error {
            // The session was good when the request was judged, and is not any more.
            ScopedError::Overtaken => Self::NotAuthenticated,
            ScopedError::Banned => Self::Banned,
            ScopedError::StaffScopes(_) => Self::InsufficientPermissions,
            ScopedError::Storage(fault) => fault.into(),
            ScopedError::Sign(_) => internal(&error),
        }
    }
}

impl From<StaffSessionError> for ApiError {
    fn from(error: StaffSessionError) -> Self {
        match error {
            StaffSessionError::UnknownUser => Self::InvalidUser,
            StaffSessionError::Storage(fault) => fault.into(),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Taken => Self::UserExists,
            AccountError::UnknownUser => Self::InvalidUser,
            AccountError::Storage(fault) => fault.into(),
            AccountError::Hash(HashFault::Work(WorkFault::Busy)) => Self::Unavailable,
            AccountError::Hash(_) => internal(&error),
        }
    }
}

impl From<PromoteError> for ApiError {
    fn from(error: PromoteError) -> Self {
        match error {
            PromoteError::FactorMissing => Self::UserRequiresSecondFactor,
            PromoteError::Account(error) => error.into(),
        }
    }
}

impl From<Oneself> for ApiError {
    fn from(Oneself: Oneself) -> Self {
        Self::InsufficientPermissions
    }
}

/// What a new password's check may fail with, apart from the password itself.
pub(crate) fn work_fault(fault: WorkFault) -> ApiError {
    match fault {
        WorkFault::Busy => ApiError::Unavailable,
        WorkFault::Abandoned => internal(&fault),
    }
}
