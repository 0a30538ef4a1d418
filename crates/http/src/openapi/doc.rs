//! What a row of the route table cannot tell of itself: its description, the body's fields, what success looks like, and
//! the errors of its own.

use actix_web::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::openapi::errors::DocumentedError;
use crate::request::body::{BodySchema, RequestBody};

/// The documentation of one row. What its requirement and its path tell is added by its dialect.
pub(crate) struct Doc {
    /// What the operation is called, below the prefix of its dialect: generated clients name a function after it.
    pub(crate) id: &'static str,
    pub(crate) tag: Tag,
    /// A line without a full stop.
    pub(crate) summary: &'static str,
    /// Sentences in CommonMark, or nothing.
    pub(crate) text: &'static str,
    /// Parameters besides those of the path, as parameter objects.
    pub(crate) parameters: Vec<Value>,
    /// The body, without what the requirement adds to it.
    pub(crate) body: fn(&mut SchemaGenerator) -> BodySchema,
    pub(crate) success: Success,
    /// Whether it is a 204 where what success shows cannot be read.
    pub(crate) may_be_unreadable: bool,
    /// Errors besides those that the requirement and the path bring with them.
    pub(crate) errors: Vec<DocumentedError>,
}

/// A group of the readable page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// The answer where all goes well.
#[derive(Clone, Copy)]
pub(crate) struct Success {
    pub(crate) status: StatusCode,
    /// The schema of the body, if there is one.
    pub(crate) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// Headers besides those of every answer.
    pub(crate) headers: &'static [&'static str],
    pub(crate) text: &'static str,
}

impl Doc {
    pub(crate) const fn new(id: &'static str, tag: Tag, summary: &'static str, success: Success) -> Self {
        Self {
            id,
            tag,
            summary,
            text: "",
            parameters: vec![],
            body: <()>::schema,
            success,
            may_be_unreadable: false,
            errors: vec![],
        }
    }

    pub(crate) const fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    pub(crate) const fn body(mut self, body: fn(&mut SchemaGenerator) -> BodySchema) -> Self {
        self.body = body;
        self
    }

    pub(crate) const fn or_unreadable(mut self) -> Self {
        self.may_be_unreadable = true;
        self
    }

    pub(crate) fn errors<E>(mut self, errors: impl IntoIterator<Item = E>) -> Self
    where
        for<'a> DocumentedError: From<&'a E>,
    {
        self.errors.extend(errors.into_iter().map(|error| DocumentedError::from(&error)));
        self
    }
}

impl Success {
    pub(crate) const fn ok<T: JsonSchema>(text: &'static str) -> Self {
        Self { status: StatusCode::OK, schema: Some(SchemaGenerator::subschema_for::<T>), headers: &[], text }
    }

    pub(crate) const fn created<T: JsonSchema>(text: &'static str) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok::<T>(text) }
    }

    pub(crate) const fn no_content(text: &'static str) -> Self {
        Self { status: StatusCode::NO_CONTENT, schema: None, headers: &[], text }
    }

    pub(crate) const fn with(mut self, headers: &'static [&'static str]) -> Self {
        self.headers = headers;
        self
    }
}
