//! Errors of what no limit counts.

use serde_json::Value;

use crate::api::error::ApiError;
use crate::openapi::errors::{self, DocumentedError};
use crate::openapi::headers::uncounted;

/// Errors of the API's, which no limit has looked at.
pub(super) fn errors_of(errors: &[&ApiError]) -> Vec<(String, Value)> {
    let documented: Vec<_> = errors.iter().map(|error| DocumentedError::from(*error)).collect();
    let mut answers = errors::answers(&documented);
    for (status, answer) in &mut answers {
        answer["headers"] = match status.as_str() {
            "429" | "503" => uncounted(&["Retry-After"]),
            _ => uncounted(&[]),
        };
    }
    answers
}
