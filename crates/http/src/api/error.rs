//! The errors of the current dialect (`docs/MODEL.md`, *Errors*).

mod causes;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use thunderhead_auth::credentials::challenge::{AnswerKind, ChallengeGiven};
use thunderhead_auth::credentials::passkey::PasskeyChallenge;
use thunderhead_domain::factor::FactorKind;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::seconds_rounded_up;

use crate::access::dialect::DialectError;
use crate::api::Api;

/// Seconds after which an overloaded or cut-off server is worth another try.
const RETRY_SECONDS: i64 = 1;

pub(crate) type ApiResult = Result<HttpResponse, ApiError>;

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
    SecondFactorChallengeRequired(Box<ChallengeBody>),
    EndpointRequiresSecondFactor,
    InsufficientPermissions,
    Banned,
    InvalidUser,
    InvalidSecondFactor,
    InvalidEndpoint,
    UserExists,
    UserRequiresSecondFactor,
    TooManySessions,
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

/// What a client needs to answer a challenge.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ChallengeBody {
    pub(crate) token: String,
    pub(crate) exp: i64,
    pub(crate) types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<Value>,
}

/// The token is the client's alone.
impl fmt::Debug for ChallengeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeBody").field("exp", &self.exp).field("types", &self.types).finish_non_exhaustive()
    }
}

impl From<ChallengeGiven> for ChallengeBody {
    fn from(given: ChallengeGiven) -> Self {
        Self {
            token: given.token.expose().to_owned(),
            exp: given.expires_at.unix_seconds(),
            types: given.types.into_iter().map(AnswerKind::name).collect(),
            challenge: given.options,
        }
    }
}

/// A passkey is asked for in place of password and factor, so nothing else answers it.
impl From<PasskeyChallenge> for ChallengeBody {
    fn from(PasskeyChallenge { token, expires_at, options }: PasskeyChallenge) -> Self {
        let types = vec![FactorKind::Passkey.name()];
        Self { token, exp: expires_at.unix_seconds(), types, challenge: Some(options) }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<u8>,
    #[serde(flatten)]
    challenge: Option<&'a ChallengeBody>,
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
            Self::SecondFactorChallengeRequired(_) => {
                (S::UNAUTHORIZED, "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR", "Second Factor Challenge Required")
            }
            Self::EndpointRequiresSecondFactor => {
                (S::UNAUTHORIZED, "ENDPOINT_REQUIRES_SECOND_FACTOR_ERROR", "Endpoint Requires Second Factor")
            }
            Self::InsufficientPermissions => {
                (S::FORBIDDEN, "INSUFFICIENT_PERMISSIONS_ERROR", "Insufficient Permissions")
            }
            Self::Banned => (S::FORBIDDEN, "BANNED_ERROR", "Banned"),
            Self::InvalidUser => (S::NOT_FOUND, "INVALID_USER_ERROR", "Invalid User"),
            Self::InvalidSecondFactor => (S::NOT_FOUND, "INVALID_SECOND_FACTOR_ERROR", "Invalid Second Factor"),
            Self::InvalidEndpoint => (S::NOT_FOUND, "INVALID_ENDPOINT_ERROR", "Invalid Endpoint"),
            Self::UserRequiresSecondFactor => {
                (S::BAD_REQUEST, "USER_REQUIRES_SECOND_FACTOR_ERROR", "User Requires Second Factor")
            }
            Self::UserExists => (S::CONFLICT, "USER_EXISTS_ERROR", "User Exists"),
            Self::TooManySessions => (S::CONFLICT, "TOO_MANY_SESSIONS_ERROR", "Too Many Sessions"),
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
        let mut body = Body { code, message, fields: None, feature: None, challenge: None };
        match self {
            Self::MissingFields(fields) => body.fields = Some(fields),
            Self::SwitchedOff(switch) => body.feature = Some(switch.id()),
            Self::SecondFactorChallengeRequired(challenge) => body.challenge = Some(challenge),
            _ => {}
        }
        body
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.row().0
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.body())
    }

    /// The error of a bare status. A client error without a better name is a malformed request.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::NotAuthenticated,
            StatusCode::FORBIDDEN => Self::InsufficientPermissions,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Self::InvalidEndpoint,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ if status.is_client_error() => Self::MissingFields(vec![]),
            _ => Self::Internal,
        }
    }

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

impl DialectError for ApiError {
    type Dialect = Api;

    fn nothing_here() -> Self {
        Self::InvalidEndpoint
    }

    fn may_be_stale(&self) -> bool {
        matches!(self.status(), StatusCode::NOT_FOUND | StatusCode::CONFLICT)
    }

    fn respond(self, _request: &HttpRequest) -> HttpResponse {
        self.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::dialect::testing::assert_all_variants;
    use crate::api::documentation::errors::{all, component};

    #[test]
    fn every_error_has_its_component_in_the_document() {
        use ApiError as E;
        let sharing = [E::RefusedSecondFactor, E::NoSuchSession, E::TooManyIds, E::Throttled(0), E::Unavailable];
        let listed: Vec<_> = all().into_iter().chain(sharing.clone()).collect();
        assert_all_variants(include_str!("error.rs"), &listed, "`all` in `api/documentation/errors.rs`");
        for error in sharing {
            assert!(all().iter().any(|other| component(other) == component(&error)), "{error:?} shares no component");
        }
    }

    #[test]
    fn every_error_status_has_a_json_body_with_code_and_message() {
        for status in (400..600).map(|status| StatusCode::from_u16(status).unwrap()) {
            let body = ApiError::of_status(status).to_json();
            assert!(body["code"].as_str().unwrap().ends_with("_ERROR"), "{status}");
            assert!(body["message"].is_string(), "{status}");
            assert_eq!(body.get("fields").is_some(), body["code"] == "MISSING_FIELDS_ERROR", "{status}");
        }
    }
}
