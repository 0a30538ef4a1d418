//! Parameters: those of paths, of queries, and the header that names a session.

use serde_json::{Value, json};
use thunderhead_domain::session::SessionName;
use thunderhead_domain::switch::KillSwitch;

use crate::api::error::ApiError;

/// A parameter of a path, with what is answered where it names nothing. `None` for a name that no path has.
pub(crate) fn of_path(name: &str, path: &str) -> Option<(Value, ApiError)> {
    let own = path.starts_with("/users/me/");
    let (text, schema, error) = match name {
        "uid" => (
            "A user's id.",
            json!({"type": "string", "pattern": "^[0-9]{13}$", "examples": ["1767225600000"]}),
            ApiError::InvalidUser,
        ),
        "sid" if own => (
            "A session's id, or `me` for the session in use.",
            json!({"type": "string", "pattern": "^(me|[1-9][0-9]*)$", "examples": ["1767225600", "me"]}),
            ApiError::NoSuchSession,
        ),
        "sid" => (
            "The id of one of this user's sessions.",
            json!({"type": "string", "pattern": "^[1-9][0-9]*$", "examples": ["1767225600"]}),
            ApiError::NoSuchSession,
        ),
        "fid" => (
            "A second factor's id.",
            json!({"type": "string", "format": "uuid", "examples": ["0191f2a4-8b1c-4def-8000-00000000002a"]}),
            ApiError::InvalidSecondFactor,
        ),
        "id" => (
            "A kill switch.",
            json!({"type": "integer", "minimum": 0, "maximum": KillSwitch::TABLE.len() - 1, "examples": [4]}),
            ApiError::InvalidEndpoint,
        ),
        _ => return None,
    };
    let parameter = json!({"name": name, "in": "path", "required": true, "description": text, "schema": schema});
    Some((parameter, error))
}

/// A parameter of a path of the Kratos dialect.
pub(crate) fn of_kratos_path(name: &str, path: &str) -> Value {
    let text = if path.contains("identities") { "A user's uuid." } else { "A session's uuid." };
    let schema = json!({"type": "string", "format": "uuid", "examples": ["6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20"]});
    json!({"name": name, "in": "path", "required": true, "description": text, "schema": schema})
}

/// Which part of a list of the Kratos dialect.
pub(crate) fn kratos_page() -> [Value; 4] {
    let parameter = |name: &str, text: &str, schema: Value, example: Value| json!({"name": name, "in": "query", "description": text, "schema": schema, "example": example});
    let number = || json!({"type": ["integer", "string"]});
    let largest = "Anything else than a number from 1 upwards counts as 250; the most is 1000.";
    [
        parameter("page_size", &format!("Items of a page. {largest}"), number(), json!(250)),
        parameter(
            "page_token",
            "Where the page begins: taken from the `next` of a `Link`.",
            json!({"type": "string"}),
            json!("1767225600123.1767225600.6f1d3b0e8f3a4b5c9d2e1a7c5e9b4d20"),
        ),
        parameter("page", "The number of the page, from 1 on, in place of a token.", number(), json!(1)),
        parameter("per_page", &format!("Items of a page where pages are numbered. {largest}"), number(), json!(250)),
    ]
}

/// A parameter of a query of the Kratos dialect that takes one of these values.
pub(crate) fn choice(name: &str, text: &str, values: &[&str]) -> Value {
    let schema = json!({"type": "string", "enum": values});
    json!({"name": name, "in": "query", "description": text, "schema": schema})
}

/// Which part of a list. No value is an error, so the schemas have no bounds that would make it one.
pub(crate) fn page() -> [Value; 2] {
    [
        json!({
            "name": "limit",
            "in": "query",
            "description": "The most items, 0 to 50. Anything else counts as 50.",
            "schema": {"type": ["integer", "string"], "default": 50},
            "example": 20,
        }),
        json!({
            "name": "offset",
            "in": "query",
            "description": "How many items to leave out at the front. What is no number from 0 upwards counts as 0.",
            "schema": {"type": ["integer", "string"], "default": 0},
            "example": 40,
        }),
    ]
}

/// A flag in the query.
pub(crate) fn flag(name: &str, text: &str) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": format!("{text} `true` and `1` mean yes, everything else no."),
        "schema": {"type": ["boolean", "string"], "default": false},
        "example": true,
    })
}

/// Another spelling of a flag, for clients that are out there.
pub(crate) fn other_spelling(name: &str, of: &str) -> Value {
    json!({
        "name": name,
        "in": "query",
        "deprecated": true,
        "description": format!("The same as `{of}`. Where both are there, the first one counts."),
        "schema": {"type": ["boolean", "string"], "default": false},
    })
}

/// The same header as the legacy dialect first called it.
pub(crate) fn token_name() -> Value {
    json!({
        "name": "X-Token-Name",
        "in": "header",
        "deprecated": true,
        "description": "The same as `X-Session-Name`. Where both are there and can be names, this one counts.",
        "schema": {"type": "string"},
    })
}

/// The header that names the session which the call opens.
pub(crate) fn session_name() -> Value {
    json!({
        "name": "X-Session-Name",
        "in": "header",
        "description": format!(
            "The new session's name in lists: 1 to {} characters. Without it, or where it cannot be a name, the name \
             is made from `User-Agent`.",
            SessionName::MAX
        ),
        "schema": {"type": "string"},
        "example": "Ada's laptop",
    })
}
