//! What the fields of bodies are read as, with the constraints that the server really applies.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_auth::credentials::password::Password;
use thunderhead_auth::credentials::password::rules::{Candidate, NewPassword};
use thunderhead_auth::email::parse_email;
use thunderhead_domain::factor::FactorName;
use thunderhead_domain::label::is_printable;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::SessionName;
use thunderhead_domain::user::{EmailAddress, Username};

use crate::api::error::ApiError;
use crate::request::body::{Field, Notes, integer, password_schema, text_fields};
use crate::wire::{EmailText, UsernameText};

/// What a token looks like, of a length that fits a page.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxNzY3MjI1NjAwMDAwIn0.c2lnbmF0dXJl";

/// What the token of a challenge to passkeys looks like, of a length that fits a page.
pub(crate) const PASSKEY_TOKEN: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA";

/// A user name to be set. Whether it can be one is told after all that is missing.
pub(crate) struct NewUsername(String);

/// An e-mail address to be set. Whether it is one is told after all that is missing.
pub(crate) struct NewEmail(String);

/// A new password once more.
pub(crate) struct PasswordConfirmation(String);

/// Why somebody is banned, as it is kept in the audit trail. Printable, because the operator reads it in a terminal.
pub(crate) struct Reason(pub(crate) String);

const PRINTABLE: &str = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$";
/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_024;

impl NewUsername {
    pub(crate) fn parse(self) -> Result<Username, ApiError> {
        Username::try_from(self.0).map_err(|_| ApiError::InvalidUsername)
    }
}

impl Reason {
    pub(crate) fn of(text: String) -> Option<Self> {
        let is_acceptable = text.chars().nth(LONGEST_REASON).is_none() && is_printable(&text);
        is_acceptable.then_some(Self(text))
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

text_fields! {
    NewUsername: |text, notes| {
        notes.personal.push(text.clone());
        Some(Self(text))
    }, {
        let mut schema = UsernameText::json_schema(&mut SchemaGenerator::default());
        // Older names may begin with any of the characters.
        schema.insert("pattern".to_owned(), Value::from("^[A-Za-z0-9_][A-Za-z0-9_.-]*$"));
        schema
    };
    NewEmail: |text, notes| {
        notes.personal.push(text.clone());
        Some(Self(text))
    }, EmailText::json_schema(&mut SchemaGenerator::default());
    /// A password to be set, of which all is known but how soon it is guessed.
    Candidate: |text, notes| Self::new(Password::new(text), notes.personal.clone()).ok(), json_schema!({
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
    });
    PasswordConfirmation: |text, _| Some(Self(text)), password_schema("The same once more.");
    SessionName: |text, _| Self::try_from(text).ok(), label(Self::MAX, "Nightly backup");
    FactorName: |text, _| Self::try_from(text).ok(), label(Self::MAX, "My phone");
    Reason: |text, _| Self::of(text), json_schema!({
        "type": "string",
        "description": "Kept in the audit trail. Printable.",
        "maxLength": LONGEST_REASON,
        "pattern": PRINTABLE,
        "examples": ["Sold the company's secrets"],
    });
}

/// A name that somebody gives to a thing.
fn label(longest: usize, example: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": "Printable: nothing invisible, and not only spaces.",
        "minLength": 1,
        "maxLength": longest,
        "pattern": PRINTABLE,
        "not": {"pattern": "^\\s*$"},
        "examples": [example],
    })
}

impl Field for ScopeSet {
    fn read(value: Value, _: &mut Notes) -> Option<Self> {
        Self::from_flags(integer(&value)?).ok()
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
        let line = |(scope, name): (Scope, _)| format!("- {} `{name}`: {}", scope.bit(), scope.meaning());
        let all: i64 = (1 << Scope::TABLE.len()) - 1;
        json_schema!({
            "type": "integer",
            "description": format!("A sum of scopes:\n\n{}", Scope::TABLE.map(line).join("\n")),
            "minimum": 1,
            "maximum": all,
            "examples": [Scope::SessionRead.bit()],
        })
    }
}
