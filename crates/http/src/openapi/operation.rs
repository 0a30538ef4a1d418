//! An operation of a path, made of what a row and its dialect say of it.

use actix_web::http::Method;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::openapi::doc::Doc;
use crate::openapi::{errors, headers};
use crate::request::body::BodySchema;

/// What a row that is for any method is documented with.
const ANY: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// All that is said of a row.
pub(crate) struct Operation {
    /// `None` is any method.
    pub(crate) method: Option<Method>,
    /// The path below its place.
    pub(crate) path: &'static str,
    /// What its id has behind the method.
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
    pub(crate) body_content: fn(Value) -> Map<String, Value>,
    pub(crate) headers: &'static [&'static str],
    pub(crate) deprecated: bool,
}

/// The names of the parameters in a path.
pub(crate) fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

impl Operation {
    /// The operations of the row by their methods, in small letters: HEAD stands beside GET.
    pub(crate) fn by_method(&self, generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
        let methods = match &self.method {
            None => ANY.to_vec(),
            Some(method) if *method == Method::GET => vec![Method::GET, Method::HEAD],
            Some(method) => vec![method.clone()],
        };
        methods
            .into_iter()
            .map(|method| (method.as_str().to_ascii_lowercase(), self.of_method(&method, generator)))
            .collect()
    }

    fn of_method(&self, method: &Method, generator: &mut SchemaGenerator) -> Value {
        let Self { doc, .. } = self;
        let mut operation = Map::new();
        let mut put = |name: &str, value: Value| operation.insert(name.to_owned(), value);
        put("tags", json!([doc.tag.name]));
        put("summary", json!(doc.summary));
        put("description", json!(self.description));
        put("operationId", json!(self.id(method)));
        put("x-demand", self.requirement.clone());
        put("security", self.security.clone());
        if !doc.parameters.is_empty() {
            put("parameters", json!(doc.parameters));
        }
        if !self.body.is_empty() {
            put("requestBody", self.body(generator));
        }
        put("responses", self.responses(method, generator));
        if self.deprecated {
            put("deprecated", json!(true));
        }
        Value::Object(operation)
    }

    /// `getUsersMeSessions`, and the like.
    fn id(&self, method: &Method) -> String {
        let words = [self.id_prefix].into_iter().chain(self.path.split(['/', '{', '}', '-']));
        words.filter(|word| !word.is_empty()).fold(method.as_str().to_ascii_lowercase(), |id, word| {
            let (first, rest) = word.split_at(word.len().min(1));
            id + &first.to_ascii_uppercase() + rest
        })
    }

    fn body(&self, generator: &SchemaGenerator) -> Value {
        let mut body = self.body.to_json(generator);
        let json = body["content"]["application/json"].take();
        body["content"] = Value::Object((self.body_content)(json));
        body
    }

    /// Success first. The answer to HEAD has the same statuses and headers, and no body.
    fn responses(&self, method: &Method, generator: &mut SchemaGenerator) -> Value {
        let success = self.doc.success;
        let headers = headers::of_success(success.status.as_u16(), success.headers);
        let mut answer = json!({"description": success.text, "headers": headers});
        if let Some(schema) = success.schema {
            let schema = schema(generator);
            answer["content"] = json!({"application/json": {"schema": schema}});
        }
        let mut answers = vec![(success.status.as_str().to_owned(), answer)];
        answers.extend(errors::answers(&self.doc.errors));
        for (status, answer) in &mut answers {
            headers::add(&mut answer["headers"], self.headers);
            if *method == Method::HEAD {
                *answer = errors::without_body(status, answer);
            }
        }
        Value::Object(answers.into_iter().collect())
    }
}
