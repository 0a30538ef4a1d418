//! Parameters that several dialects have: those of lists, flags, and the header that names a session.

use serde_json::{Value, json};
use thunderhead_domain::session::SessionName;

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
