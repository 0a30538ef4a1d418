//! The errors of the Kratos dialect (`docs/API-KRATOS.md`).

mod causes;

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::seconds_rounded_up;

use crate::access::dialect::DialectError;
use crate::kratos::Kratos;
use crate::kratos::wire::{FlowBody, JSON_UTF8, PRIVATE};
use crate::middleware::record::RequestRecord;

/// Seconds after which an overloaded or cut-off server is worth another try.
const RETRY_SECONDS: i64 = 1;
/// Seconds after which to look whether a kill switch is still on: nobody knows when it is turned off.
const SWITCH_SECONDS: i64 = 60;

pub(crate) type KratosResult = Result<HttpResponse, KratosError>;

#[derive(Debug)]
pub(crate) enum KratosError {
    /// Something, by its name, is not what it must be.
    Malformed(&'static str, &'static str),
    /// More than this many ids at once.
    TooMany(usize),
    CurrentSession,
    AlreadyLoggedIn,
    IdentityDisabled,
    TooManySessions,
    /// The login flow itself, with what is wrong.
    Resubmit(Box<FlowBody>),
    Unauthenticated,
    SecondFactorPending,
    CrossSite,
    NotStaff,
    StaffFactorMissing,
    ScopeMissing,
    UnknownToken,
    NotFound,
    UnknownFlow,
    NoSuchEndpoint,
    WrongMethod,
    FlowExpired,
    BodyTooLarge,
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
    error: Generic<'a>,
}

