//! One row of the route table as the operations of a path. Whatever the row's demand and path tell is told from
//! them: security, reverification, parameters, and the errors that come with each.

use actix_web::http::Method;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use thunderhead_domain::authorization::{Access, Requirement, ScopeRule};
use thunderhead_domain::switch::KillSwitch;

use crate::access::limit_class::RateLimitClass;
use crate::access::route::Endpoint;
use crate::api::error::ApiError;
use crate::api::identity::ProofOfIdentity;
use crate::kratos::error::KratosError;
use crate::openapi::doc::Doc;
use crate::openapi::errors::DocumentedError;
use crate::openapi::{Dialect, errors, headers, parameters};
use crate::request::body::BodySchema;

/// What a row that is for any method is documented with.
const ANY: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The operations of a row by their methods, in small letters: HEAD stands beside GET.
pub(crate) fn operations(
    endpoint: &Endpoint,
    dialect: Dialect,
    generator: &mut SchemaGenerator,
) -> Vec<(String, Value)> {
    let methods = match &endpoint.method {
        None => ANY.to_vec(),
        Some(method) if *method == Method::GET => vec![Method::GET, Method::HEAD],
        Some(method) => vec![method.clone()],
    };
    let operation =
        |method: Method| (method.as_str().to_ascii_lowercase(), operation(endpoint, &method, dialect, generator));
    methods.into_iter().map(operation).collect()
}

/// The names of the parameters in a path.
pub(crate) fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn operation(endpoint: &Endpoint, method: &Method, dialect: Dialect, generator: &mut SchemaGenerator) -> Value {
    let mut doc = (endpoint.doc)();
    let requirement = &endpoint.requirement;
    let body = body_schema(requirement, &doc, generator);
    let names = path_parameters(endpoint.path);
    let (mut parameters, errors): (Vec<Value>, Vec<DocumentedError>) = match dialect {
        Dialect::Current => {
            let named: Vec<_> = names.filter_map(|name| parameters::of_path(name, endpoint.path)).collect();
            let errors = errors_of(requirement, &doc, &body, named.iter().map(|(_, error)| error.clone()));
            (
                named.into_iter().map(|(parameter, _)| parameter).collect(),
                errors.iter().map(DocumentedError::from).collect(),
            )
        }
        Dialect::Kratos => {
            let named = names.map(|name| parameters::of_kratos_path(name, endpoint.path)).collect();
            (
                named,
                kratos_errors_of(endpoint, std::mem::take(&mut doc.kratos_errors), !body.is_empty())
                    .iter()
                    .map(DocumentedError::from)
                    .collect(),
            )
        }
    };
    parameters.extend(doc.parameters.iter().cloned());

    let mut operation = Map::new();
    let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
    put("tags", json!([doc.tag.name()]));
    put("summary", json!(doc.summary));
    put("description", json!(description(requirement, endpoint.limit_class, doc.text, dialect)));
    put("operationId", json!(operation_id(method, endpoint.path, dialect)));
    put("x-demand", demand_as_json(requirement, endpoint.limit_class));
    put("security", security(requirement.access, dialect));
    if !parameters.is_empty() {
        put("parameters", Value::Array(parameters));
    }
    if !body.is_empty() {
        put("requestBody", body.to_json(generator));
    }
    put("responses", responses(method, &doc, &errors));
    Value::Object(operation)
}

/// `getUsersMeSessions`, and the like.
fn operation_id(method: &Method, path: &str, dialect: Dialect) -> String {
    let prefix = match dialect {
        Dialect::Current => "",
        Dialect::Kratos => "kratos",
    };
    let words = [prefix].into_iter().chain(path.split(['/', '{', '}', '-'])).filter(|word| !word.is_empty());
    words.fold(method.as_str().to_ascii_lowercase(), |id, word| {
        let (first, rest) = word.split_at(word.len().min(1));
        id + &first.to_ascii_uppercase() + rest
    })
}

