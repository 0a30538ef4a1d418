//! Schemas in words, and examples.

use maud::{Markup, html};
use serde_json::Value;

use crate::openapi::page::{array, object, referred, resolved, string, text};

/// What regular expressions say, for those who read them rarely.
const PATTERNS: [(&str, &str); 8] = [
    ("^[0-9]{13}$", "13 digits"),
    ("^[1-9][0-9]*$", "digits"),
    ("^(me|[1-9][0-9]*)$", "digits, or me"),
    ("^[A-Za-z0-9_.-]+$", "letters, digits, _ . -"),
    ("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "letters, digits, _ and, but at the front, . -"),
    (r"^[^\u0000-\u001F\u007F-\u009F]*$", "no control characters"),
    ("^[A-Z2-7]{32}$", "32 characters of base32"),
    ("^[A-Z2-7]{6}(-[A-Z2-7]{6}){3}$", "four groups of six characters of base32"),
];

pub(crate) fn link(name: &str) -> Markup {
    html! { a href={ "#schema-" (name) } { code { (name) } } }
}

/// A structure with its fields and its examples.
pub(crate) fn whole(schema: &Value, document: &Value) -> Markup {
    html! {
        (text::blocks(string(&schema["description"])))
        @if alternatives(schema, document).is_empty() { p { (kind(schema)) } } @else { (fields(schema, document)) }
        @for example in array(&schema["examples"]) { (json(example)) }
    }
}

/// A row of a table of fields.
struct Row<'a> {
    /// With the names of those that it is in.
    name: String,
    is_needed: bool,
    schema: &'a Value,
}

/// An object that a schema is, or lets one choose.
struct Alternative<'a> {
    /// Of the component.
    name: Option<&'a str>,
    object: &'a Value,
}

/// The fields of an object. Of several to choose from: those that all have, then those that only one has.
pub(crate) fn fields(schema: &Value, document: &Value) -> Markup {
    let alternatives = alternatives(schema, document);
    let is_common = |name: &str| alternatives.windows(2).all(|pair| is_same(pair[0].object, pair[1].object, name));
    html! {
        @if let Some(first) = alternatives.first().filter(|first| !object(&first.object["properties"]).is_empty()) {
            table {
                thead { tr { th { "field" } th { "value" } th { "meaning" } } }
                tbody { @for row in rows(first.object, &is_common) { (show(&row)) } }
                @if alternatives.len() > 1 {
                    @for (index, alternative) in alternatives.iter().enumerate() {
                        tbody {
                            tr.alternative { th colspan="3" { (heading(alternative, index)) } }
                            @for row in rows(alternative.object, &|name| !is_common(name)) { (show(&row)) }
                        }
                    }
                }
            }
        }
    }
}

fn heading(alternative: &Alternative<'_>, index: usize) -> Markup {
    html! {
        @if index == 0 { "Either " } @else { "Or " }
        @if let Some(name) = alternative.name { (link(name)) }
        span { " " (text::line(string(&alternative.object["description"]))) }
    }
}

/// Of an object that one, of what is none of objects, none.
fn alternatives<'a>(schema: &'a Value, document: &'a Value) -> Vec<Alternative<'a>> {
    let of = |schema| Alternative { name: referred(schema), object: resolved(schema, document) };
    let whole = of(schema);
    if whole.object["properties"].is_object() {
        return vec![whole];
    }
    let several = [&whole.object["oneOf"], &whole.object["anyOf"]].into_iter().flat_map(array);
    let several: Vec<_> = several.map(of).collect();
    if several.iter().all(|one| one.object["properties"].is_object()) { several } else { vec![] }
}

fn is_same(one: &Value, other: &Value, name: &str) -> bool {
    one["properties"].get(name) == other["properties"].get(name) && is_needed(one, name) == is_needed(other, name)
}

fn is_needed(object: &Value, name: &str) -> bool {
    array(&object["required"]).iter().any(|needed| needed == name)
}

/// The wanted fields of an object, each with those that are in it.
fn rows<'a>(object: &'a Value, wanted: &dyn Fn(&str) -> bool) -> Vec<Row<'a>> {
    let mut rows = vec![];
    gather(object, "", wanted, &mut rows);
    rows
}

