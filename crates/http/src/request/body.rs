//! Reading a request's body as a JSON object, or as a form where the dialect takes them, after its caller has been
//! admitted (`docs/MODEL.md`, *Errors*).

mod fields;
mod form;
mod kinds;
mod schema;

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, web};
use serde_json::{Map, Value};
use tokio::time::timeout;

pub(crate) use fields::{Field, Fields, Notes, Rejection, RequestBody, body};
pub(crate) use form::Pairs;
#[cfg(any(test, fuzzing))]
pub(crate) use form::{multipart, urlencoded};
pub(crate) use kinds::{integer, password_schema, text_fields};
pub(crate) use schema::{BodySchema, component};

/// The longest body that is read, in bytes.
pub(crate) const LONGEST_BODY: usize = 64 * 1_024;
/// How long a body may take to arrive.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";
const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// A JSON object. Where a key is repeated, its last value counts.
pub(crate) type Object = Map<String, Value>;

/// A body of one of the kinds that the legacy dialect takes.
#[derive(Debug)]
pub(crate) enum Posted {
    /// JSON.
    Object(Object),
    /// A form of either kind.
    Form(Pairs),
}

/// Why there is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// The body is longer than [`LONGEST_BODY`].
    #[error("the body is too large")]
    TooLarge,
    /// The body is missing, broken off, too slow, of another content type, or no JSON object.
    #[error("the body is not a JSON object")]
    NotAnObject,
}

/// Reads the body, for at most `deadline`.
pub(crate) async fn read_object(
    request: &HttpRequest,
    payload: web::Payload,
    deadline: Duration,
) -> Result<Object, BodyError> {
    let bytes = read_bytes(request, payload, deadline).await?;
    if is_plain(request.headers(), JSON) { object(&bytes) } else { Err(BodyError::NotAnObject) }
}

/// Reads the fields of a JSON object; a body that is none has none.
///
/// # Errors
/// Where the body is too large.
pub(crate) async fn read_fields(request: &HttpRequest, payload: web::Payload) -> Result<Fields, BodyError> {
    Fields::of_body(read_object(request, payload, BODY_DEADLINE).await)
}

/// Reads the body as JSON or as a form, whichever it says that it is.
pub(crate) async fn read_posted(
    request: &HttpRequest,
    payload: web::Payload,
    deadline: Duration,
) -> Result<Posted, BodyError> {
    let bytes = read_bytes(request, payload, deadline).await?;
    let headers = request.headers();
    if is_plain(headers, JSON) {
        object(&bytes).map(Posted::Object)
    } else if is_plain(headers, URLENCODED) {
        form::urlencoded(&bytes).map(Posted::Form)
    } else if is_plain(headers, MULTIPART) {
        // All of it is here, so nothing is waited for; should its reader think otherwise, the deadline ends that.
        let parts = timeout(deadline, form::multipart(headers, bytes)).await;
        parts.unwrap_or(Err(BodyError::NotAnObject)).map(Posted::Form)
    } else {
        Err(BodyError::NotAnObject)
    }
}

fn object(bytes: &[u8]) -> Result<Object, BodyError> {
    // The parser gives up at 128 levels of nesting, long before the stack does.
    serde_json::from_slice(bytes).map_err(|_not_an_object| BodyError::NotAnObject)
}

/// Reads the body as a form (`application/x-www-form-urlencoded`). Of a repeated name the first value counts.
pub(crate) async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    deadline: Duration,
) -> Result<HashMap<String, String>, BodyError> {
    let bytes = read_bytes(request, payload, deadline).await?;
    if !is_plain(request.headers(), URLENCODED) {
        return Err(BodyError::NotAnObject);
    }
    let mut form = HashMap::new();
    for (name, value) in form_urlencoded::parse(&bytes) {
        form.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(form)
}

/// Reads the fields of a form; a body that is none has none. Each is a text.
///
/// # Errors
/// Where the body is too large.
pub(crate) async fn read_form_fields(request: &HttpRequest, payload: web::Payload) -> Result<Fields, BodyError> {
    let form = read_form(request, payload, BODY_DEADLINE).await;
    let object = |form: HashMap<String, String>| form.into_iter().map(|(name, text)| (name, text.into())).collect();
    Fields::of_body(form.map(object))
}

/// The body is read before its type is checked: a connection with unread bytes could not be used again.
async fn read_bytes(request: &HttpRequest, payload: web::Payload, deadline: Duration) -> Result<Bytes, BodyError> {
    if declared_length(request.headers()).is_some_and(|length| length > LONGEST_BODY as u64) {
        return Err(BodyError::TooLarge);
    }
    match timeout(deadline, payload.to_bytes_limited(LONGEST_BODY)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Err(_limit_exceeded)) => Err(BodyError::TooLarge),
        Ok(Ok(Err(_broken_off))) => Err(BodyError::NotAnObject),
        Err(_too_slow) => Err(BodyError::NotAnObject),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.trim().parse().ok()
}

/// Whether the content is of this type, whatever its parameters, and not packed.
fn is_plain(headers: &HeaderMap, content_type: &str) -> bool {
    let is_of_type = text(headers, CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(content_type));
    let is_packed =
        headers.get_all(CONTENT_ENCODING).any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    is_of_type && !is_packed
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
