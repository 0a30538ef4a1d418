//! Errors as answers: one for each status, with the reasons, the structures and an example of each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::openapi::headers;

/// An error as the document tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DocumentedError {
    pub(crate) status: u16,
    /// The name in lists, and where it has examples of several kinds the name of this one.
    pub(crate) name: String,
    pub(crate) example: String,
    pub(crate) meaning: String,
    pub(crate) component: String,
    pub(crate) body: Value,
}

/// The answers of these errors, one for each status in ascending order.
pub(crate) fn answers(errors: &[DocumentedError]) -> Vec<(String, Value)> {
    let mut by_status: BTreeMap<u16, Vec<&DocumentedError>> = BTreeMap::new();
    for error in errors {
        let of_status = by_status.entry(error.status).or_default();
        if !of_status.contains(&error) {
            of_status.push(error);
        }
    }
    by_status.into_iter().map(|(status, errors)| (status.to_string(), answer(status, &errors))).collect()
}

fn answer(status: u16, errors: &[&DocumentedError]) -> Value {
    let mut components: Vec<String> = errors.iter().map(|error| error.component.clone()).collect();
    components.dedup();
    let reference = |name: &String| json!({"$ref": format!("#/components/schemas/{name}")});
    let schema = match components.as_slice() {
        [only] => reference(only),
        several => json!({"oneOf": several.iter().map(reference).collect::<Vec<_>>()}),
    };
    let examples: Map<_, _> =
        errors.iter().map(|error| (error.example.clone(), json!({"value": error.body}))).collect();
    json!({
        "description": description(errors),
        "headers": headers::of_status(status),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    })
}

/// A name for an answer that is the same wherever these errors are together; `None` for success, for what has no body,
/// and for 400, which names the fields of its own endpoint.
pub(crate) fn shared_name(prefix: &str, status: &str, answer: &Value) -> Option<String> {
    if status.starts_with('2') || status == "400" {
        return None;
    }
    let examples = answer["content"]["application/json"]["examples"].as_object()?;
    Some(examples.keys().fold(format!("{prefix}{status}"), |name, error| name + "-" + error))
}

/// A list of names with their meanings. All kill switches have one.
fn description(errors: &[&DocumentedError]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for DocumentedError { name, meaning, .. } in errors {
        let line = format!("- `{name}`: {meaning}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}
