//! The document as a whole, made of parts that do not know each other.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::openapi::doc::Tag;
use crate::openapi::operation::Operation;
use crate::openapi::{errors, schema};

/// What one dialect, or whatever else there is, brings into the document.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) tags: &'static [Tag],
    /// Every path with its operations.
    pub(crate) paths: Map<String, Value>,
    /// The structures of its errors.
    pub(crate) error_structures: Vec<(String, Value)>,
    /// What the names of answers begin with that several operations share.
    pub(crate) answer_prefix: &'static str,
}

/// What a document says besides.
pub(crate) struct Head {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) version: &'static str,
    pub(crate) license: &'static str,
    pub(crate) headers: Value,
    pub(crate) security_schemes: Value,
}

/// Puts a row in at its place.
pub(crate) fn add(paths: &mut Map<String, Value>, place: &str, operation: &Operation, generator: &mut SchemaGenerator) {
    let item = paths.entry(full_path(place, operation.path)).or_insert_with(|| json!({}));
    if let Some(item) = item.as_object_mut() {
        item.insert(operation.method(), operation.to_json(generator));
    }
}

/// Where a row is found. Without a base path the empty one is the root.
pub(crate) fn full_path(place: &str, path: &str) -> String {
    if place.is_empty() && path.is_empty() { "/".to_owned() } else { format!("{place}{path}") }
}

/// The document, with the components that `generator` was asked for.
pub(crate) fn document(head: Head, mut parts: Vec<Part>, generator: &mut SchemaGenerator) -> Value {
    let tags: Vec<_> = parts.iter().flat_map(|part| part.tags).collect();
    let tags: Vec<_> = tags.iter().map(|tag| json!({"name": tag.name, "description": tag.text})).collect();
    let (mut paths, mut answers, mut schemas) = (Map::new(), Map::new(), Map::new());
    for part in &mut parts {
        share_answers(&mut part.paths, part.answer_prefix, &mut answers);
        paths.append(&mut part.paths);
    }
    schemas.extend(schema::components(generator));
    parts.sort_by_key(|part| part.name);
    schemas.extend(parts.into_iter().flat_map(|part| part.error_structures));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": head.title,
            "description": head.description,
            "version": head.version,
            "contact": {"name": "The operator of this server"},
            "license": {"name": head.license, "identifier": head.license},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": head.headers,
            "responses": answers,
            "securitySchemes": head.security_schemes,
        },
    })
}

/// Replaces the errors that many rows have in common by references to components. Otherwise most of the document would
/// be repetition.
fn share_answers(paths: &mut Map<String, Value>, prefix: &str, shared: &mut Map<String, Value>) {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
            let Some(name) = errors::shared_name(prefix, status, answer) else { continue };
            // Where another answer has the name, this one stays where it is.
            if shared.entry(name.clone()).or_insert_with(|| answer.clone()) == answer {
                *answer = json!({"$ref": format!("#/components/responses/{name}")});
            }
        }
    }
}
