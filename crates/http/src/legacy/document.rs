//! What the operations of the legacy dialect have in common: they are deprecated, take forms beside JSON, say some
//! errors in other words, and carry headers of their own.

use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::legacy::error::LegacyError;
use crate::openapi::doc::Tag;
use crate::openapi::errors;

const HEADERS: [&str; 5] = ["Deprecation", "Link", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];
const MISSING: &str = "LegacySessionNotFoundError";

/// Adapts those operations among all paths that are of this dialect.
pub(crate) fn adapt(paths: &mut Value) {
    for (path, item) in paths.as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if operation["tags"][0] == Tag::Legacy.name() {
                operation["deprecated"] = json!(true);
                if let Some(body) = operation.get_mut("requestBody") {
                    accept_forms(body);
                }
                for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
                    add_headers(answer);
                    reword(answer);
                    if status == "404" && lacks_session(method, path) {
                        tell_missing_session(answer);
                    }
                }
            }
        }
    }
}

/// Whether the old pages name an error of its own for a session that is not there.
fn lacks_session(method: &str, path: &str) -> bool {
    path.ends_with("/session/{sid}") && (method == "delete") != path.contains("{uid}")
}

/// The same fields as texts. Objects are JSON in a text.
fn accept_forms(body: &mut Value) {
    let Some(content) = body.get_mut("content").and_then(Value::as_object_mut) else { return };
    let Some(mut form) = content.get("application/json").cloned() else { return };
    if let Some(remember) = form.pointer_mut("/schema/properties/rememberMe") {
        *remember = json!({"type": "string", "enum": ["true", "false"], "description": remember["description"]});
        form["example"]["rememberMe"] = json!("true");
        form["encoding"] = json!({"2fa": {"contentType": "application/json"}});
    }
    for kind in FORMS {
        content.insert(kind.to_owned(), form.clone());
    }
}

fn add_headers(answer: &mut Value) {
    for name in HEADERS {
        answer["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
}

/// Replaces what the current dialect says in an answer by what this one says.
fn reword(answer: &mut Value) {
    let Some(content) = answer.pointer_mut("/content/application~1json") else { return };
    for (error, own) in reworded() {
        let (was, is) = (error.to_json(), own.to_json());
        let examples = content.get_mut("examples").and_then(Value::as_object_mut);
        let examples = examples.into_iter().flat_map(Map::values_mut);
        examples.filter(|example| example["value"] == was).for_each(|example| example["value"] = is.clone());
        replace_reference(&mut content["schema"], &errors::component(&error), &component(&error));
    }
}

/// Replaces the session that there is not.
fn tell_missing_session(answer: &mut Value) {
    let Some(content) = answer.pointer_mut("/content/application~1json") else { return };
    if let Some(examples) = content["examples"].as_object_mut() {
        examples.shift_remove("InvalidSession");
        examples.insert("SessionMissing".to_owned(), json!({"value": LegacyError::SessionMissing.to_json()}));
    }
    replace_reference(&mut content["schema"], &errors::component(&ApiError::NoSuchSession), MISSING);
    let text = answer["description"].as_str().unwrap_or_default().replace("`InvalidSession`", "`SessionMissing`");
    answer["description"] = json!(text);
}

/// The errors with other messages.
fn reworded() -> Vec<(ApiError, LegacyError)> {
    let all = errors::all().into_iter().map(|error| (error.clone(), LegacyError::from(error)));
    all.filter(|(error, own)| error.to_json() != own.to_json()).collect()
}

fn component(error: &ApiError) -> String {
    format!("Legacy{}", errors::component(error))
}

/// The schemas of the errors that only this dialect has.
pub(crate) fn components() -> Vec<(String, Value)> {
    let schema = |body: Value| {
        let constant = |name: &str| json!({"type": "string", "const": body[name]});
        let properties = json!({"code": constant("code"), "message": constant("message")});
        json!({"type": "object", "required": ["code", "message"], "properties": properties, "examples": [body]})
    };
    let reworded = reworded().into_iter().map(|(error, own)| (component(&error), schema(own.to_json())));
    reworded.chain([(MISSING.to_owned(), schema(LegacyError::SessionMissing.to_json()))]).collect()
}

fn replace_reference(schema: &mut Value, from: &str, to: &str) {
    let reference = |name: &str| Value::from(format!("#/components/schemas/{name}"));
    let schemas = match schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        Some(several) => several.as_mut_slice(),
        None => std::slice::from_mut(schema),
    };
    for schema in schemas.iter_mut().filter(|schema| schema["$ref"] == reference(from)) {
        schema["$ref"] = reference(to);
    }
}