fn gather<'a>(from: &'a Value, prefix: &str, wanted: &dyn Fn(&str) -> bool, rows: &mut Vec<Row<'a>>) {
    for (name, schema) in object(&from["properties"]).iter().filter(|(name, _)| wanted(name)) {
        let name = format!("{prefix}{name}");
        let is_list = schema["items"]["properties"].is_object();
        let (within, below) =
            if is_list { (&schema["items"], format!("{name}[].")) } else { (schema, format!("{name}.")) };
        let is_needed = is_needed(from, name.strip_prefix(prefix).unwrap_or(&name));
        rows.push(Row { name, is_needed, schema });
        gather(within, &below, &|_| true, rows);
    }
}

fn show(row: &Row<'_>) -> Markup {
    html! {
        tr {
            td { code { (row.name) } " " small { @if row.is_needed { "needed" } @else { "optional" } } }
            td { (kind(row.schema)) }
            td { (text::line(string(&row.schema["description"]))) }
        }
    }
}

/// What a value may be.
pub(crate) fn kind(schema: &Value) -> Markup {
    let alternatives = [&schema["anyOf"], &schema["oneOf"]].into_iter().find(|list| list.is_array());
    html! {
        @if let Some(name) = referred(schema) {
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
        (least, most) if least == most => Some(format!("{least}{unit}")),
        (least, most) => Some(format!("{least} to {most}{unit}")),
    };
    let pattern = PATTERNS.iter().find(|(pattern, _)| schema["pattern"] == *pattern);
    let bounds = [
        bound("minimum", "maximum", ""),
        bound("minLength", "maxLength", " characters"),
        bound("minItems", "maxItems", " items"),
        pattern.map(|(_, words)| (*words).to_owned()),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The rows of a table of fields, without tags.
    fn told(schema: &Value) -> Vec<String> {
        let table = fields(schema, &json!({})).into_string();
        let rows = table.split("</tr>").map(|row| {
            let texts = row.split('<').filter_map(|part| Some(part.split_once('>')?.1)).filter(|text| !text.is_empty());
            texts.collect::<Vec<_>>().join("|")
        });
        rows.filter(|row| !row.is_empty()).collect()
    }

    #[test]
    fn what_is_needed_is_said_beside_the_field() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "flag": {"type": ["boolean", "null"], "description": "Whether."}},
        });
        let said = ["field|value|meaning", "name| |needed|string", "flag| |optional|boolean or null|Whether."];
        assert_eq!(told(&schema), said);
    }

    #[test]
    fn alternatives_stand_together_below_what_they_share() {
        let (name, text) = (json!({"type": "integer"}), json!({"type": "string"}));
        let schema = json!({"oneOf": [
            {"description": "By a.", "required": ["name", "a"], "properties": {"name": name, "a": text}},
            {"required": ["name"], "properties": {"name": name, "b": {"const": 1}}},
        ]});
        let said = ["field|value|meaning", "name| |needed|integer", "Either | By a.", "a| |needed|string"];
        assert_eq!(told(&schema)[..4], said);
        assert_eq!(told(&schema)[5], "b| |optional|1");
        let no_objects = json!({"oneOf": [{"type": "string"}, {"type": "integer"}]});
        assert!(told(&no_objects).is_empty());
        assert_eq!(kind(&no_objects).into_string(), "string or integer");
    }

    #[test]
    fn what_is_in_a_field_is_named_with_it() {
        let inner = json!({"required": ["x"], "properties": {"x": {"type": "string"}}});
        let schema = json!({"properties": {"one": inner, "many": {"type": "array", "items": inner}}});
        let rows = told(&schema);
        assert!(rows[2].starts_with("one.x| |needed") && rows[4].starts_with("many[].x| |needed"), "{rows:?}");
    }

    #[test]
    fn a_pattern_is_said_in_words_or_not_at_all() {
        let text = |pattern| kind(&json!({"type": "string", "pattern": pattern})).into_string();
        assert_eq!(text("^[0-9]{13}$"), "string, 13 digits");
        assert_eq!(text("^(?:x|y)+$"), "string");
    }
}
