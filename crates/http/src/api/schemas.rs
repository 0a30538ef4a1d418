//! The structures of the current dialect as component schemas, each with an example. A test holds them against
//! the wire types.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::SessionName;
use thunderhead_domain::switch::KillSwitch;

use crate::api::factors::schemas as factors;
use crate::api::fields::TOKEN;
use crate::wire::{EmailText, UsernameText};

/// The components that are no errors, by name, in the order of the readable page.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Hello", hello()),
        ("SuccessfulAuth", successful_auth()),
        ("User", user()),
        ("UserItem", user_item()),
        ("UserList", list("UserItem", &json!({"id": "1767225600000", "username": "ada"}))),
        ("Session", session()),
        ("SessionItem", session_item()),
        ("SessionDevice", session_device()),
        ("SessionList", session_list()),
        ("ScopedSessionCreate", scoped_session_create()),
        ("SecondFactor", factors::factor()),
        ("SecondFactorItem", factors::item()),
        ("SecondFactorList", list("SecondFactorItem", &factors::item_example())),
        ("TotpOffer", factors::totp_offer()),
        ("WebauthnOffer", factors::webauthn_offer()),
        ("SecondFactorEnrolled", factors::enrolled()),
        ("BackupCodes", factors::backup_codes()),
        ("KillSwitch", kill_switch()),
        ("KillSwitchList", kill_switch_list()),
        ("DeleteSession", deleted("DELETE_SESSION_SUCCESS", "Session Successfully Deleted")),
        ("DeleteSessions", deleted_several("DELETE_SESSIONS_SUCCESS", "Sessions Successfully Deleted")),
        ("DeleteSecondFactor", deleted("DELETE_SECOND_FACTOR_SUCCESS", "Second Factor Successfully Deleted")),
        (
            "DeleteSecondFactors",
            deleted_several("DELETE_SECOND_FACTORS_SUCCESS", "Second Factors Successfully Deleted"),
        ),
        ("DeleteUser", deleted("DELETE_USER_SUCCESS", "User Successfully Deleted")),
        ("DeleteUsers", deleted_several("DELETE_USERS_SUCCESS", "Users Successfully Deleted")),
    ]
}

/// An object whose properties are all required. What is not listed may be added later.
pub(crate) fn object(properties: Value, example: &Value) -> Value {
    let required: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({"type": "object", "required": required, "properties": properties, "examples": [example]})
}

pub(crate) fn hello() -> Value {
    let properties =
        json!({"hello": {"const": "world"}, "version": {"type": "string", "description": "The server's."}});
    object(properties, &json!({"hello": "world", "version": env!("CARGO_PKG_VERSION")}))
}

pub(crate) fn successful_auth() -> Value {
    object(json!({"token": token(), "exp": expiry()}), &json!({"token": TOKEN, "exp": 1_767_312_000}))
}

pub(crate) fn token() -> Value {
    json!({
        "type": "string",
        "description": "The session's token, for `Authorization`. It is shown this once.",
        "pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
    })
}

pub(crate) fn expiry() -> Value {
    json!({"type": "integer", "description": "When the session ends by itself, in Unix seconds."})
}

pub(crate) fn moment(text: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": text})
}

pub(crate) fn moment_or_null(text: &str) -> Value {
    json!({"type": ["string", "null"], "format": "date-time", "description": text})
}

pub(crate) fn user_id() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{13}$", "description": "Unix milliseconds at its creation."})
}

pub(crate) fn user_item() -> Value {
    let properties = json!({"id": user_id(), "username": of::<UsernameText>()});
    object(properties, &json!({"id": "1767225600000", "username": "ada"}))
}

pub(crate) fn user() -> Value {
    let properties = json!({
        "id": user_id(),
        "uuid": {"type": "string", "format": "uuid"},
        "username": of::<UsernameText>(),
        "email": of::<EmailText>(),
        "staff": {"type": "boolean"},
        "verifiedAt": moment_or_null("When the address was found to be theirs."),
        "bannedAt": moment_or_null("When the user was banned, while the ban lasts."),
        "createdAt": moment("When the account was made."),
        "updatedAt": moment("When the account last changed."),
    });
    object(properties, &user_example())
}

pub(crate) fn user_example() -> Value {
    json!({
        "id": "1767225600000",
        "uuid": "0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14",
        "username": "ada",
        "email": "ada@example.org",
        "staff": false,
        "verifiedAt": "2026-01-02T08:30:00.000Z",
        "bannedAt": null,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-02T08:30:00.000Z",
    })
}

pub(crate) fn session_id() -> Value {
    json!({"type": "integer", "description": "Unix seconds at its creation; unique among its user's sessions."})
}

pub(crate) fn session_name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": SessionName::MAX})
}

