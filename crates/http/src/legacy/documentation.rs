//! What the OpenAPI document says of this dialect: mostly what it says of the current one. Its operations are
//! deprecated, take forms beside JSON, say some errors in other words, and carry headers of their own.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use thunderhead_domain::authorization::Access;

use crate::access::dialect::DocumentedDialect;
use crate::access::endpoint::Endpoint;
use crate::api::Api;
use crate::api::documentation::{errors as api_errors, errors_of_path, errors_of_requirement};
use crate::api::error::ApiError;
use crate::legacy::error::LegacyError;
use crate::legacy::{Legacy, docs};
use crate::openapi::doc::Tag;
use crate::openapi::errors::DocumentedError;
use crate::request::body::BodySchema;

const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];
const MISSING: &str = "LegacySessionNotFoundError";

impl DocumentedDialect for Legacy {
    const NAME: &'static str = "legacy";
    const TAGS: &'static [Tag] = &[docs::LEGACY];
    const ANSWER_PREFIX: &'static str = "Legacy-";
    const ANSWER_HEADERS: &'static [&'static str] =
        &["Deprecation", "Link", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
    const DEPRECATED: bool = true;

    /// The errors that only this dialect has.
    fn error_structures(_generator: &mut SchemaGenerator) -> Vec<(String, Value)> {
        let own = api_errors::all().into_iter().map(LegacyError::from).filter(LegacyError::is_reworded);
        let own = own.chain([LegacyError::SessionMissing]).map(|error| DocumentedError::from(&error));
        own.map(|error| (error.component, schema(&error.body))).collect()
    }

    /// Some paths are spelt in two ways.
    fn operation_prefix(path: &str) -> &'static str {
        if path.starts_with("/user") { "legacy" } else { "legacyShort" }
    }

    fn security(access: Access) -> Value {
        Api::security(access)
    }

    fn path_parameter(name: &str, path: &str) -> Option<Value> {
        Api::path_parameter(name, path)
    }

    /// Forms have the same fields; objects are JSON in a text. Their shapes are told in their place: generated clients
    /// choose the kind of content by the type of the body, and those in Python cannot choose where a body is all that an
    /// operation takes. So the text alone says that the ids of sessions may be sent as a form, too.
    fn body_content(body: &BodySchema, json: Value) -> Map<String, Value> {
        let form = json!({
            "schema": body.inline_schema(),
            "example": json["example"],
            "encoding": {"2fa": {"contentType": "application/json"}},
        });
        let forms = FORMS.into_iter().filter(|_| body.has("2fa")).map(|kind| (kind.to_owned(), form.clone()));
        [("application/json".to_owned(), json)].into_iter().chain(forms).collect()
    }

    fn errors(endpoint: &Endpoint, body: &BodySchema, own: Vec<DocumentedError>) -> Vec<DocumentedError> {
        let missing = DocumentedError::from(&LegacyError::SessionMissing);
        let says_missing = own.contains(&missing);
        let own = own.into_iter().filter(|error| *error != missing);
        let documented = |errors: Vec<ApiError>| {
            errors.into_iter().map(move |error| match error {
                ApiError::NoSuchSession if says_missing => DocumentedError::from(&LegacyError::SessionMissing),
                error => DocumentedError::from(&LegacyError::from(error)),
            })
        };
        let (before, after) = (errors_of_requirement(&endpoint.requirement, body), errors_of_path(endpoint.path));
        documented(before).chain(own).chain(documented(after)).collect()
    }
}

impl From<&LegacyError> for DocumentedError {
    fn from(error: &LegacyError) -> Self {
        let documented = match error {
            LegacyError::SessionMissing => {
                let missing = Self::from(&ApiError::NoSuchSession);
                let name = "SessionMissing".to_owned();
                Self { example: name.clone(), name, component: MISSING.to_owned(), ..missing }
            }
            LegacyError::Common(common) => {
                let documented = Self::from(common);
                let prefix = if error.is_reworded() { "Legacy" } else { "" };
                Self { component: format!("{prefix}{}", documented.component), ..documented }
            }
        };
        Self { body: error.to_json(), ..documented }
    }
}

fn schema(body: &Value) -> Value {
    let constant = |name: &str| json!({"type": "string", "const": body[name]});
    let properties = json!({"code": constant("code"), "message": constant("message")});
    json!({"type": "object", "required": ["code", "message"], "properties": properties, "examples": [body]})
}
