//! Endpoints: what they require, take and answer.

use maud::{Markup, html};
use serde_json::Value;

use crate::openapi::page::{array, object, schema, string, text};

pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// One endpoint, with all methods that do the same.
pub(crate) struct Entry<'a> {
    methods: Vec<String>,
    path: &'a str,
    operation: &'a Value,
}

impl Entry<'_> {
    /// Its place in the page.
    pub(crate) fn id(&self) -> &str {
        string(&self.operation["operationId"])
    }

    pub(crate) fn summary(&self) -> &str {
        string(&self.operation["summary"])
    }
}

/// The endpoints of a document by its tags.
pub(crate) fn groups<'a>(document: &'a Value) -> Vec<Group<'a>> {
    let entries = |tag: &Value| {
        let paths = object(&document["paths"]).iter();
        let entries = paths.flat_map(|(path, item)| entries_of(path, item));
        entries.filter(|entry| array(&entry.operation["tags"]).contains(tag)).collect()
    };
    let group = |tag: &'a Value| (string(&tag["name"]), string(&tag["description"]), entries(&tag["name"]));
    let groups = array(&document["tags"]).iter().map(group);
    groups.map(|(name, text, entries)| Group { name, text, entries }).collect()
}

fn entries_of<'a>(path: &'a str, item: &'a Value) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (method, operation) in object(item) {
        let method = method.to_uppercase();
        match entries.iter_mut().find(|entry| entry.operation["summary"] == operation["summary"]) {
            Some(entry) => entry.methods.push(method),
            None => entries.push(Entry { methods: vec![method], path, operation }),
        }
    }
    entries
}

/// The first method; HEAD and the others of an endpoint for any method are told in its heading.
pub(crate) fn badges(entry: &Entry<'_>) -> Markup {
    let first = entry.methods.first().map(String::as_str).unwrap_or_default();
    let shown = if entry.methods.len() > 2 { "ANY" } else { first };
    html! { span class={ "method " (shown.to_lowercase()) } { (shown) } }
}

pub(crate) fn article(entry: &Entry<'_>, document: &Value) -> Markup {
    let operation = entry.operation;
    html! {
        article id=(entry.id()) {
            h3 { (badges(entry)) " " code { (entry.path) } }
            p.summary {
                (entry.summary())
                @if entry.methods.len() > 1 { " " small { "(" (entry.methods.join(", ")) ")" } }
            }
            (requirements(&operation["x-demand"]))
            (text::blocks(string(&operation["description"])))
            @if operation["parameters"].is_array() { (parameters(&operation["parameters"])) }
            @if operation["requestBody"].is_object() { (body(&operation["requestBody"])) }
            (answers(&operation["responses"], document))
        }
    }
}

fn requirements(requirement: &Value) -> Markup {
    html! {
        @if requirement.is_object() {
            p.requirements {
                span.tag { (string(&requirement["who"])) }
                @match requirement["scope"].as_str() {
                    Some("never") => { " " span.tag { "no scoped sessions" } }
                    Some(scope) => { " " span.tag { "scope: " (scope) } }
                    None => {}
                }
                @if requirement["reverify"] == true { " " span.tag { "proof of identity" } }
                @for switch in array(&requirement["killSwitches"]) { " " span.tag { "switch: " (string(switch)) } }
                @if requirement["limit"] == "login" { " " span.tag { "limit of logins" } }
                @if requirement["limit"] == "revocation" { " " span.tag { "limit of revocations" } }
            }
        }
    }
}

fn parameters(parameters: &Value) -> Markup {
    html! {
        h4 { "Parameters" }
        table {
            tr { th { "parameter" } th { "value" } th { "meaning" } }
            @for parameter in array(parameters) {
                tr {
                    td { code { (string(&parameter["name"])) } " " small { (string(&parameter["in"])) } }
                    td { (schema::kind(&parameter["schema"])) }
                    td {
                        (text::line(string(&parameter["description"])))
                        @if parameter["deprecated"] == true { " " small { "deprecated" } }
                    }
                }
            }
        }
    }
}

fn body(body: &Value) -> Markup {
    let content = &body["content"]["application/json"];
    html! {
        h4 { "Body" @if body["required"] != true { " " small { "optional" } } }
        (schema::fields(&content["schema"]))
        (schema::json(&content["example"]))
    }
}

fn answers(answers: &Value, document: &Value) -> Markup {
    html! {
        h4 { "Answers" }
        @for (status, answer) in object(answers) {
            @let answer = resolved(answer, document);
            details open[status.starts_with('2')] {
                summary {
                    span class={ "status s" (status.chars().next().unwrap_or('0')) } { (status) } " "
                    (headline(status, answer))
                }
                @if !status.starts_with('2') { (text::blocks(string(&answer["description"]))) }
                @for (kind, content) in object(&answer["content"]) { (media(kind, content, document)) }
            }
        }
    }
}

/// The component that an answer or a schema refers to, or else itself.
fn resolved<'a>(answer: &'a Value, document: &'a Value) -> &'a Value {
    let pointer = string(&answer["$ref"]).strip_prefix('#');
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(answer)
}

/// Success in words, errors by the names of their structures.
fn headline(status: &str, answer: &Value) -> Markup {
    html! {
        @if status.starts_with('2') {
            (text::line(string(&answer["description"])))
        } @else {
            @for (index, name) in structures(&answer["content"]["application/json"]["schema"]).iter().enumerate() {
                @if index > 0 { ", " }
                code { (name.trim_end_matches("Error")) }
            }
        }
    }
}

/// The names of the structures that a schema refers to.
fn structures(schema: &Value) -> Vec<&str> {
    let several = array(&schema["oneOf"]).iter();
    let references = several.chain([schema]).filter_map(|schema| schema["$ref"].as_str());
    references.filter_map(|reference| reference.rsplit('/').next()).collect()
}

/// A body, with the examples that the answer has, or else the one of its structure.
fn media(kind: &str, content: &Value, document: &Value) -> Markup {
    let structure = resolved(&content["schema"], document);
    html! {
        p { code { (kind) } ": " (schema::kind(&content["schema"])) }
        @if !content["example"].is_null() {
            (schema::json(&content["example"]))
        } @else if content["examples"].is_object() {
            @for example in object(&content["examples"]).values() { (schema::json(&example["value"])) }
        } @else if structure["examples"].is_array() {
            (schema::json(&structure["examples"][0]))
        }
    }
}
