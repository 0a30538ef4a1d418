//! Schemas of wire types: those that `schemars` derives, in the form that the document has them in.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

const COMPONENTS: &str = "/components/schemas";

/// A generator of schemas of answers, whose components go where the document has them.
pub(crate) fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = Cow::Borrowed(COMPONENTS);
        settings.transforms = vec![Box::new(RecursiveTransform(tidy))];
    });
    settings.into_generator()
}

/// The components that were referred to, each with an example.
pub(crate) fn components(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut components = generator.take_definitions(true);
    let examples: Vec<_> = components.values().map(|schema| example_of(schema, &components)).collect();
    for (schema, example) in components.values_mut().zip(examples) {
        drop_examples(schema);
        if let Some(example) = example {
            schema["examples"] = json!([example]);
        }
    }
    components
}

/// What a whole is an example of, its parts need not repeat.
fn drop_examples(schema: &mut Value) {
    match schema {
        Value::Object(schema) => {
            schema.shift_remove("examples");
            schema.values_mut().for_each(drop_examples);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(drop_examples),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Doc comments are wrapped where the line ends, and widths of integers are the server's business.
fn tidy(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description")
        && !text.contains("\n\n")
    {
        *text = text.replace('\n', " ");
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
        schema.remove("format");
    }
}

/// An example of a schema: its own, or one made of those of its parts; of alternatives that of the first.
pub(crate) fn example_of(schema: &Value, components: &Map<String, Value>) -> Option<Value> {
    let own = schema["examples"].get(0).or(schema.get("const"));
    if let Some(properties) = schema["properties"].as_object() {
        return Some(Value::Object(object_example(schema, properties, own, components)));
    }
    if own.is_some() || schema["type"] == "null" {
        return Some(own.cloned().unwrap_or_default());
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return components.get(name).and_then(|schema| example_of(schema, components));
    }
    if schema["items"].is_object() {
        return example_of(&schema["items"], components).map(|item| json!([item]));
    }
    let first = schema["anyOf"].get(0).or(schema["oneOf"].get(0));
    first.and_then(|first| example_of(first, components))
}

/// All fields of which there is an example; where the object has one of its own, only what that has and must have.
fn object_example(
    schema: &Value,
    properties: &Map<String, Value>,
    own: Option<&Value>,
    components: &Map<String, Value>,
) -> Map<String, Value> {
    let is_required = |name: &str| schema["required"].as_array().into_iter().flatten().any(|required| required == name);
    let example = |(name, field): (&String, &Value)| match own {
        Some(own) if own.get(name).is_some() => Some((name.clone(), own[name].clone())),
        Some(_) if !is_required(name) => None,
        _ => Some((name.clone(), example_of(field, components)?)),
    };
    let mut example: Map<_, _> = properties.iter().filter_map(example).collect();
    for (name, value) in own.and_then(Value::as_object).into_iter().flatten() {
        example.entry(name.clone()).or_insert_with(|| value.clone());
    }
    example
}
