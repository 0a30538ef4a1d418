//! The errors of this dialect as the document tells them. Status, code, message and body come from [`ApiError`] itself;
//! here are the names and the reasons.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use thunderhead_auth::credentials::challenge::AnswerKind;
use thunderhead_domain::switch::KillSwitch;

use crate::api::error::{ApiError, ChallengeBody};
use crate::api::{fields, webauthn_json};
use crate::openapi::errors::DocumentedError;
use crate::wire::KillSwitchId;

/// One of each. Where two have the same body they share a component.
pub(crate) fn all() -> Vec<ApiError> {
    use ApiError as E;
    vec![
        E::MissingFields(vec!["username", "password"]),
        E::MalformedSecondFactor,
        E::InvalidSecondFactorMethod,
        E::InvalidUsername,
        E::InvalidEmail,
        E::PasswordsDoNotMatch,
        E::UserRequiresSecondFactor,
        E::NotAuthenticated,
        E::InvalidPassword,
        challenge_required(),
        E::EndpointRequiresSecondFactor,
        E::InsufficientPermissions,
        E::Banned,
        E::InvalidUser,
        E::InvalidSecondFactor,
        E::InvalidEndpoint,
        E::UserExists,
        E::TooManySessions,
        E::BodyTooLarge,
        E::RateLimited,
        E::Internal,
        E::SwitchedOff(KillSwitch::Global),
    ]
}

/// The challenge of a user who has everything to answer it with.
pub(crate) fn challenge_required() -> ApiError {
    ApiError::SecondFactorChallengeRequired(Box::new(ChallengeBody {
        token: fields::TOKEN.to_owned(),
        exp: 1_767_226_500,
        types: AnswerKind::ALL.map(AnswerKind::name).to_vec(),
        challenge: Some(webauthn_json::request_options_example()),
    }))
}

/// The name of an error in the specification, and when it is answered.
const fn name_and_meaning(error: &ApiError) -> (&'static str, &'static str) {
    use ApiError as E;
    match error {
        E::MissingFields(_) => {
            ("MissingFields", "`fields` names what is absent, of the wrong type or has an unacceptable value")
        }
        E::MalformedSecondFactor => ("InvalidSecondFactorResponse", "the challenge's token is malformed"),
        E::RefusedSecondFactor => ("InvalidSecondFactorResponse", "the challenge or the answer to it is no good"),
        E::InvalidSecondFactorMethod => {
            ("InvalidSecondFactorMethod", "the answer's `type` is unknown, or none that the user has")
        }
        E::InvalidUsername => ("InvalidUsername", "the text cannot be a user name"),
        E::InvalidEmail => ("InvalidEmail", "the text is no e-mail address"),
        E::PasswordsDoNotMatch => ("PasswordsDoNotMatch", "the new password and its confirmation differ"),
        E::UserRequiresSecondFactor => ("UserRequiresSecondFactor", "staff must have a second factor"),
        E::NotAuthenticated => ("InvalidSession", "the session is missing, malformed, expired or revoked"),
        E::NoSuchSession => ("InvalidSession", "there is no such session"),
        E::InvalidPassword => ("InvalidPassword", "the password is wrong"),
        E::SecondFactorChallengeRequired(_) => {
            ("SecondFactorChallengeRequired", "the password is right: repeat the call with `2fa` in its place")
        }
        E::EndpointRequiresSecondFactor => (
            "EndpointRequiresSecondFactor",
            "the caller is staff without a second factor, or has not shown one in this session",
        ),
        E::InsufficientPermissions => {
            ("InsufficientPermissions", "the caller is not staff, the scopes do not cover it, or the page is foreign")
        }
        E::Banned => ("Banned", "the user is banned"),
        E::InvalidUser => ("InvalidUser", "there is no such user"),
        E::InvalidSecondFactor => ("InvalidSecondFactor", "there is no such second factor"),
        E::InvalidEndpoint => ("InvalidEndpoint", "there is nothing of this name"),
        E::UserExists => ("UserExists", "the user name or the address is taken"),
        E::TooManySessions => ("TooManySessions", "the user has as many sessions of the kind as one may have"),
        E::BodyTooLarge => ("BodyTooLarge", "the body is longer than 64 KiB"),
        E::TooManyIds => ("BodyTooLarge", "more than 50 `ids`"),
        E::RateLimited | E::Throttled(_) => ("RateLimited", "try again after `Retry-After`"),
        E::Internal => ("Internal", "the server is at fault; its log tells more"),
        E::SwitchedOff(_) => ("ServiceUnavailable", "with `feature`: a kill switch is on"),
        E::Unavailable => {
            ("ServiceUnavailable", "without `feature`: the database is away, or too much is waiting; see `Retry-After`")
        }
    }
}

pub(crate) fn component(error: &ApiError) -> String {
    format!("{}Error", name_and_meaning(error).0)
}

/// Their structures by name.
pub(crate) fn structures(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
    all().iter().map(|error| (component(error), schema(error, generator))).collect()
}

impl From<&ApiError> for DocumentedError {
    fn from(error: &ApiError) -> Self {
        let (name, meaning) = name_and_meaning(error);
        Self {
            status: error.status().as_u16(),
            name: name.to_owned(),
            example: example_name(error),
            meaning: meaning.to_owned(),
            component: component(error),
            body: error.to_json(),
        }
    }
}

/// The schema of an error's body: its code and its message are always the same.
fn schema(error: &ApiError, generator: &mut SchemaGenerator) -> Value {
    let body = error.to_json();
    let constant = |name: &str| json!({"type": "string", "const": body[name]});
    let mut properties = Map::new();
    properties.insert("code".to_owned(), constant("code"));
    properties.insert("message".to_owned(), constant("message"));
    let mut required = vec!["code", "message"];
    match error {
        ApiError::MissingFields(_) => {
            properties.insert("fields".to_owned(), json!({"type": "array", "items": {"type": "string"}}));
            required.push("fields");
        }
        ApiError::SwitchedOff(_) => {
            let mut schema = generator.subschema_for::<KillSwitchId>();
            schema.insert("description".to_owned(), json!("The kill switch that is on. Absent where it is an outage."));
            properties.insert("feature".to_owned(), schema.to_value());
        }
        ApiError::SecondFactorChallengeRequired(_) => {
            let kinds: Vec<_> = AnswerKind::ALL.into_iter().map(AnswerKind::name).chain(["passkey"]).collect();
            let fields = [
                (
                    "token",
                    json!({"type": "string", "description": "For `2fa`, or for `passkey` where that was asked for, within five minutes."}),
                ),
                ("exp", json!({"type": "integer", "description": "When it stops being good, in Unix seconds."})),
                (
                    "types",
                    json!({"type": "array", "items": {"enum": kinds}, "description": "What the user has. `passkey` stands alone, in place of the password, too."}),
                ),
            ];
            for (name, schema) in fields {
                properties.insert(name.to_owned(), schema);
                required.push(name);
            }
            let mut schema = webauthn_json::request_options(generator);
            schema.insert(
                "description".to_owned(),
                json!("What to ask the key, where `types` has `webauthn` or `passkey`."),
            );
            properties.insert("challenge".to_owned(), schema.to_value());
        }
        _ => {}
    }
    json!({"type": "object", "required": required, "properties": properties, "examples": [body]})
}

/// The two kinds of `ServiceUnavailable` have an example each.
fn example_name(error: &ApiError) -> String {
    match error {
        ApiError::SwitchedOff(switch) => switch.to_string(),
        ApiError::Unavailable => "Outage".to_owned(),
        other => name_and_meaning(other).0.to_owned(),
    }
}
