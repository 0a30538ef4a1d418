//! The structures of the Kratos dialect.

use serde_json::{Value, json};

use crate::api::schemas::{moment, moment_or_null, object, session_name};

const TOKEN: &str = "MP2YWEMeM8MxjkGKpH4dqOQ4Q4DlSPaj";
const USER: &str = "0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14";
const SESSION: &str = "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20";
const FLOW: &str = "69564a80-0058-8f3a-9d2e-1a7c5e9b4d20";

pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("KratosSession", session()),
        ("KratosSessionList", session_list()),
        ("KratosIdentity", identity()),
        ("KratosTraits", traits()),
        ("KratosLoginFlow", login_flow()),
        ("KratosLogin", login()),
        ("KratosLogout", logout()),
        ("KratosCount", object(json!({"count": number("Sessions that this call ended.")}), &json!({"count": 2}))),
        ("KratosProcessed", processed()),
    ]
}

fn number(text: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": text})
}

fn uuid(text: &str) -> Value {
    json!({"type": "string", "format": "uuid", "description": text})
}

fn level() -> Value {
    json!({"enum": ["aal1", "aal2"], "description": "`aal2` with a second factor."})
}

fn traits() -> Value {
    let mut schema = object(
        json!({"username": crate::api::schemas::of::<crate::wire::UsernameText>(), "email": crate::api::schemas::of::<crate::wire::EmailText>()}),
        &json!({"username": "ada", "email": "ada@example.org"}),
    );
    schema["description"] = json!("`email` is left out in lists.");
    schema["required"] = json!(["username"]);
    schema
}

fn identity() -> Value {
    let properties = json!({
        "id": uuid("The user's uuid."),
        "schema_id": {"const": "default"},
        "schema_url": {"type": "string"},
        "state": {"enum": ["active", "inactive"], "description": "`inactive` while the user is banned."},
        "traits": {"$ref": "#/components/schemas/KratosTraits"},
        "metadata_public": {"type": "null"},
        "created_at": moment("When the account was made."),
        "updated_at": moment("When the account last changed."),
    });
    object(properties, &identity_example())
}

fn identity_example() -> Value {
    json!({
        "id": USER,
        "schema_id": "default",
        "schema_url": "https://auth.example.org/openapi.json#/components/schemas/KratosTraits",
        "state": "active",
        "traits": {"username": "ada", "email": "ada@example.org"},
        "metadata_public": null,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    })
}

fn session() -> Value {
    let method = json!({
        "type": "object",
        "required": ["method", "aal", "completed_at"],
        "properties": {
            "method": {"enum": ["password", "totp", "webauthn", "lookup_secret"]},
            "aal": level(),
            "completed_at": moment("When it was shown."),
        },
    });
    let device = json!({
        "type": "object",
        "required": ["id", "ip_address", "user_agent", "location"],
        "properties": {
            "id": uuid("The session's: it is made on one device."),
            "ip_address": {"type": ["string", "null"]},
            "user_agent": {"type": ["string", "null"]},
            "location": {"type": "null"},
        },
    });
    let reasons =
        json!(["revoked", "revoked_by_staff", "banned", "password_changed", "staff_changed", "operator", null]);
    let properties = json!({
        "id": uuid("The session's uuid, which other dialects know it by too."),
        "active": {"type": "boolean", "description": "Whether it is neither ended nor expired, nor its user banned."},
        "expires_at": moment("When it ends by itself."),
        "authenticated_at": moment("When its user last showed something."),
        "authenticator_assurance_level": level(),
        "authentication_methods": {"type": "array", "items": method},
        "issued_at": moment("When it was made."),
        "identity": {
            "anyOf": [{"$ref": "#/components/schemas/KratosIdentity"}, {"type": "null"}],
            "description": "The user; null while the second factor is owed. For staff with `expand=identity`.",
        },
        "devices": {"type": "array", "items": device, "description": "For staff with `expand=devices`."},
        "name": session_name(),
        "last_used_at": moment_or_null("When it was last used; may lag by up to 60 s."),
        "current": {"type": "boolean", "description": "Whether the request is made with it."},
        "revoked_at": moment_or_null("For staff: when somebody ended it."),
        "revoked_by": {"type": ["string", "null"], "description": "For staff: a user's id, or `command-line`."},
        "revoked_reason": {"enum": reasons, "description": "For staff: why."},
    });
    let mut schema = object(properties, &session_example());
    let optional = ["identity", "devices", "revoked_at", "revoked_by", "revoked_reason"];
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| !optional.iter().any(|optional| name == optional));
    }
    schema
}