pub(crate) fn session_properties() -> Value {
    json!({
        "id": session_id(),
        "uuid": {"type": "string", "format": "uuid", "description": "The `jti` of its token."},
        "name": session_name(),
        "permissionFlags": {
            "anyOf": [{"$ref": "#/components/schemas/PermissionFlags"}, {"type": "null"}],
            "description": "The scopes of a scoped session; null for an ordinary one.",
        },
        "exp": expiry(),
        "usedAt": moment_or_null("When the last request was made with it; may lag by up to 60 s."),
        "createdAt": moment("When it was made. Lists are newest first."),
        "updatedAt": moment("When it last changed."),
    })
}

pub(crate) fn session() -> Value {
    object(session_properties(), &session_example())
}

pub(crate) fn session_example() -> Value {
    json!({
        "id": 1_767_225_600,
        "uuid": "6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20",
        "name": "Firefox v140 on Linux",
        "permissionFlags": null,
        "exp": 1_767_312_000,
        "usedAt": "2026-01-01T00:05:00.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-01T00:05:00.000Z",
    })
}

pub(crate) fn session_item() -> Value {
    object(json!({"id": session_id(), "name": session_name()}), &session_item_example())
}

pub(crate) fn session_item_example() -> Value {
    json!({"id": 1_767_225_600, "name": "Firefox v140 on Linux"})
}

pub(crate) fn session_device() -> Value {
    let properties = json!({
        "ip": {"type": ["string", "null"], "description": "The address that it was made from."},
        "userAgent": {"type": ["string", "null"], "description": "The User-Agent that it was made with."},
        "current": {"type": "boolean", "description": "Whether the request is made with it."},
    });
    object(
        merged(session_properties(), &properties),
        &merged(
            session_example(),
            &json!({
                "ip": "203.0.113.7",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "current": true,
            }),
        ),
    )
}

pub(crate) fn session_list() -> Value {
    let mut schema = list("SessionItem", &session_item_example());
    schema["properties"]["items"]["items"] = json!({
        "anyOf": [{"$ref": "#/components/schemas/SessionItem"}, {"$ref": "#/components/schemas/SessionDevice"}],
        "description": "With `full=true` a SessionDevice, else a SessionItem.",
    });
    schema
}

pub(crate) fn scoped_session_create() -> Value {
    let mut example = merged(session_example(), &json!({"token": TOKEN}));
    example["name"] = json!("Nightly backup");
    example["permissionFlags"] = json!(Scope::SessionRead.bit());
    example["usedAt"] = Value::Null;
    example["updatedAt"] = example["createdAt"].clone();
    object(merged(session_properties(), &json!({"token": token()})), &example)
}

pub(crate) fn kill_switch() -> Value {
    let names: Vec<_> = KillSwitch::TABLE.iter().map(|(_, name)| *name).collect();
    let properties = json!({
        "id": {"type": "integer", "minimum": 0, "maximum": names.len() - 1},
        "name": {"enum": names},
        "state": {"type": "boolean", "description": "Whether it is on, so that what it stands for is shut."},
    });
    object(properties, &kill_switch_example(KillSwitch::AccountLogin))
}

pub(crate) fn kill_switch_example(switch: KillSwitch) -> Value {
    json!({"id": switch.id(), "name": switch.name(), "state": switch == KillSwitch::AccountLogin})
}

pub(crate) fn kill_switch_list() -> Value {
    let mut schema = list("KillSwitch", &Value::Null);
    let items: Vec<_> = KillSwitch::TABLE.into_iter().map(|(switch, _)| kill_switch_example(switch)).collect();
    schema["examples"] = json!([{"count": items.len(), "items": items}]);
    schema
}

pub(crate) fn list(item: &str, example: &Value) -> Value {
    let properties = json!({
        "count": {"type": "integer", "minimum": 0, "description": "How many there are on all pages together."},
        "items": {"type": "array", "items": {"$ref": format!("#/components/schemas/{item}")}},
    });
    object(properties, &json!({"count": 1, "items": [example]}))
}

pub(crate) fn deleted(code: &str, message: &str) -> Value {
    let properties = json!({"code": {"const": code}, "message": {"const": message}});
    object(properties, &json!({"code": code, "message": message}))
}

pub(crate) fn deleted_several(code: &str, message: &str) -> Value {
    let count = json!({"type": "integer", "minimum": 0, "description": "How many this call really deleted."});
    let properties = json!({"code": {"const": code}, "message": {"const": message}, "count": count});
    object(properties, &json!({"code": code, "message": message, "count": 2}))
}

/// An object with the entries of another behind its own.
pub(crate) fn merged(mut first: Value, second: &Value) -> Value {
    if let (Value::Object(first), Value::Object(second)) = (&mut first, second) {
        first.extend(second.clone());
    }
    first
}

pub(crate) fn of<T: JsonSchema>() -> Value {
    T::json_schema(&mut SchemaGenerator::default()).to_value()
}
