//! What the fields of bodies are read as, with the constraints that the server really applies.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_auth::accounts::register::parse_email;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword};
use thunderhead_domain::factor::FactorName;
use thunderhead_domain::label::is_printable;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::SessionName;
use thunderhead_domain::user::{EmailAddress, Username};

use crate::api::error::ApiError;
use crate::request::body::{Field, FieldError, integer};
use crate::wire::{EmailText, UsernameText};

/// What a token looks like, of a length that fits a page.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxNzY3MjI1NjAwMDAwIn0.c2lnbmF0dXJl";

/// A user name to be set. Whether it can be one is told after all that is missing.
pub(crate) struct NewUsername(String);

/// An e-mail address to be set. Whether it is one is told after all that is missing.
pub(crate) struct NewEmail(String);

/// A new password once more.
pub(crate) struct PasswordConfirmation(String);

/// Why somebody is banned, as it is kept in the audit trail. Printable, because the operator reads it in a terminal.
pub(crate) struct Reason(pub(crate) String);

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_024;

impl NewUsername {
    pub(crate) fn parse(self) -> Result<Username, ApiError> {
        Username::try_from(self.0).map_err(|_| ApiError::InvalidUsername)
    }
}

impl NewEmail {
    pub(crate) fn parse(self) -> Result<EmailAddress, ApiError> {
        parse_email(&self.0).map_err(|_| ApiError::InvalidEmail)
    }
}

impl PasswordConfirmation {
    pub(crate) fn confirms(&self, password: &Candidate) -> Result<(), ApiError> {
        if password.is(&self.0) { Ok(()) } else { Err(ApiError::PasswordsDoNotMatch) }
    }
}

/// A text that becomes the user's own, so that a new password must not be the same.
fn personal_text(value: Value, personal: &mut Vec<String>) -> Result<String, FieldError> {
    let text = String::read(value, personal)?;
    personal.push(text.clone());
    Ok(text)
}

impl Field for NewUsername {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        personal_text(value, personal).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = UsernameText::json_schema(generator);
        // Older names may begin with any of the characters.
        schema.insert("pattern".to_owned(), Value::from("^[A-Za-z0-9_][A-Za-z0-9_.-]*$"));
        schema
    }
}

impl Field for NewEmail {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        personal_text(value, personal).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        EmailText::json_schema(generator)
    }
}

/// A password to be set, of which all is known but how soon it is guessed.
impl Field for Candidate {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        let password = Password::read(value, personal)?;
        Self::new(password, personal.clone()).map_err(|_| FieldError::Unacceptable)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
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
        })
    }
}

impl Field for PasswordConfirmation {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        String::read(value, personal).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Password::schema(generator);
        schema.insert("description".to_owned(), Value::from("The same once more."));
        schema
    }
}

/// A name that somebody gives to a thing.
fn label(longest: usize, example: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": "Printable: nothing invisible, and not only spaces.",
        "minLength": 1,
        "maxLength": longest,
        "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$",
        "not": {"pattern": "^\\s*$"},
        "examples": [example],
    })
}

impl Field for SessionName {
    const EXPECTED: &'static str = "a name";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        Self::try_from(String::read(value, personal)?).map_err(|_| FieldError::Unacceptable)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        label(Self::MAX, "Nightly backup")
    }
}

impl Field for FactorName {
    const EXPECTED: &'static str = "a name";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        Self::try_from(String::read(value, personal)?).map_err(|_| FieldError::Unacceptable)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        label(Self::MAX, "My phone")
    }
}

impl Field for Reason {
    const EXPECTED: &'static str = "a text";

    fn read(value: Value, personal: &mut Vec<String>) -> Result<Self, FieldError> {
        let reason = String::read(value, personal)?;
        let is_acceptable = reason.chars().nth(LONGEST_REASON).is_none() && is_printable(&reason);
        if is_acceptable { Ok(Self(reason)) } else { Err(FieldError::Unacceptable) }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Kept in the audit trail. Printable.",
            "maxLength": LONGEST_REASON,
            "pattern": "^[^\\u0000-\\u001F\\u007F-\\u009F]*$",
            "examples": ["Sold the company's secrets"],
        })
    }
}

impl Field for ScopeSet {
    const EXPECTED: &'static str = "a sum of scopes";

    fn read(value: Value, _: &mut Vec<String>) -> Result<Self, FieldError> {
        integer(&value).and_then(|flags| Self::from_flags(flags).ok()).ok_or(FieldError::Unacceptable)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<PermissionFlags>()
    }
}

/// The scopes of a scoped session.
pub(crate) enum PermissionFlags {}

impl JsonSchema for PermissionFlags {
    fn schema_name() -> Cow<'static, str> {
        "PermissionFlags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let line = |(scope, name): (Scope, _)| format!("- `{name}` {}", scope.bit());
        let lines: Vec<_> = Scope::TABLE.into_iter().map(line).collect();
        let all: i64 = (1 << Scope::TABLE.len()) - 1;
        json_schema!({
            "type": "integer",
            "description": format!("A sum of scopes:\n\n{}", lines.join("\n")),
            "minimum": 1,
            "maximum": all,
            "examples": [Scope::SessionRead.bit()],
        })
    }
}
