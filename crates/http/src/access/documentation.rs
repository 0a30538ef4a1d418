//! What the OpenAPI document says of a dialect: its rows with what their requirements tell, and its structures.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use thunderhead_domain::authorization::{Access, Requirement, ScopeRule};
use thunderhead_domain::switch::KillSwitch;

use crate::access::dialect::{DocumentedDialect, HttpDialect};
use crate::access::endpoint::Endpoint;
use crate::access::limit_class::RateLimitClass;
use crate::openapi::document::{Part, add};
use crate::openapi::operation::{Operation, path_parameters};

/// A dialect that is mounted at this place.
pub(crate) fn part<D: HttpDialect + DocumentedDialect>(place: &str, generator: &mut SchemaGenerator) -> Part {
    let mut paths = Map::new();
    for endpoint in D::table() {
        let operation = operation::<D>(&endpoint, generator);
        add(&mut paths, place, &operation, generator);
    }
    Part {
        name: D::NAME,
        tags: D::TAGS,
        paths,
        error_structures: D::error_structures(generator),
        answer_prefix: D::ANSWER_PREFIX,
    }
}

fn operation<D: DocumentedDialect>(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Operation {
    let Endpoint { requirement, limit_class, path, .. } = endpoint;
    let mut doc = (endpoint.doc)();
    let named = path_parameters(path).filter_map(|name| D::path_parameter(name, path));
    doc.parameters.splice(..0, named);
    let body = (doc.body)(generator).and(&D::required_body(requirement, generator));
    doc.errors = D::errors(endpoint, &body, doc.errors);
    Operation {
        method: endpoint.method.clone(),
        path,
        id_prefix: D::operation_prefix(path),
        description: description(requirement, *limit_class, D::STAFF, doc.text),
        requirement: requirement_as_json(requirement, *limit_class),
        security: D::security(requirement.access),
        doc,
        body,
        body_content: D::body_content,
        headers: D::ANSWER_HEADERS,
        deprecated: D::DEPRECATED,
    }
}

fn description(requirement: &Requirement, limit_class: RateLimitClass, staff: &str, text: &str) -> String {
    let access = match requirement.access {
        Access::Public => "For everybody.".to_owned(),
        Access::Open => "For everybody, under every kill switch.".to_owned(),
        Access::Guest | Access::GuestLogin => {
            "For those who carry no session: a valid one is answered with `InvalidSession`.".to_owned()
        }
        Access::Login => "For those who log in, whatever session they carry.".to_owned(),
        Access::User(scope) => format!("For users. {}", scope_sentence(scope)),
        Access::Staff(scope) => format!("{staff} {}", scope_sentence(scope)),
    };
    let mut sentences = vec![access];
    if requirement.reverify {
        let excused = match requirement.access {
            Access::User(ScopeRule::Never) | Access::Staff(ScopeRule::Never) => "",
            _ => "; a scoped session sends neither",
        };
        sentences.push(format!(
            "An ordinary session proves its user's identity with `password`, or with `2fa` or `passkey`{excused}."
        ));
    }
    if let Some(names) = listed(requirement.switches) {
        sentences.push(format!("Shut by the kill switch {names}."));
    }
    sentences.extend(match limit_class {
        RateLimitClass::General | RateLimitClass::Client => None,
        RateLimitClass::Login(_) => Some(
            "Counted by the limit of logins, per client address, where a password is submitted; the answer to its \
             challenge is counted like everything else."
                .to_owned(),
        ),
        RateLimitClass::Revocation => Some("Counted by the limit of revocations, per session.".to_owned()),
        RateLimitClass::RevocationByToken(_) => {
            Some("Counted by the limit of revocations, per session that the token stands for.".to_owned())
        }
    });
    let required = sentences.join(" ");
    if text.is_empty() { required } else { format!("{text}\n\n{required}") }
}

fn scope_sentence(scope: ScopeRule) -> String {
    match scope {
        ScopeRule::Never => "Not for scoped sessions.".to_owned(),
        ScopeRule::Any => "Scoped sessions need no particular scope.".to_owned(),
        ScopeRule::Needs(scope) => format!("A scoped session needs `{scope}`."),
    }
}

fn listed(switches: &[KillSwitch]) -> Option<String> {
    let names: Vec<_> = switches.iter().map(|switch| format!("`{switch}`")).collect();
    if names.is_empty() { None } else { Some(names.join(" or ")) }
}

/// The same for programs.
fn requirement_as_json(requirement: &Requirement, limit_class: RateLimitClass) -> Value {
    let (access, scope) = match requirement.access {
        Access::Public => ("public", None),
        Access::Open => ("open", None),
        Access::Guest | Access::GuestLogin => ("guest", None),
        Access::Login => ("login", None),
        Access::User(scope) => ("user", Some(scope)),
        Access::Staff(scope) => ("staff", Some(scope)),
    };
    let scope = scope.map(|scope| match scope {
        ScopeRule::Never => "never",
        ScopeRule::Any => "any",
        ScopeRule::Needs(scope) => scope.name(),
    });
    json!({
        "access": access,
        "scope": scope,
        "reverify": requirement.reverify,
        "killSwitches": requirement.switches.iter().map(|switch| switch.name()).collect::<Vec<_>>(),
        "limit": match limit_class {
            RateLimitClass::General | RateLimitClass::Client => "general",
            RateLimitClass::Login(_) => "login",
            RateLimitClass::Revocation | RateLimitClass::RevocationByToken(_) => "revocation",
        },
    })
}
