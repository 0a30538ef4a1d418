//! What values look like on the wire, whatever the dialect: how they are written, and what their schemas say.

use std::borrow::Cow;
use std::fmt::Display;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use thunderhead_domain::factor::FactorId;
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::Username;

/// Something as the text that it prints as, which is written straight into the answer.
pub(crate) struct Wire<T>(pub(crate) T);

impl<T: Display> Serialize for Wire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Declares types that stand for values of a form which serde does not know of, for `#[schemars(with = "…")]`.
macro_rules! value_schemas {
    ($($(#[$meta:meta])* $Name:ident: $schema:tt;)*) => {$(
        $(#[$meta])*
        pub(crate) enum $Name {}

        impl schemars::JsonSchema for $Name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

value_schemas! {
    UsernameText: {
        "type": "string",
        "description": "Unique without regard to case; not the 13 digits of a user id.",
        "minLength": 1,
        "maxLength": Username::MAX,
        "pattern": "^[A-Za-z0-9_.-]+$",
        "not": {"pattern": "^[0-9]{13}$"},
        "examples": ["ada"],
    };
    EmailText: {
        "type": "string",
        "description": "Unique without regard to case.",
        "format": "email",
        "maxLength": 254,
        "examples": ["ada@example.org"],
    };
}

/// What the text of something looks like.
pub(crate) trait TextSchema {
    fn schema() -> Schema;
}

impl<T: TextSchema> JsonSchema for Wire<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn schema_id() -> Cow<'static, str> {
        std::any::type_name::<Self>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

macro_rules! text_schemas {
    ($($Type:ty: $schema:tt;)*) => {$(
        impl TextSchema for $Type {
            fn schema() -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

text_schemas! {
    Timestamp: {"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00.000Z"]};
    UserId: {
        "type": "string",
        "pattern": "^[0-9]{13}$",
        "description": "Unix milliseconds at its creation.",
        "examples": ["1767225600000"],
    };
    UserUuid: {"type": "string", "format": "uuid", "examples": ["0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14"]};
    SessionUuid: {"type": "string", "format": "uuid", "examples": ["6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20"]};
    FactorId: {"type": "string", "format": "uuid", "examples": ["0191f2a4-8b1c-4def-8000-00000000002a"]};
}
