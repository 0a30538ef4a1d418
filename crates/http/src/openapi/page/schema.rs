//! Schemas in words, and examples.

use maud::{Markup, html};
use serde_json::Value;

use crate::openapi::page::{array, object, string, text};

pub(crate) fn link(name: &str) -> Markup {
    html! { a href={ "#schema-" (name) } { code { (name) } } }
}

/// A structure with its fields and its examples.
pub(crate) fn whole(schema: &Value) -> Markup {
    html! {
        (text::blocks(string(&schema["description"])))
        @if schema["properties"].is_object() { (fields(schema)) } @else { p { (kind(schema)) } }
        @for example in array(&schema["examples"]) { (json(example)) }
    }
}

pub(crate) fn fields(schema: &Value) -> Markup {
    let required = |name: &str| array(&schema["required"]).iter().any(|required| required == name);
    html! {
        table {
            tr { th { "field" } th { "value" } th { "meaning" } }
            @for (name, field) in object(&schema["properties"]) {
                tr {
                    td { code { (name) } @if !required(name) { " " small { "optional" } } }
                    td { (kind(field)) }
                    td { (text::line(string(&field["description"]))) }
                }
            }
        }
        @if let [first, others @ ..] = array(&schema["anyOf"]) {
            p {
                "Needed: " (names(&first["required"]))
                @for other in others { ", or " (names(&other["required"])) }
                " instead."
            }
        }
    }
}

fn names(required: &Value) -> Markup {
    html! {
        @for (index, name) in array(required).iter().enumerate() {
            @if index > 0 { " and " }
            code { (string(name)) }
        }
    }
}

/// What a value may be.
pub(crate) fn kind(schema: &Value) -> Markup {
    let alternatives = [&schema["anyOf"], &schema["oneOf"]].into_iter().find(|list| list.is_array());
    html! {
        @if let Some(name) = string(&schema["$ref"]).rsplit('/').next().filter(|name| !name.is_empty()) {
            (link(name))
        } @else if let Some(alternatives) = alternatives {
            @for (index, alternative) in array(alternatives).iter().enumerate() {
                @if index > 0 { " or " }
                (kind(alternative))
            }
        } @else if !schema["const"].is_null() {
            code { (plain(&schema["const"])) }
        } @else if schema["enum"].is_array() {
            @for (index, value) in array(&schema["enum"]).iter().enumerate() {
                @if index > 0 { ", " }
                code { (plain(value)) }
            }
        } @else {
            (types(schema))
            @for bound in bounds(schema) { ", " (bound) }
            @if schema["items"].is_object() { " of " (kind(&schema["items"])) }
            @if let Some(pattern) = schema["pattern"].as_str() { ", " code { (pattern) } }
        }
    }
}

fn types(schema: &Value) -> String {
    let format = schema["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(string).collect::<Vec<_>>().join(" or "),
        one => string(one).to_owned(),
    };
    types + &format
}

fn bounds(schema: &Value) -> Vec<String> {
    let bound = |least: &str, most: &str, unit: &str| match (&schema[least], &schema[most]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, most) => Some(format!("at most {most}{unit}")),
        (least, Value::Null) => Some(format!("at least {least}{unit}")),
        (least, most) => Some(format!("{least} to {most}{unit}")),
    };
    let bounds = [
        bound("minimum", "maximum", ""),
        bound("minLength", "maxLength", " characters"),
        bound("", "maxItems", " items"),
    ];
    bounds.into_iter().flatten().collect()
}

/// A value as it stands in JSON, a text without its quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn json(value: &Value) -> Markup {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    html! { pre { code { (text) } } }
}
