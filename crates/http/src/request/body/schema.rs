//! How a body is documented: an object of one of several shapes.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// The shapes that a body may have.
pub(crate) struct BodySchema {
    shapes: Vec<Shape>,
}

/// An object with these fields and no others. The server skips what it does not know; whoever sends it has misspelt
/// something.
#[derive(Clone)]
struct Shape {
    name: String,
    fields: Vec<FieldSchema>,
}

#[derive(Clone)]
struct FieldSchema {
    name: &'static str,
    schema: Value,
    required: bool,
}

/// A body without fields.
impl Default for BodySchema {
    fn default() -> Self {
        Self::named("")
    }
}

impl BodySchema {
    /// One shape that has no fields yet. Its name is that of its component in the document.
    pub(crate) fn named(name: &str) -> Self {
        Self { shapes: vec![Shape { name: name.to_owned(), fields: Vec::new() }] }
    }

    /// Adds a field to every shape. What is said here goes before what the schema of its type says.
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
        for shape in &mut self.shapes {
            shape.fields.push(FieldSchema { name, schema: schema.clone(), required });
        }
    }

    /// This body, or another instead.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.shapes.extend(other.shapes);
        self
    }

    /// This body, and behind it another.
    pub(crate) fn and(self, other: &Self) -> Self {
        let pairs = self.shapes.iter().flat_map(|own| other.shapes.iter().map(move |its| own.and(its)));
        Self { shapes: pairs.collect() }
    }

    /// A body that must have one of these fields and none of the others, with the name of each shape.
    pub(crate) fn either(self, choices: &[(&'static str, &str)]) -> Self {
        let chosen = |shape: Shape, (chosen, name): &(&str, &str)| {
            let is_other = |field: &FieldSchema| choices.iter().any(|(other, _)| field.name == *other);
            let fields = shape.fields.into_iter().filter(|field| field.name == *chosen || !is_other(field));
            let fields = fields.map(|field| FieldSchema { required: field.required || field.name == *chosen, ..field });
            Shape { name: (*name).to_owned(), fields: fields.collect() }
        };
        let shapes =
            self.shapes.iter().flat_map(|shape| choices.iter().map(move |choice| chosen(shape.clone(), choice)));
        Self { shapes: shapes.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shapes.iter().all(|shape| shape.fields.is_empty())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.shapes.iter().flat_map(|shape| &shape.fields).any(|field| field.name == name)
    }

    /// The fields that an empty body lacks.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let required = self.shapes.first().into_iter().flat_map(|shape| &shape.fields).filter(|field| field.required);
        required.map(|field| field.name).collect()
    }

    /// A reference to its shape, or to one of its shapes, which become components.
    pub(crate) fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        one_of(self.shapes.iter().map(|shape| component(generator, &shape.name, shape.schema()).to_value()))
    }

    /// The same with all of it in its place.
    pub(crate) fn inline_schema(&self) -> Value {
        one_of(self.shapes.iter().map(Shape::schema))
    }
}

fn one_of(schemas: impl Iterator<Item = Value>) -> Value {
    let mut schemas: Vec<_> = schemas.collect();
    if schemas.len() == 1 { schemas.remove(0) } else { json!({"oneOf": schemas}) }
}

/// Makes a schema a component, and refers to it.
pub(crate) fn component(generator: &mut SchemaGenerator, name: &str, schema: Value) -> Schema {
    generator.definitions_mut().insert(name.to_owned(), schema);
    json_schema!({"$ref": format!("#{}/{name}", generator.settings().definitions_path)})
}

impl Shape {
    /// The fields of both. `UsernameChange` and `PasswordProof` are `UsernameChangeWithPassword`.
    fn and(&self, other: &Self) -> Self {
        let name = match (self.fields.is_empty(), other.fields.is_empty()) {
            (true, _) => other.name.clone(),
            (false, true) => self.name.clone(),
            (false, false) => format!("{}With{}", self.name, other.name.trim_end_matches("Proof")),
        };
        Self { name, fields: self.fields.iter().chain(&other.fields).cloned().collect() }
    }

    fn schema(&self) -> Value {
        let required: Vec<_> = self.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        let properties = self.fields.iter().map(|field| (field.name.to_owned(), field.schema.clone()));
        json!({
            "type": "object",
            "required": required,
            "properties": properties.collect::<Map<_, _>>(),
            "additionalProperties": false,
        })
    }
}
