//! Endpoints: what they require, take and answer.

use maud::{Markup, html};
use serde_json::Value;

use crate::openapi::page::{array, curl, object, referred, resolved, schema, string, text};

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

    fn first_method(&self) -> &str {
        self.methods.first().map(String::as_str).unwrap_or_default()
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

/// The first method; the others of an endpoint for any method are told in its heading.
pub(crate) fn badge(entry: &Entry<'_>) -> Markup {
    let shown = if entry.methods.len() > 2 { "ANY" } else { entry.first_method() };
    html! { span class={ "method " (shown.to_lowercase()) } { (shown) } }
}

pub(crate) fn article(entry: &Entry<'_>, document: &Value) -> Markup {
    let operation = entry.operation;
    let body = resolved(&operation["requestBody"], document);
    html! {
        article id=(entry.id()) {
            h3 { (badge(entry)) " " code { (entry.path) } }
            p.summary {
                (entry.summary())
                @if entry.methods.len() > 1 { " " small { "(" (entry.methods.join(", ")) ")" } }
                @if operation["deprecated"] == true { " " small { "deprecated" } }
            }
            (requirements(&operation["x-requirement"]))
            (text::blocks(string(&operation["description"])))
            @if operation["parameters"].is_array() { (parameters(&operation["parameters"], document)) }
            @if body.is_object() {
                @let content = &object(&body["content"]).values().next().unwrap_or(&Value::Null)["schema"];
                h4 {
                    "Body" @if let Some(name) = referred(content) { " " (schema::link(name)) }
                    @if body["required"] != true { " " small { "optional" } }
                }
                (schema::fields(content, document))
            }
            h4 { "Example" }
            @for call in curl::calls(entry.first_method(), entry.path, operation, document) { pre { code { (call) } } }
            (answers(&operation["responses"], document))
        }
    }
}

fn requirements(requirement: &Value) -> Markup {
    html! {
        @if requirement.is_object() {
            p.requirements {
                span.tag { (string(&requirement["access"])) }
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

fn parameters(parameters: &Value, document: &Value) -> Markup {
    html! {
        h4 { "Parameters" }
        table {
            thead { tr { th { "parameter" } th { "value" } th { "meaning" } } }
            tbody {
                @for parameter in array(parameters).iter().map(|parameter| resolved(parameter, document)) {
                    tr {
                        td {
                            code { (string(&parameter["name"])) } " "
                            small { (place(parameter)) @if parameter["deprecated"] == true { ", deprecated" } }
                        }
                        td { (schema::kind(&parameter["schema"])) }
                        td { (text::line(string(&parameter["description"]))) }
                    }
                }
            }
        }
    }
}

/// Where a parameter stands. Those of a path are needed in any case.
fn place(parameter: &Value) -> String {
    let place = string(&parameter["in"]);
    let needed = if parameter["required"] == true { "needed" } else { "optional" };
    if place == "path" { place.to_owned() } else { format!("{place}, {needed}") }
}

fn answers(answers: &Value, document: &Value) -> Markup {
    let all = || object(answers).iter().map(|(status, answer)| (status, resolved(answer, document)));
    let good = || all().filter(|(status, _)| status.starts_with(['2', '3']));
    let errors = || all().filter(|(status, _)| !status.starts_with(['2', '3']));
    html! {
        h4 { "Answer" }
        @for (status, answer) in good() {
            p { (chip(status)) " " (text::line(string(&answer["description"]))) }
            @for (kind, content) in object(&answer["content"]) { (media(kind, content, document)) }
        }
        @if errors().next().is_some() {
            details.errors {
                summary { "Errors" @for (status, _) in errors() { " " (chip(status)) } }
                @for (status, answer) in errors() {
                    div {
                        p { (chip(status)) (links(&answer["content"]["application/json"]["schema"])) }
                        (text::blocks(string(&answer["description"])))
                    }
                }
            }
        }
    }
}

fn chip(status: &str) -> Markup {
    html! { span class={ "status s" (status.chars().next().unwrap_or('0')) } { (status) } }
}

/// The structures that a schema refers to, itself or by its alternatives.
fn links(schema: &Value) -> Markup {
    let several = array(&schema["oneOf"]).iter();
    html! { @for name in several.chain([schema]).filter_map(referred) { " " (schema::link(name)) } }
}

/// A body, with the example that the answer has, or else the one of its structure.
fn media(kind: &str, content: &Value, document: &Value) -> Markup {
    let structure = resolved(&content["schema"], document);
    let named = object(&content["examples"]).values().map(|example| &example["value"]);
    let examples: Vec<_> =
        [&content["example"]].into_iter().chain(named).filter(|example| !example.is_null()).collect();
    html! {
        p { code { (kind) } ": " (schema::kind(&content["schema"])) }
        @if examples.is_empty() && structure["examples"].is_array() { (schema::json(&structure["examples"][0])) }
        @for example in examples { (schema::json(example)) }
    }
}
