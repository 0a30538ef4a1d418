//! The errors of the Kratos dialect: they share one component.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use crate::kratos::error::KratosError;
use crate::openapi::errors::DocumentedError;
use crate::wire::KillSwitchId;

pub(crate) const COMPONENT: &str = "KratosError";

const REQUEST: &str = "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20";

/// The name of an error's example, and when it is answered.
const fn name_and_meaning(error: &KratosError) -> (&'static str, &'static str) {
    use KratosError as E;
    match error {
        E::Malformed(..) => ("Malformed", "`message` says what is malformed"),
        E::TooMany(_) => ("TooManyIds", "there are too many ids"),
        E::CurrentSession => ("CurrentSession", "it is the session in use"),
        E::AlreadyLoggedIn => ("AlreadyLoggedIn", "there is a live session, and no `refresh=true`"),
        E::IdentityDisabled => ("IdentityDisabled", "the user is banned"),
        E::TooManySessions => ("TooManySessions", "the user has as many sessions as one may have"),
        E::Resubmit(_) => ("Resubmit", "the flow itself, with `ui.messages`: what was submitted is wrong"),
        E::Unauthenticated => ("Unauthenticated", "no, a bad, an ended or an expired credential, or a banned user's"),
        E::SecondFactorPending => ("SecondFactorPending", "the session's second factor is pending"),
        E::CrossSite => ("CrossSite", "a cookie came along with a request of another site"),
        E::NotStaff => ("NotStaff", "the caller is not staff"),
        E::StaffFactorMissing => {
            ("StaffFactorMissing", "the caller is staff without a second factor, or has not shown one in this session")
        }
        E::ScopeMissing => ("ScopeMissing", "the session's scopes do not cover it"),
        E::UnknownToken => ("UnknownToken", "the token stands for no session"),
        E::NotFound => ("NotFound", "there is no such thing"),
        E::UnknownFlow => ("UnknownFlow", "there is no such flow"),
        E::NoSuchEndpoint => ("NoSuchEndpoint", "there is no such endpoint"),
        E::WrongMethod => ("WrongMethod", "the endpoint does not have this method"),
        E::FlowExpired => ("FlowExpired", "the flow is older than an hour"),
        E::BodyTooLarge => ("BodyTooLarge", "the body is longer than 64 KiB"),
        E::RateLimited | E::Throttled(_) => ("RateLimited", "try again after `Retry-After`"),
        E::Internal => ("Internal", "the server is at fault; its log tells more"),
        E::SwitchedOff(_) => ("SwitchedOff", "with `details.feature`: a kill switch is on"),
        E::Unavailable => ("Unavailable", "the database is away, or too much is waiting; see `Retry-After`"),
    }
}

impl From<&KratosError> for DocumentedError {
    fn from(error: &KratosError) -> Self {
        let (name, meaning) = name_and_meaning(error);
        let example = match error {
            KratosError::SwitchedOff(switch) => format!("Kratos{switch}"),
            _ => format!("Kratos{name}"),
        };
        let component = if matches!(error, KratosError::Resubmit(_)) { "KratosLoginFlow" } else { COMPONENT };
        Self {
            status: error.status().as_u16(),
            name: name.to_owned(),
            example,
            meaning: meaning.to_owned(),
            component: component.to_owned(),
            body: error.to_json(Some(REQUEST)),
        }
    }
}

/// The schema of their bodies: Ory's `errorGeneric`.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> Value {
    let text = |text: &str| json!({"type": "string", "description": text});
    let properties = json!({
        "id": text("What kind of error it is, for programs."),
        "code": {"type": "integer", "description": "The HTTP status."},
        "status": text("Its phrase."),
        "request": text("The `X-Request-ID`."),
        "reason": text("Why."),
        "message": text("What."),
        "details": {"type": "object", "properties": {"feature": generator.subschema_for::<KillSwitchId>()}},
    });
    let error = json!({"type": "object", "required": ["code", "status", "message"], "properties": properties});
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": error},
        "examples": [KratosError::Unauthenticated.to_json(Some(REQUEST))],
    })
}
