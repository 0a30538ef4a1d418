//! The errors of the legacy dialect: the codes of the current one, some with other messages, and one of its own.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::access::dialect::DialectError;
use crate::api::error::ApiError;
use crate::legacy::Legacy;

pub(crate) type LegacyResult = Result<HttpResponse, LegacyError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LegacyError {
    /// There is no such session, where the old pages name this error of its own for it.
    SessionMissing,
    /// One that the current dialect has too.
    Common(ApiError),
}

impl<E: Into<ApiError>> From<E> for LegacyError {
    fn from(error: E) -> Self {
        Self::Common(error.into())
    }
}

impl LegacyError {
    /// Whether its message is not that of the current dialect.
    pub(crate) fn is_reworded(&self) -> bool {
        match self {
            Self::SessionMissing => false,
            Self::Common(error) => own_message(error).is_some(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::SessionMissing => json!({"code": "SESSION_NOT_FOUND_ERROR", "message": "Session Not Found"}),
            Self::Common(error) => {
                let mut body = error.to_json();
                if let Some(message) = own_message(error) {
                    body["message"] = json!(message);
                }
                body
            }
        }
    }
}

/// The message where it differs from that of the current dialect.
const fn own_message(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::InsufficientPermissions => Some("Missing Permissions"),
        ApiError::Banned => Some("Account Banned"),
        ApiError::BodyTooLarge | ApiError::TooManyIds => Some("Request Body Too Large"),
        ApiError::MissingFields(_)
        | ApiError::MalformedSecondFactor
        | ApiError::RefusedSecondFactor
        | ApiError::InvalidSecondFactorMethod
        | ApiError::InvalidUsername
        | ApiError::InvalidEmail
        | ApiError::PasswordsDoNotMatch
        | ApiError::NotAuthenticated
        | ApiError::NoSuchSession
        | ApiError::InvalidPassword
        | ApiError::SecondFactorChallengeRequired(_)
        | ApiError::EndpointRequiresSecondFactor
        | ApiError::InvalidUser
        | ApiError::InvalidSecondFactor
        | ApiError::InvalidEndpoint
        | ApiError::UserExists
        | ApiError::UserRequiresSecondFactor
        | ApiError::TooManySessions
        | ApiError::RateLimited
        | ApiError::Throttled(_)
        | ApiError::Internal
        | ApiError::SwitchedOff(_)
        | ApiError::Unavailable => None,
    }
}

impl DialectError for LegacyError {
    type Dialect = Legacy;

    fn nothing_here() -> Self {
        Self::Common(ApiError::nothing_here())
    }

    fn may_be_stale(&self) -> bool {
        match self {
            Self::SessionMissing => true,
            Self::Common(error) => error.may_be_stale(),
        }
    }

    fn respond(self, request: &HttpRequest) -> HttpResponse {
        let body = self.to_json();
        match self {
            Self::SessionMissing => HttpResponse::build(StatusCode::NOT_FOUND).json(body),
            // Its headers are the same.
            Self::Common(error) => error.respond(request).set_body(BoxBody::new(body.to_string())),
        }
    }
}
