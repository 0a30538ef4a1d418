//! What the OpenAPI document says of this dialect, besides what its rows say of themselves.

pub(crate) mod errors;

use schemars::SchemaGenerator;
use serde_json::{Value, json};
use thunderhead_domain::authorization::{Access, Requirement, ScopeRule};
use thunderhead_domain::switch::KillSwitch;

use crate::access::dialect::DocumentedDialect;
use crate::access::endpoint::Endpoint;
use crate::api::error::ApiError;
use crate::api::identity::ProofOfIdentity;
use crate::api::{Api, tags};
use crate::openapi::doc::Tag;
use crate::openapi::errors::DocumentedError;
use crate::openapi::operation::path_parameters;
use crate::request::body::BodySchema;

impl DocumentedDialect for Api {
    const NAME: &'static str = "api";
    const TAGS: &'static [Tag] = tags::ALL;

    fn error_structures(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
        errors::structures(generator)
    }

    fn security(access: Access) -> Value {
        match access {
            Access::Public | Access::Open | Access::Guest | Access::GuestLogin | Access::Login => json!([]),
            Access::User(_) | Access::Staff(_) => json!([{"bearer": []}, {"token": []}, {"cookie": []}]),
        }
    }

    fn path_parameter(name: &str, path: &str) -> Option<Value> {
        let own = path.starts_with("/users/me/");
        let (text, schema) = match name {
            "uid" => {
                ("A user's id.", json!({"type": "string", "pattern": "^[0-9]{13}$", "examples": ["1767225600000"]}))
            }
            "sid" if own => (
                "A session's id, or `me` for the session in use.",
                json!({"type": "string", "pattern": "^(me|[1-9][0-9]*)$", "examples": ["1767225600", "me"]}),
            ),
            "sid" => (
                "The id of one of this user's sessions.",
                json!({"type": "string", "pattern": "^[1-9][0-9]*$", "examples": ["1767225600"]}),
            ),
            "fid" => (
                "A second factor's id.",
                json!({"type": "string", "format": "uuid", "examples": ["0191f2a4-8b1c-4def-8000-00000000002a"]}),
            ),
            "id" => ("The kill switch.", json!({"$ref": "#/components/schemas/KillSwitchId"})),
            _ => return None,
        };
        Some(json!({"name": name, "in": "path", "required": true, "description": text, "schema": schema}))
    }

    /// The proof of identity stands last in every body.
    fn required_body(requirement: &Requirement, generator: &mut SchemaGenerator) -> BodySchema {
        if !requirement.reverify {
            return BodySchema::default();
        }
        // Scoped sessions are excused, where they are allowed at all.
        let of_all = matches!(requirement.access, Access::User(ScopeRule::Never) | Access::Staff(ScopeRule::Never));
        ProofOfIdentity::schema(generator, of_all)
    }

    fn errors(endpoint: &Endpoint, body: &BodySchema, own: Vec<DocumentedError>) -> Vec<DocumentedError> {
        let documented = |errors: Vec<ApiError>| errors.into_iter().map(|error| DocumentedError::from(&error));
        let (before, after) = (errors_of_requirement(&endpoint.requirement, body), errors_of_path(endpoint.path));
        documented(before).chain(own).chain(documented(after)).collect()
    }
}

/// The errors that a requirement and a body bring with them, in the order of authorization.
pub(crate) fn errors_of_requirement(requirement: &Requirement, body: &BodySchema) -> Vec<ApiError> {
    use ApiError as E;
    let mut errors = vec![E::RateLimited];
    if requirement.access != Access::Open {
        errors.push(E::SwitchedOff(KillSwitch::Global));
        errors.extend(requirement.switches.iter().map(|switch| E::SwitchedOff(*switch)));
    }
    match requirement.access {
        Access::Public | Access::Open => {}
        Access::Guest | Access::GuestLogin | Access::Login => errors.extend([E::NotAuthenticated, E::Banned]),
        Access::User(_) => errors.extend([E::NotAuthenticated, E::Banned, E::InsufficientPermissions]),
        Access::Staff(_) => {
            errors.extend([E::NotAuthenticated, E::Banned, E::InsufficientPermissions, E::EndpointRequiresSecondFactor])
        }
    }
    if !body.is_empty() {
        errors.extend([E::BodyTooLarge, E::MissingFields(body.missing())]);
    }
    if body.has("2fa") {
        errors.extend([
            E::InvalidPassword,
            errors::challenge_required(),
            E::MalformedSecondFactor,
            E::InvalidSecondFactorMethod,
            E::RefusedSecondFactor,
        ]);
    }
    errors
}

/// What is answered where a path names nothing, and where the server is at fault.
pub(crate) fn errors_of_path(path: &str) -> Vec<ApiError> {
    let named = path_parameters(path).filter_map(|name| match name {
        "uid" => Some(ApiError::InvalidUser),
        "sid" => Some(ApiError::NoSuchSession),
        "fid" => Some(ApiError::InvalidSecondFactor),
        _ => None,
    });
    // What makes a path too long leads nowhere, and so does the id of no switch.
    let nowhere = path_parameters(path).next().map(|_| ApiError::InvalidEndpoint);
    named.chain(nowhere).chain([ApiError::Internal, ApiError::Unavailable]).collect()
}
