//! An operation of a path, made of what a row and its dialect say of it.

use actix_web::http::Method;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::openapi::doc::Doc;
use crate::openapi::schema::example_of;
use crate::openapi::{errors, headers};
use crate::request::body::BodySchema;

const UNREADABLE: &str = "It is done, but the row that would be shown cannot be read by this version of the server.";

/// All that is said of a row.
pub(crate) struct Operation {
    /// `None` is any method: it is documented as GET.
    pub(crate) method: Option<Method>,
    /// The path below its place.
    pub(crate) path: &'static str,
    /// What its id begins with.
    pub(crate) id_prefix: &'static str,
    /// The row's own words, with all parameters and errors.
    pub(crate) doc: Doc,
    /// The body, with what the requirement adds to it.
    pub(crate) body: BodySchema,
    pub(crate) description: String,
    /// What it requires, for programs.
    pub(crate) requirement: Value,
    pub(crate) security: Value,
    /// The kinds of content of its body, made from JSON.
    pub(crate) body_content: fn(&BodySchema, Value) -> Map<String, Value>,
    pub(crate) headers: &'static [&'static str],
    pub(crate) deprecated: bool,
}

/// The names of the parameters in a path.
pub(crate) fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

impl Operation {
    /// Its method in small letters.
    pub(crate) fn method(&self) -> String {
        self.method.as_ref().unwrap_or(&Method::GET).as_str().to_ascii_lowercase()
    }

    pub(crate) fn to_json(&self, generator: &mut SchemaGenerator) -> Value {
        let Self { doc, .. } = self;
        let mut operation = Map::new();
        let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
        put("tags", json!([doc.tag.name]));
        put("summary", json!(doc.summary));
        put("description", json!(self.description));
        put("operationId", json!(self.id()));
        put("x-requirement", self.requirement.clone());
        put("security", self.security.clone());
        if !doc.parameters.is_empty() {
            put("parameters", json!(doc.parameters));
        }
        if !self.body.is_empty() {
            put("requestBody", self.body(generator));
        }
        put("responses", self.responses(generator));
        if self.deprecated {
            put("deprecated", json!(true));
        }
        Value::Object(operation)
    }

    /// `listMySessions`, or `legacyListMySessions` with a prefix.
    fn id(&self) -> String {
        let (first, rest) = self.doc.id.split_at(self.doc.id.len().min(1));
        match self.id_prefix {
            "" => self.doc.id.to_owned(),
            prefix => prefix.to_owned() + &first.to_ascii_uppercase() + rest,
        }
    }

    fn body(&self, generator: &mut SchemaGenerator) -> Value {
        let schema = self.body.schema(generator);
        let example = example_of(&schema, generator.definitions());
        let content = (self.body_content)(&self.body, json!({"schema": schema, "example": example}));
        json!({"required": true, "content": content})
    }

    /// Success first.
    fn responses(&self, generator: &mut SchemaGenerator) -> Value {
        let success = self.doc.success;
        let headers = headers::of_success(success.status.as_u16(), success.headers);
        let mut answer = json!({"description": success.text, "headers": headers});
        if let Some(schema) = success.schema {
            let schema = schema(generator);
            answer["content"] = json!({"application/json": {"schema": schema}});
        }
        let mut answers = vec![(success.status.as_str().to_owned(), answer)];
        if self.doc.may_be_unreadable {
            let headers = headers::of_success(204, success.headers);
            answers.push(("204".to_owned(), json!({"description": UNREADABLE, "headers": headers})));
        }
        answers.extend(errors::answers(&self.doc.errors));
        for (_, answer) in &mut answers {
            headers::add(&mut answer["headers"], self.headers);
        }
        Value::Object(answers.into_iter().collect())
    }
}