pub(crate) fn session_example() -> Value {
    json!({
        "id": SESSION,
        "active": true,
        "expires_at": "2026-01-02T00:00:00.000Z",
        "authenticated_at": "2026-01-01T00:00:00.000Z",
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [
            {"method": "password", "aal": "aal1", "completed_at": "2026-01-01T00:00:00.000Z"},
        ],
        "issued_at": "2026-01-01T00:00:00.000Z",
        "identity": identity_example(),
        "devices": [{
            "id": SESSION,
            "ip_address": "203.0.113.7",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "location": null,
        }],
        "name": "Firefox v140 on Linux",
        "last_used_at": "2026-01-01T00:05:00.000Z",
        "current": true,
    })
}

fn session_list() -> Value {
    json!({
        "type": "array",
        "items": {"$ref": "#/components/schemas/KratosSession"},
        "examples": [[session_example()]],
    })
}

fn login_flow() -> Value {
    let text = json!({"type": "string"});
    let message = json!({
        "type": "object",
        "required": ["id", "type", "text"],
        "properties": {"id": {"type": "integer"}, "type": {"const": "error"}, "text": text},
    });
    let ui = json!({
        "type": "object",
        "required": ["action", "method", "nodes"],
        "properties": {
            "action": text,
            "method": {"const": "POST"},
            "nodes": {
                "type": "array",
                "description": "What to ask for, in a flow of a browser.",
                "items": {"type": "object"},
            },
            "messages": {"type": "array", "items": message, "description": "What was wrong with the submission."},
        },
    });
    let properties = json!({
        "id": uuid("For the submission."),
        "type": {"enum": ["api", "browser"]},
        "expires_at": moment("One hour after its beginning."),
        "issued_at": moment("When it was begun."),
        "request_url": text,
        "state": {"const": "choose_method"},
        "refresh": {"type": "boolean"},
        "requested_aal": level(),
        "ui": ui,
    });
    let example = json!({
        "id": FLOW,
        "type": "api",
        "expires_at": "2026-01-01T01:00:00.000Z",
        "issued_at": "2026-01-01T00:00:00.000Z",
        "request_url": "https://auth.example.org/auth/self-service/login/api",
        "state": "choose_method",
        "refresh": false,
        "requested_aal": "aal1",
        "ui": {
            "action": format!("https://auth.example.org/auth/self-service/login?flow={FLOW}"),
            "method": "POST",
            "nodes": [],
        },
    });
    object(properties, &example)
}

fn login() -> Value {
    let properties = json!({
        "session_token": {
            "type": "string",
            "description": "For `X-Session-Token`; not in a flow of a browser, which gets a cookie.",
        },
        "session": {"$ref": "#/components/schemas/KratosSession"},
        "continue_with": {"type": "null", "description": "Not in a flow of a browser."},
    });
    let example = json!({"session_token": TOKEN, "session": session_example(), "continue_with": null});
    let mut schema = object(properties, &example);
    schema["required"] = json!(["session"]);
    schema
}

fn logout() -> Value {
    let token = "4be2…";
    let properties = json!({"logout_url": {"type": "string"}, "logout_token": {"type": "string"}});
    let url = format!("https://auth.example.org/auth/self-service/logout?token={token}");
    object(properties, &json!({"logout_url": url, "logout_token": token}))
}

fn processed() -> Value {
    let more = json!({"type": "boolean", "description": "Whether the call is to be repeated."});
    let properties = json!({"processed": number("Sessions that this call ended."), "more": more});
    object(properties, &json!({"processed": 500, "more": true}))
}
