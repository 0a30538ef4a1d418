//! How a body is documented: its fields, and which of them it must have.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The fields of a body in their order, and the alternatives: a body must have all the fields of one of them.
pub(crate) struct BodySchema {
    fields: Vec<FieldSchema>,
    alternatives: Vec<Vec<&'static str>>,
}

struct FieldSchema {
    name: &'static str,
    schema: Value,
    /// Whether the example has it: examples are of the first alternative.
    in_example: bool,
}

/// A body without fields.
impl Default for BodySchema {
    fn default() -> Self {
        Self { fields: Vec::new(), alternatives: vec![Vec::new()] }
    }
}

impl BodySchema {
    /// Adds a field to a body without alternatives. What is said here goes before what the schema of its type says.
    pub(crate) fn declare(
        &mut self,
        name: &'static str,
        schema: Schema,
        required: bool,
        text: &str,
        example: &[Value],
    ) {
        let mut schema = schema.to_value();
        if !text.is_empty() {
            schema["description"] = json!(text.trim());
        }
        if !example.is_empty() {
            schema["examples"] = json!(example);
        }
        self.fields.push(FieldSchema { name, schema, in_example: true });
        if required {
            self.alternatives.iter_mut().for_each(|alternative| alternative.push(name));
        }
    }

    /// This body, or another instead.
    pub(crate) fn or(mut self, other: Self) -> Self {
        let others = other.fields.into_iter().filter(|field| self.fields.iter().all(|own| own.name != field.name));
        let others: Vec<_> = others.map(|field| FieldSchema { in_example: false, ..field }).collect();
        self.fields.extend(others);
        self.alternatives.extend(other.alternatives);
        self
    }

    /// This body, and behind it another.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        let pairs = self.alternatives.iter().flat_map(|own| other.alternatives.iter().map(move |its| [&own[..], its]));
        self.alternatives = pairs.map(|pair| pair.concat()).collect();
        self
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// The fields that an empty body lacks.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.alternatives.first().cloned().unwrap_or_default()
    }

    /// The body as the `requestBody` of an operation.
    pub(crate) fn to_json(&self, generator: &SchemaGenerator) -> Value {
        let properties: Map<_, _> =
            self.fields.iter().map(|field| (field.name.to_owned(), field.schema.clone())).collect();
        let mut schema = json!({"type": "object", "properties": properties});
        let in_all = |name: &&str| self.alternatives.iter().all(|alternative| alternative.contains(name));
        let missing = self.missing();
        let (always, _): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(in_all);
        let rest = self
            .alternatives
            .iter()
            .map(|alternative| alternative.iter().copied().filter(|name| !always.contains(name)).collect::<Vec<_>>());
        let rest: Vec<_> = rest.collect();
        if !always.is_empty() {
            schema["required"] = json!(always);
        }
        if rest.iter().all(|names| !names.is_empty()) {
            let rest: Vec<_> = rest.iter().map(|names| json!({"required": names})).collect();
            schema["anyOf"] = json!(rest);
        }
        let required = self.alternatives.iter().all(|alternative| !alternative.is_empty());
        let shown = self.fields.iter().filter(|field| field.in_example);
        let example: Map<_, _> =
            shown.filter_map(|field| Some((field.name.to_owned(), example_of(&field.schema, generator)?))).collect();
        json!({"required": required, "content": {"application/json": {"schema": schema, "example": example}}})
    }
}

/// The first example of a schema, or of the component that it refers to.
fn example_of(schema: &Value, generator: &SchemaGenerator) -> Option<Value> {
    let component = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let referred = component.and_then(|name| generator.definitions().get(name));
    [Some(schema), referred].into_iter().flatten().find_map(|schema| schema["examples"].get(0).cloned())
}
