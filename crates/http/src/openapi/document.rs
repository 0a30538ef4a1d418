//! The document as a whole: what it says before and behind its paths.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::api::schemas;
use crate::legacy;
use crate::openapi::doc::Tag;
use crate::openapi::{Mount, errors, headers, operation, schema};
use crate::request::cookie::SessionCookie;
use crate::services;

const INTRODUCTION: &str = "\
Sessions that can be seen and ended, tokens that can do only some things, and doors that can be shut.

Requests and answers are JSON. A path with a slash at its end is the same path. `Authorization` carries the token, \
bare or behind `Bearer`; where it is absent, the session cookie counts, for changes only from this site or a \
configured origin. Every answer carries `X-Request-ID`; every error is an object with `code` and `message`; \
what is said here is said of the current dialect, and the Kratos dialect has rules of its own. A method \
that a path does not have is answered with 405, `Allow` and `InvalidEndpoint`; a path that does not exist with 404 and \
`InvalidEndpoint`.

A request with several faults is answered with the first of: its limit (429), a kill switch (503), the session (401), \
a ban (403), staff and its second factor (403, 401), the scope (403), the body (400, 413), the proof of identity (400, \
401), and the thing itself (404). A field that is optional may be null.";

/// The document for a server with these dialects.
pub(crate) fn document(mounts: &[Mount<'_>]) -> Value {
    let mut generator = schema::generator();
    let mut paths = paths(mounts, &mut generator);
    legacy::document::adapt(&mut paths);
    let mut answers = share_answers(&mut paths);
    answers.insert("NoSuchEndpoint".to_owned(), nowhere(404));
    answers.insert("MethodNotAllowed".to_owned(), nowhere(405));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Thunderhead",
            "description": INTRODUCTION,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": Tag::ALL.map(|tag| json!({"name": tag.name(), "description": tag.text()})),
        "paths": paths,
        "components": {
            "schemas": component_schemas(&mut generator),
            "headers": headers::components(),
            "responses": answers,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The bare token.",
                },
                "sessionToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Session-Token",
                    "description": "The token, for the endpoints of the Kratos dialect.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": SessionCookie::Secure.name(),
                    "description": "Read where there is no `Authorization`.",
                },
            },
        },
    })
}

/// Every row at its path, in the order of the tables, and behind them what is outside of the API.
fn paths(mounts: &[Mount<'_>], generator: &mut SchemaGenerator) -> Value {
    let mut paths = Map::new();
    for mount in mounts {
        for endpoint in &mount.table {
            let item = paths.entry(full_path(mount.base_path, endpoint.path)).or_insert_with(|| json!({}));
            if let Some(item) = item.as_object_mut() {
                item.extend(operation::operations(endpoint, mount.dialect, generator));
            }
        }
    }
    paths.extend(services::docs::paths());
    Value::Object(paths)
}

/// Replaces the errors that many rows have in common by references to components, which it returns. Otherwise most
/// of the document would be repetition.
fn share_answers(paths: &mut Value) -> Map<String, Value> {
    let mut shared = Map::new();
    let operations = paths.as_object_mut().into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(Map::values_mut) {
        for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
            let Some(name) = errors::shared_name(status, answer) else { continue };
            // Where another answer has the name, this one stays where it is.
            if shared.entry(name.clone()).or_insert_with(|| answer.clone()) == answer {
                *answer = json!({"$ref": format!("#/components/responses/{name}")});
            }
        }
    }
    shared
}

/// Where a row is found. Without a base path the empty one is the root.
pub(crate) fn full_path(base_path: &str, path: &str) -> String {
    if base_path.is_empty() && path.is_empty() { "/".to_owned() } else { format!("{base_path}{path}") }
}

fn component_schemas(generator: &mut SchemaGenerator) -> Value {
    let structures = schemas::all().into_iter().map(|(name, schema)| (name.to_owned(), schema));
    let structures = structures.chain(schema::components(generator));
    Value::Object(structures.chain(errors::components()).chain(legacy::document::components()).collect::<Map<_, _>>())
}

/// The answer where there is no endpoint, which belongs to no operation.
fn nowhere(status: u16) -> Value {
    let mut answers = errors::answers(&[ApiError::InvalidEndpoint]);
    let mut answer = answers.pop().map_or(Value::Null, |(_, answer)| answer);
    answer["headers"] = headers::of_status(status);
    answer
}
