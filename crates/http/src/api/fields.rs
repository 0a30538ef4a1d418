//! The fields of request bodies, with the constraints that the server really applies.

use serde_json::{Value, json};
use thunderhead_auth::credentials::password::rules::NewPassword;
use thunderhead_domain::factor::FactorName;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::SessionName;
use thunderhead_domain::user::Username;

use crate::openapi::doc::{Field, Needed};

/// A new user name.
pub(crate) fn username() -> Field {
    let mut schema = username_schema();
    // Older names may begin with any of the characters.
    schema["pattern"] = json!("^[A-Za-z0-9_][A-Za-z0-9_.-]*$");
    Field::always("username", schema)
}

/// The form of every user name.
pub(crate) fn username_schema() -> Value {
    json!({
        "type": "string",
        "description": "Unique without regard to case; not the 13 digits of a user id.",
        "minLength": 1,
        "maxLength": Username::MAX,
        "pattern": "^[A-Za-z0-9_.-]+$",
        "not": {"pattern": "^[0-9]{13}$"},
        "examples": ["ada"],
    })
}

/// A new e-mail address.
pub(crate) fn email() -> Field {
    Field::always("email", email_schema())
}

/// The form of every e-mail address.
pub(crate) fn email_schema() -> Value {
    json!({
        "type": "string",
        "description": "Unique without regard to case.",
        "format": "email",
        "maxLength": 254,
        "examples": ["ada@example.org"],
    })
}

/// A password to be set.
pub(crate) fn new_password(name: &'static str) -> Field {
    Field::always(
        name,
        json!({
            "type": "string",
            "description": format!(
                "At least {} characters, at most {} bytes of UTF-8, any characters; not a common password, and not the \
                 user's own name or address. One that is refused is named in `fields`.",
                NewPassword::MIN,
                NewPassword::MAX
            ),
            "format": "password",
            "minLength": NewPassword::MIN,
            "maxLength": NewPassword::MAX,
            "examples": ["correct horse battery staple"],
        }),
    )
}

/// The same password once more.
pub(crate) fn confirmation(name: &'static str) -> Field {
    Field::always(
        name,
        json!({
            "type": "string",
            "description": "The same once more.",
            "format": "password",
            "examples": ["correct horse battery staple"],
        }),
    )
}

/// The name at a login: no rule applies, and an unknown name is just unknown.
pub(crate) fn login_name() -> Field {
    let schema = json!({"type": "string", "description": "The user name, in any case.", "examples": ["ada"]});
    Field { name: "username", needed: Needed::UnlessFactor, schema }
}

/// The password in use.
pub(crate) fn password(needed: Needed) -> Field {
    let schema = json!({
        "type": "string",
        "description": "The user's password.",
        "format": "password",
        "examples": ["correct horse battery staple"],
    });
    Field { name: "password", needed, schema }
}

/// The answer to a second-factor challenge.
pub(crate) fn factor_answer() -> Field {
    Field { name: "2fa", needed: Needed::Never, schema: json!({"$ref": "#/components/schemas/SecondFactorAnswer"}) }
}

/// A boolean that may be left out.
pub(crate) fn optional_flag(name: &'static str, text: &str) -> Field {
    let schema = json!({"type": ["boolean", "null"], "description": text, "default": false, "examples": [true]});
    Field { name, needed: Needed::Never, schema }
}

/// The name of a scoped session.
pub(crate) fn session_name() -> Field {
    Field::always("name", label(SessionName::MAX, "Nightly backup"))
}

/// What its owner calls a second factor.
pub(crate) fn factor_name() -> Field {
    Field::always("name", label(FactorName::MAX, "My phone"))
}

/// A name that somebody gives to a thing.
fn label(longest: usize, example: &str) -> Value {
    json!({
        "type": "string",
        "description": "Printable: nothing invisible, and not only spaces.",
        "minLength": 1,
        "maxLength": longest,
        "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$",
        "not": {"pattern": "^\\s*$"},
        "examples": [example],
    })
}

/// The scopes of a scoped session.
pub(crate) fn permission_flags() -> Field {
    Field::always("permissionFlags", json!({"$ref": "#/components/schemas/PermissionFlags"}))
}

/// The largest value that `permissionFlags` can have.
pub(crate) const fn all_flags() -> i64 {
    (1 << Scope::TABLE.len()) - 1
}

/// Ids of things to be deleted.
pub(crate) fn ids(text: &str, example: &Value) -> Field {
    Field::always(
        "ids",
        json!({
            "type": "array",
            "description": format!("{text} Unknown ids and repeated ones are skipped."),
            "maxItems": 50,
            "items": {"type": ["string", "number"]},
            "examples": [example],
        }),
    )
}

/// Why somebody is banned.
pub(crate) fn reason() -> Field {
    let schema = json!({
        "type": ["string", "null"],
        "description": "Kept in the audit trail. Printable.",
        "maxLength": 1024,
        "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$",
        "examples": ["Sold the company's secrets"],
    });
    Field { name: "reason", needed: Needed::Never, schema }
}