fn description(requirement: &Requirement, limit_class: RateLimitClass, text: &str, dialect: Dialect) -> String {
    let access = match requirement.access {
        Access::Public => "For everybody.".to_owned(),
        Access::Guest | Access::GuestLogin => {
            "For those who carry no session: a valid one is answered with `InvalidSession`.".to_owned()
        }
        Access::Login => "For those who log in, whatever session they carry.".to_owned(),
        Access::Staff(scope) if dialect == Dialect::Kratos => {
            let sentence = scope_sentence(scope);
            format!("For staff whose session was proved by a second factor; without one it is a 403. {sentence}")
        }
        Access::User(scope) => format!("For users. {}", scope_sentence(scope)),
        Access::Staff(scope) => {
            format!("For staff whose session was proved by a second factor. {}", scope_sentence(scope))
        }
    };
    let mut sentences = vec![access];
    if requirement.reverify {
        sentences.push("An ordinary session proves its user's identity with `password`, or with `2fa`.".to_owned());
    }
    if let Some(names) = listed(requirement.switches) {
        sentences.push(format!("Shut by the kill switch {names}."));
    }
    sentences.extend(match limit_class {
        RateLimitClass::General => None,
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
    let demanded = sentences.join(" ");
    if text.is_empty() { demanded } else { format!("{text}\n\n{demanded}") }
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

/// The same for machines.
fn demand_as_json(requirement: &Requirement, limit_class: RateLimitClass) -> Value {
    let (access, scope) = match requirement.access {
        Access::Public => ("anyone", None),
        Access::Guest | Access::GuestLogin => ("visitor", None),
        Access::Login => ("entrant", None),
        Access::User(scope) => ("user", Some(scope)),
        Access::Staff(scope) => ("staff", Some(scope)),
    };
    let scope = scope.map(|scope| match scope {
        ScopeRule::Never => "never",
        ScopeRule::Any => "any",
        ScopeRule::Needs(scope) => scope.name(),
    });
    json!({
        "who": access,
        "scope": scope,
        "reverify": requirement.reverify,
        "killSwitches": requirement.switches.iter().map(|switch| switch.name()).collect::<Vec<_>>(),
        "limit": match limit_class {
            RateLimitClass::General => "general",
            RateLimitClass::Login(_) => "login",
            RateLimitClass::Revocation | RateLimitClass::RevocationByToken(_) => "revocation",
        },
    })
}

fn security(access: Access, dialect: Dialect) -> Value {
    match (access, dialect) {
        (Access::Login, Dialect::Kratos) => json!([{}, {"sessionToken": []}, {"cookie": []}]),
        (Access::Public | Access::Guest | Access::GuestLogin | Access::Login, _) => json!([]),
        (Access::Staff(_), Dialect::Kratos) => json!([{"bearer": []}, {"token": []}]),
        (Access::User(_), Dialect::Kratos) => json!([{"sessionToken": []}, {"cookie": []}, {"bearer": []}]),
        (Access::User(_) | Access::Staff(_), Dialect::Current) => {
            json!([{"bearer": []}, {"token": []}, {"cookie": []}])
        }
    }
}

/// The row's own fields, and the proof of identity where it is asked for: it stands last in every body.
fn body_schema(requirement: &Requirement, doc: &Doc, generator: &mut SchemaGenerator) -> BodySchema {
    let body = (doc.body)(generator);
    if !requirement.reverify {
        return body;
    }
    // Scoped sessions are excused, where they are allowed at all.
    let owed_by_all = matches!(requirement.access, Access::User(ScopeRule::Never) | Access::Staff(ScopeRule::Never));
    body.and(ProofOfIdentity::schema(generator, owed_by_all))
}

/// Every error that the row can be answered with, in the order of authorization.
fn errors_of(
    requirement: &Requirement,
    doc: &Doc,
    body: &BodySchema,
    named: impl Iterator<Item = ApiError>,
) -> Vec<ApiError> {
    use ApiError as E;
    let mut errors = vec![E::RateLimited];
    errors.push(E::SwitchedOff(KillSwitch::Global));
    errors.extend(requirement.switches.iter().map(|switch| E::SwitchedOff(*switch)));
    match requirement.access {
        Access::Public => {}
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
            crate::openapi::errors::challenge_required(),
            E::MalformedSecondFactor,
            E::InvalidSecondFactorMethod,
            E::RefusedSecondFactor,
        ]);
    }
    errors.extend(doc.errors.iter().cloned());
    errors.extend(named);
    errors.extend([E::Internal, E::Unavailable]);
    errors
}

/// The same in the Kratos dialect.
fn kratos_errors_of(endpoint: &Endpoint, own: Vec<KratosError>, has_body: bool) -> Vec<KratosError> {
    use KratosError as E;
    let requirement = &endpoint.requirement;
    let mut errors = vec![E::RateLimited];
    // Flows are begun under every switch: staff log in with them.
    if requirement.access != Access::Login || matches!(endpoint.limit_class, RateLimitClass::Login(_)) {
        errors.push(E::SwitchedOff(KillSwitch::Global));
        errors.extend(requirement.switches.iter().map(|switch| E::SwitchedOff(*switch)));
    }
    match requirement.access {
        Access::Public => {}
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
    if has_body {
        errors.push(E::BodyTooLarge);
    }
    if path_parameters(endpoint.path).next().is_some() {
        errors.push(E::Malformed("id", "a UUID"));
    }
    errors.extend(own);
    errors.extend([E::Internal, E::Unavailable]);
    errors
}

/// Success first. The answer to HEAD has the same statuses and headers, and no body.
fn responses(method: &Method, doc: &Doc, errors: &[DocumentedError]) -> Value {
    let success = doc.success;
    let headers = headers::of_success(success.status.as_u16(), success.headers);
    let mut answer = json!({"description": success.text, "headers": headers});
    if !success.schema.is_empty() {
        let schema = json!({"$ref": format!("#/components/schemas/{}", success.schema)});
        answer["content"] = json!({"application/json": {"schema": schema}});
    }
    let mut answers = vec![(success.status.as_str().to_owned(), answer)];
    answers.extend(errors::told(errors));
    if *method == Method::HEAD {
        for (status, answer) in &mut answers {
            *answer = errors::without_body(status, answer);
        }
    }
    Value::Object(answers.into_iter().collect())
}
