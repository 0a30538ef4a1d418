//! The headers of answers, by their names: what they are is said among the components.

use serde_json::{Value, json};

/// What an answer with this status may carry that a limit has looked at.
pub(crate) fn of_status(status: u16) -> Value {
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate", "Set-Cookie"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    let mut headers = uncounted(&["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]);
    add(&mut headers, more);
    headers
}

/// The same of a good answer, with what it carries besides.
pub(crate) fn of_success(status: u16, more: &[&str]) -> Value {
    let mut headers = of_status(status);
    add(&mut headers, more);
    headers
}

/// What an answer carries that no limit looks at.
pub(crate) fn uncounted(more: &[&str]) -> Value {
    let mut headers = json!({});
    add(&mut headers, &["X-Request-ID"]);
    add(&mut headers, more);
    headers
}

pub(crate) fn add(headers: &mut Value, names: &[&str]) {
    for name in names {
        headers[*name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
}
