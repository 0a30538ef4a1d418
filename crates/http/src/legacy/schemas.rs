//! The structures of the legacy dialect.

use serde_json::{Value, json};

use crate::api::schemas::{expiry, list, object, session_id, session_name, user_id};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("LegacySession", session()),
        ("LegacySessionList", list("LegacySession", &session_example())),
        ("LegacyDeleteBulk", delete_bulk()),
        ("LegacyGeneric", generic()),
    ]
}

fn session() -> Value {
    let properties = json!({"iat": session_id(), "exp": expiry(), "sub": user_id(), "name": session_name()});
    object(properties, &session_example())
}

fn session_example() -> Value {
    json!({"iat": 1_767_225_600, "exp": 1_767_312_000, "sub": "1767225600000", "name": "Firefox v140 on Linux"})
}

fn delete_bulk() -> Value {
    let count = json!({"type": "integer", "minimum": 0, "description": "How many this call really ended."});
    object(json!({"count": count, "type": {"const": "session"}}), &json!({"count": 2, "type": "session"}))
}

fn generic() -> Value {
    object(json!({"code": {"const": "GENERIC_SUCCESS"}}), &json!({"code": "GENERIC_SUCCESS"}))
}
