//! The endpoints of the server outside of the API: they are in no table, so they are written down here.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use thunderhead_domain::switch::KillSwitch;

use crate::api::error::ApiError;
use crate::identity_headers::IdentityHeader;
use crate::openapi::doc::Tag;
use crate::openapi::document::Part;
use crate::openapi::headers::uncounted;
use crate::openapi::parameters::query;
use crate::roots::RootEndpoint;
use crate::services::openapi_document::errors::errors_of;
use crate::services::openapi_document::events;
use crate::services::openapi_document::oauth::{self, SERVICES};

const SERVER: Tag =
    Tag { name: "Server", text: "Not part of the API: not counted by its limits, not shut by kill switches." };

pub(super) fn part(generator: &mut SchemaGenerator) -> Part {
    let mut paths = Map::new();
    for endpoint in RootEndpoint::ALL {
        if let Some(operation) = operation(endpoint, generator) {
            let method = endpoint.success().0.as_str().to_ascii_lowercase();
            paths.insert(endpoint.path().to_owned(), json!({ method: operation }));
        }
    }
    Part { name: "server", tags: &[SERVICES, SERVER], paths, error_structures: vec![], answer_prefix: "" }
}

/// `None` for the start page, which is for people alone, and for what a page is made of.
fn operation(endpoint: RootEndpoint, generator: &mut SchemaGenerator) -> Option<Value> {
    Some(match endpoint {
        RootEndpoint::Index | RootEndpoint::DocumentStyle | RootEndpoint::DocumentScript => return None,
        RootEndpoint::HealthLive => read(
            ["getLiveness", "See whether the server lives", "For supervisors: whatever becomes of the database."],
            &status("alive"),
            &ApiError::Internal,
        ),
        RootEndpoint::HealthReady => read(
            [
                "getReadiness",
                "See whether the server can work",
                "For load balancers: asks the database. `writes` is false where it takes no changes; where the setting \
                 `health.ready_needs_writes` is true, that is a 503.",
            ],
            &readiness(),
            &ApiError::Unavailable,
        ),
        RootEndpoint::Jwks => read(
            [
                "getSigningKeys",
                "Get the public signing keys",
                "A JWK set (RFC 7517). A good signature does not say that the session is still live.",
            ],
            &jwks(),
            &ApiError::RateLimited,
        ),
        RootEndpoint::Metadata => oauth::metadata(generator),
        RootEndpoint::Document => {
            let properties = json!({"openapi": {"type": "string"}, "paths": {"type": "object"}});
            let schema = json!({"type": "object", "required": ["openapi", "paths"], "properties": properties});
            read(
                ["getDocument", "Get this document", "For programs."],
                &json!({"application/json": {"schema": schema}}),
                &ApiError::RateLimited,
            )
        }
        RootEndpoint::DocumentPage => read(
            ["getDocumentPage", "Read this document", "For people."],
            &json!({"text/html": {"schema": {"type": "string"}}}),
            &ApiError::RateLimited,
        ),
        RootEndpoint::Introspect => oauth::introspect(generator),
        RootEndpoint::Revoke => oauth::revoke(generator),
        RootEndpoint::Events => events::read(generator),
        RootEndpoint::ForwardAuth => forward_auth(),
    })
}

/// An operation that takes nothing, and what may go wrong: the shield against floods leaves health alone.
fn read([id, summary, text]: [&str; 3], content: &Value, error: &ApiError) -> Value {
    let success = json!({"description": "Success.", "headers": uncounted(&[]), "content": content});
    let responses: Map<_, _> = [("200".to_owned(), success)].into_iter().chain(errors_of(&[error])).collect();
    json!({
        "tags": [SERVER.name],
        "summary": summary,
        "description": text,
        "operationId": id,
        "security": [],
        "responses": responses,
    })
}

fn forward_auth() -> Value {
    let told = IdentityHeader::ALL.map(IdentityHeader::default_name);
    let answer = |text: &str, more: &[&str]| json!({"description": text, "headers": uncounted(more)});
    let switches = KillSwitch::TABLE.map(|(_, name)| name);
    let scopes = "Names of scopes, separated by spaces, all of which must be held: see `PermissionFlags`.";
    let staff = "Whether only staff may pass, with a session of all rights or the staff scopes that `scope` names.";
    let switch = "A kill switch that must be off: see `KillSwitchId`.";
    let max_age = "All that the account asks for must have been shown in the session within so many seconds.";
    let factor = "Whether a second factor must have been shown in the session.";
    let login = "How a browser that shows a page is led to the pages, where its session is missing or not proved so: by \
                 a redirect, or by a `Location` beside the 401.";
    json!({
        "tags": [SERVICES.name],
        "summary": "Ask whether a request may pass",
        "description": "For proxies, with the credential of the request that they ask about. What is not understood – \
                        another parameter, another spelling – is a 403 for everybody. What a session cookie may do \
                        depends on the method and the address of that request, which the proxy tells. Envoy asks the \
                        same below `/forward-auth/envoy/`, and is answered 200 for 204. What the \
                        headers of the answer are called is a setting.",
        "operationId": "forwardAuth",
        "security": [{"bearer": []}, {"token": []}, {"sessionToken": []}, {"cookie": []}, {"pass": []}],
        "parameters": [
            query("scope", scopes, json!({"type": "string", "minLength": 1}), "UPLOAD_FILE"),
            query("staff", staff, json!({"type": "boolean", "default": false}), false),
            query("switch", switch, json!({"type": "string", "enum": switches}), "FILE_CREATE"),
            query("max_age", max_age, json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), 600),
            query("factor", factor, json!({"type": "boolean", "default": false}), false),
            query("login", login, json!({"type": "string", "enum": ["302", "401"]}), "302"),
        ],
        "responses": {
            "204": answer("The request may pass.", &told),
            "302": answer("A browser is led to where its user signs in, or confirms who they are.", &["Location"]),
            "401": answer(
                "The credential is missing, stands for no live session, or for one that is not proved as it must be.",
                &["WWW-Authenticate", "Location"],
            ),
            "403": answer("The session may not do that, or the question is not understood.", &[]),
            "503": answer("The kill switch or `GLOBAL` is on, or the database is away.", &["Retry-After"]),
        },
    })
}

fn status(word: &str) -> Value {
    let schema = json!({"type": "object", "required": ["status"], "properties": {"status": {"const": word}}});
    json!({"application/json": {"schema": schema, "example": {"status": word}}})
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
