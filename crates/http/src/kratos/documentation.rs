//! What the OpenAPI document says of this dialect, besides what its rows say of themselves.

mod errors;

use actix_web::http::Method;
use schemars::SchemaGenerator;
use serde_json::{Value, json};
use thunderhead_domain::authorization::{Access, ScopeRule};
use thunderhead_domain::switch::KillSwitch;

use crate::access::dialect::DocumentedDialect;
use crate::access::endpoint::Endpoint;
use crate::access::limit_class::RateLimitClass;
use crate::kratos::error::KratosError;
use crate::kratos::{Kratos, docs};
use crate::openapi::doc::Tag;
use crate::openapi::errors::DocumentedError;
use crate::openapi::operation::path_parameters;
use crate::request::body::BodySchema;

impl DocumentedDialect for Kratos {
    const NAME: &'static str = "kratos";
    const TAGS: &'static [Tag] = &[docs::OWN, docs::STAFF];
    const STAFF: &'static str = "For staff whose session was proved by a second factor; without one it is a 403.";

    fn error_structures(generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
        vec![(errors::COMPONENT.to_owned(), errors::schema(generator))]
    }

    fn operation_prefix(_path: &str) -> &'static str {
        "kratos"
    }

    fn security(access: Access) -> Value {
        match access {
            Access::Public | Access::Open | Access::Guest | Access::GuestLogin => json!([]),
            Access::Login => json!([{}, {"sessionToken": []}, {"cookie": []}]),
            Access::User(_) => json!([{"sessionToken": []}, {"cookie": []}, {"bearer": []}]),
            Access::Staff(_) => json!([{"bearer": []}, {"token": []}]),
        }
    }

    fn path_parameter(name: &str, path: &str) -> Option<Value> {
        let text = if path.contains("identities") { "A user's uuid." } else { "A session's uuid." };
        let schema = json!({"type": "string", "format": "uuid", "examples": ["6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20"]});
        Some(json!({"name": name, "in": "path", "required": true, "description": text, "schema": schema}))
    }

    fn errors(endpoint: &Endpoint, body: &BodySchema, own: Vec<DocumentedError>) -> Vec<DocumentedError> {
        use KratosError as E;
        let requirement = &endpoint.requirement;
        let mut errors = vec![E::RateLimited];
        let is_shut_by_switches = match requirement.access {
            Access::Open => false,
            // Flows are begun under every switch: staff log in with them.
            Access::Login => matches!(endpoint.limit_class, RateLimitClass::Login(_)),
            Access::Public | Access::Guest | Access::GuestLogin | Access::User(_) | Access::Staff(_) => true,
        };
        if is_shut_by_switches {
            errors.push(E::SwitchedOff(KillSwitch::Global));
            errors.extend(requirement.switches.iter().map(|switch| E::SwitchedOff(*switch)));
        }
        match requirement.access {
            Access::Public | Access::Open => {}
            Access::Guest | Access::GuestLogin | Access::Login => errors.extend([E::Unauthenticated, E::ScopeMissing]),
            Access::User(scope) => {
                errors.extend([E::Unauthenticated, E::SecondFactorPending]);
                if endpoint.method.as_ref().is_some_and(|method| *method != Method::GET) {
                    errors.push(E::CrossSite);
                }
                if scope != ScopeRule::Any {
                    errors.push(E::ScopeMissing);
                }
            }
            Access::Staff(_) => errors.extend([
                E::Unauthenticated,
                E::SecondFactorPending,
                E::NotStaff,
                E::StaffFactorMissing,
                E::ScopeMissing,
            ]),
        }
        if !body.is_empty() {
            errors.push(E::BodyTooLarge);
        }
        if path_parameters(endpoint.path).next().is_some() {
            errors.push(E::Malformed("id", "a UUID"));
        }
        let documented = |errors: Vec<E>| errors.into_iter().map(|error| DocumentedError::from(&error));
        documented(errors).chain(own).chain(documented(vec![E::Internal, E::Unavailable])).collect()
    }
}