/// Ory's `genericError`. What is empty is left out.
#[derive(Serialize)]
struct Generic<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    code: u16,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// One row of the table: status, message, reason and id.
struct Row(StatusCode, &'static str, Option<&'static str>, Option<&'static str>);

impl KratosError {
    fn row(&self) -> Row {
        use StatusCode as S;
        match self {
            Self::Malformed(..) | Self::TooMany(_) => Row(S::BAD_REQUEST, "", None, None),
            Self::CurrentSession => Row(S::BAD_REQUEST, "cannot revoke current session", None, None),
            Self::AlreadyLoggedIn => Row(
                S::BAD_REQUEST,
                "you are already logged in",
                Some("The request carries a live session. Ask for the flow with refresh=true to log in all the same."),
                Some("session_already_available"),
            ),
            Self::IdentityDisabled => Row(
                S::BAD_REQUEST,
                "identity is disabled",
                Some("This account was disabled."),
                Some("identity_disabled"),
            ),
            Self::TooManySessions => Row(
                S::CONFLICT,
                "too many sessions",
                Some("The user has as many sessions as one may have: end another one first."),
                Some("session_limit_reached"),
            ),
            Self::Resubmit(_) => Row(S::BAD_REQUEST, "", None, None),
            Self::Unauthenticated => Row(
                S::UNAUTHORIZED,
                "The request could not be authorized",
                Some("No valid session credentials found in the request."),
                Some("session_inactive"),
            ),
            Self::SecondFactorPending => Row(
                S::FORBIDDEN,
                "Session does not fulfill the requested Authenticator Assurance Level",
                Some("The second factor is owed: log in once more with this session and aal=aal2."),
                Some("session_aal2_required"),
            ),
            Self::CrossSite => Row(
                S::FORBIDDEN,
                "The request comes from another site",
                Some("A page of an origin that is not configured made it, or a browser that does not say which did."),
                Some("security_csrf_violation"),
            ),
            Self::NotStaff => forbidden("The caller is not staff."),
            Self::StaffFactorMissing => {
                forbidden("The caller is staff without a second factor, or has not shown one in this session.")
            }
            Self::ScopeMissing => forbidden("The session's scopes do not cover it."),
            Self::UnknownToken => forbidden("The token stands for no session."),
            Self::NotFound => Row(S::NOT_FOUND, "Unable to locate the resource", None, None),
            Self::UnknownFlow => {
                Row(S::NOT_FOUND, "Unable to locate the resource", Some("This server began no such flow."), None)
            }
            Self::NoSuchEndpoint => {
                Row(S::NOT_FOUND, "Unable to locate the resource", Some("There is no such endpoint."), None)
            }
            Self::WrongMethod => Row(S::METHOD_NOT_ALLOWED, "The endpoint does not have this method", None, None),
            Self::FlowExpired => Row(
                S::GONE,
                "The login flow has expired",
                Some("A flow is good for one hour. Begin another one."),
                Some("self_service_flow_expired"),
            ),
            Self::BodyTooLarge => Row(S::PAYLOAD_TOO_LARGE, "The body is too large", None, None),
            Self::RateLimited | Self::Throttled(_) => {
                Row(S::TOO_MANY_REQUESTS, "Too many requests: try again later", None, None)
            }
            Self::Internal => Row(S::INTERNAL_SERVER_ERROR, "An internal server error occurred", None, None),
            Self::SwitchedOff(_) => {
                Row(S::SERVICE_UNAVAILABLE, "The service is unavailable", Some("A kill switch is on."), None)
            }
            Self::Unavailable => Row(S::SERVICE_UNAVAILABLE, "The service is unavailable", None, None),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.row().0
    }

    /// Whether it is the server's doing, and not hidden from those whom a switch keeps out.
    pub(super) const fn is_the_servers(&self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable | Self::SwitchedOff(_))
    }

    /// The body of the answer to the request of this id.
    pub(crate) fn to_json(&self, request: Option<&str>) -> Value {
        let Row(status, message, reason, id) = self.row();
        let message = match self {
            Self::Resubmit(flow) => return json!(flow),
            Self::Malformed(name, expected) => format!("{name} must be {expected}"),
            Self::TooMany(most) => format!("at most {most} ids at once"),
            _ => message.to_owned(),
        };
        let details = match self {
            Self::SwitchedOff(switch) => Some(json!({"feature": switch.id()})),
            _ => None,
        };
        generic(status, request, &message, reason, id, details)
    }

    const fn retry_millis(&self) -> Option<i64> {
        match self {
            Self::Throttled(millis) => Some(*millis),
            Self::Unavailable => Some(RETRY_SECONDS * 1_000),
            Self::SwitchedOff(_) => Some(SWITCH_SECONDS * 1_000),
            _ => None,
        }
    }
}

const fn forbidden(reason: &'static str) -> Row {
    Row(StatusCode::FORBIDDEN, "The requested action was forbidden", Some(reason), None)
}

fn generic(
    status: StatusCode,
    request: Option<&str>,
    message: &str,
    reason: Option<&'static str>,
    id: Option<&'static str>,
    details: Option<Value>,
) -> Value {
    let phrase = status.canonical_reason().unwrap_or_default();
    let error = Generic { id, code: status.as_u16(), status: phrase, request, reason, message, details };
    json!(Body { error })
}

/// The body of an error that no handler made.
pub(crate) fn of_status(status: StatusCode, request: &str) -> String {
    let error = match status {
        StatusCode::UNAUTHORIZED => KratosError::Unauthenticated,
        StatusCode::NOT_FOUND => KratosError::NoSuchEndpoint,
        StatusCode::METHOD_NOT_ALLOWED => KratosError::WrongMethod,
        StatusCode::PAYLOAD_TOO_LARGE => KratosError::BodyTooLarge,
        StatusCode::TOO_MANY_REQUESTS => KratosError::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => KratosError::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => KratosError::Internal,
        other => return generic(other, Some(request), "The request was refused", None, None, None).to_string(),
    };
    error.to_json(Some(request)).to_string()
}

impl DialectError for KratosError {
    type Dialect = Kratos;

    fn nothing_here() -> Self {
        Self::NoSuchEndpoint
    }

    fn wrong_method() -> Self {
        Self::WrongMethod
    }

    fn may_be_stale(&self) -> bool {
        matches!(self.status(), StatusCode::NOT_FOUND | StatusCode::CONFLICT)
    }

    fn respond(self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.content_type(JSON_UTF8);
        if let Some(millis) = self.retry_millis() {
            response.insert_header((RETRY_AFTER, seconds_rounded_up(millis).to_string()));
        }
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            response.insert_header((CACHE_CONTROL, PRIVATE));
        }
        let extensions = request.extensions();
        response.json(self.to_json(RequestRecord::id(&extensions)))
    }
}
