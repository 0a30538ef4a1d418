//! Parameters that several dialects have: those of lists, flags, and the header that names a session.

use serde_json::{Value, json};
use thunderhead_domain::session::SessionName;

/// A parameter of a query.
pub(crate) fn query(name: &str, text: &str, schema: Value, example: impl Into<Value>) -> Value {
    json!({"name": name, "in": "query", "description": text, "schema": schema, "example": example.into()})
}

/// Which part of a list.
pub(crate) fn page() -> [Value; 2] {
    let limit = json!({"type": "integer", "minimum": 0, "maximum": 50, "default": 50});
    let offset = json!({"type": "integer", "minimum": 0, "default": 0});
    [
        query("limit", "The most items. What is none of these numbers counts as 50.", limit, 20),
        query("offset", "How many items to leave out at the front. What is no such number counts as 0.", offset, 40),
    ]
}

pub(crate) fn flag(name: &str, text: &str) -> Value {
    let text = format!("{text} `true` and `1` mean yes, everything else no.");
    query(name, &text, json!({"type": "boolean", "default": false}), true)
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
