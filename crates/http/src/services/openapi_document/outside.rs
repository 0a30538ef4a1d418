//! The endpoints of the server outside of the API: they are in no table, so they are written down here.

use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::openapi::doc::Tag;
use crate::openapi::document::Part;
use crate::openapi::errors::{self, DocumentedError};
use crate::openapi::headers::uncounted;
use crate::roots::RootEndpoint;

const SERVER: Tag =
    Tag { name: "Server", text: "Not part of the API: not counted by its limits, not shut by kill switches." };

/// One of them.
struct Page {
    id: &'static str,
    summary: &'static str,
    text: &'static str,
    content: Value,
    /// What may go wrong: the shield against floods leaves health alone.
    error: ApiError,
}

pub(super) fn part() -> Part {
    let pages = RootEndpoint::ALL.into_iter().filter_map(|endpoint| Some((endpoint, page(endpoint)?)));
    let paths =
        pages.map(|(endpoint, page)| (endpoint.path().to_owned(), json!({"get": get(&page), "head": head(&page)})));
    Part { name: "server", tags: &[SERVER], paths: paths.collect(), error_structures: vec![], answer_prefix: "" }
}

/// `None` for what is described in `docs/API.md` alone.
fn page(endpoint: RootEndpoint) -> Option<Page> {
    let status = |word: &str| {
        let schema = json!({"type": "object", "required": ["status"], "properties": {"status": {"const": word}}});
        json!({"application/json": {"schema": schema, "example": {"status": word}}})
    };
    Some(match endpoint {
        RootEndpoint::Index
        | RootEndpoint::DocumentStyle
        | RootEndpoint::DocumentScript
        | RootEndpoint::Introspect
        | RootEndpoint::ForwardAuth => return None,
        RootEndpoint::HealthLive => Page {
            id: "HealthLive",
            summary: "See whether the server lives",
            text: "For supervisors: whatever becomes of the database.",
            content: status("alive"),
            error: ApiError::Internal,
        },
        RootEndpoint::HealthReady => Page {
            id: "HealthReady",
            summary: "See whether the server can work",
            text: "For load balancers: asks the database. `writes` is false where it takes no changes; where the setting \
                   `health.ready_needs_writes` is true, that is a 503.",
            content: readiness(),
            error: ApiError::Unavailable,
        },
        RootEndpoint::Jwks => Page {
            id: "Jwks",
            summary: "Get the public signing keys",
            text: "A JWK set (RFC 7517). A good signature does not say that the session is still live.",
            content: jwks(),
            error: ApiError::RateLimited,
        },
        RootEndpoint::Document => Page {
            id: "OpenApi",
            summary: "Get this document",
            text: "",
            content: json!({"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}}),
            error: ApiError::RateLimited,
        },
        RootEndpoint::DocumentPage => Page {
            id: "Docs",
            summary: "Read this document",
            text: "",
            content: json!({"text/html": {"schema": {"type": "string"}}}),
            error: ApiError::RateLimited,
        },
    })
}

fn readiness() -> Value {
    let properties = json!({"status": {"const": "ready"}, "writes": {"type": "boolean"}});
    let schema = json!({"type": "object", "required": ["status", "writes"], "properties": properties});
    json!({"application/json": {"schema": schema, "example": {"status": "ready", "writes": true}}})
}

fn jwks() -> Value {
    let text = json!({"type": "string"});
    let key = json!({
        "type": "object",
        "required": ["kty", "crv", "x", "y", "alg", "use", "kid"],
        "properties": {
            "kty": {"const": "EC"},
            "crv": {"const": "P-256"},
            "x": text,
            "y": text,
            "alg": {"const": "ES256"},
            "use": {"const": "sig"},
            "kid": text,
        },
    });
    let properties = json!({"keys": {"type": "array", "items": key}});
    json!({"application/json": {"schema": {"type": "object", "required": ["keys"], "properties": properties}}})
}

fn get(page: &Page) -> Value {
    let mut responses = Map::new();
    let success = json!({"description": "Success.", "headers": uncounted(&[]), "content": page.content});
    responses.insert("200".to_owned(), success);
    for (status, mut answer) in errors::answers(&[DocumentedError::from(&page.error)]) {
        answer["headers"] = match status.as_str() {
            "429" | "503" => uncounted(&["Retry-After"]),
            _ => uncounted(&[]),
        };
        responses.insert(status, answer);
    }
    json!({
        "tags": [SERVER.name],
        "summary": page.summary,
        "description": page.text,
        "operationId": format!("get{}", page.id),
        "security": [],
        "responses": responses,
    })
}

fn head(page: &Page) -> Value {
    let mut operation = get(page);
    operation["operationId"] = json!(format!("head{}", page.id));
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (status, answer) in responses {
            *answer = errors::without_body(status, answer);
        }
    }
    operation
}
