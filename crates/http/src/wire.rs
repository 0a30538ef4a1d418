//! What values look like on the wire, whatever the dialect: how they are written, and what their schemas say.

use std::borrow::Cow;
use std::fmt::Display;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use thunderhead_domain::factor::FactorId;
use thunderhead_domain::id::{SessionUuid, UserId, UserUuid};
use thunderhead_domain::session::SessionName;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::Username;

/// Something as the text that it prints as, which is written straight into the answer.
#[derive(Debug)]
pub(crate) struct Wire<T>(pub(crate) T);

impl<T: Display> Serialize for Wire<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Gives types a schema that stands wherever they stand.
macro_rules! inline_schemas {
    ($($Type:ty: $schema:tt;)*) => {$(
        impl schemars::JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}
pub(crate) use inline_schemas;

/// Declares types that stand for values of a form which serde does not know of, for `#[schemars(with = "…")]`.
macro_rules! value_schemas {
    ($($(#[$meta:meta])* $Name:ident: $schema:tt;)*) => {$(
        $(#[$meta])*
        pub(crate) enum $Name {}

        $crate::wire::inline_schemas! {
            $Name: $schema;
        }
    )*};
}
pub(crate) use value_schemas;

/// Declares types with one value each, which is always the same in JSON.
macro_rules! constants {
    ($($Name:ident = $value:expr;)*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $Name;

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&$value, serializer)
            }
        }

        $crate::wire::inline_schemas! {
            $Name: {"const": $value};
        }
    )*};
}
pub(crate) use constants;

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
    SessionNumber: {
        "type": "integer",
        "description": "Unix seconds at its creation; unique among its user's sessions.",
        "examples": [1_767_225_600],
    };
    SessionNameText: {
        "type": "string",
        "minLength": 1,
        "maxLength": SessionName::MAX,
        "examples": ["Firefox v140 on Linux"],
    };
    Expiry: {
        "type": "integer",
        "description": "When the session ends by itself, in Unix seconds.",
        "examples": [1_767_312_000],
    };
}

/// The id of a kill switch, for schemas.
pub(crate) enum KillSwitchId {}

impl JsonSchema for KillSwitchId {
    fn schema_name() -> Cow<'static, str> {
        "KillSwitchId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let line = |(switch, name): (KillSwitch, _)| format!("- {} `{name}`: {}", switch.id(), switch.meaning());
        json_schema!({
            "type": "integer",
            "description": format!("What it shuts:\n\n{}", KillSwitch::TABLE.map(line).join("\n")),
            "minimum": 0,
            "maximum": KillSwitch::TABLE.len() - 1,
            "examples": [KillSwitch::AccountLogin.id()],
        })
    }
}

inline_schemas! {
    Wire<Timestamp>: {"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00.000Z"]};
    Wire<UserId>: {
        "type": "string",
        "pattern": "^[0-9]{13}$",
        "description": "Unix milliseconds at its creation.",
        "examples": ["1767225600000"],
    };
    Wire<UserUuid>: {"type": "string", "format": "uuid", "examples": ["0b6f4f5e-7c2a-4d8e-9a51-3f0c6a2b7d14"]};
    Wire<SessionUuid>: {"type": "string", "format": "uuid", "examples": ["6f1d3b0e-8f3a-4b5c-9d2e-1a7c5e9b4d20"]};
    Wire<FactorId>: {"type": "string", "format": "uuid", "examples": ["0191f2a4-8b1c-4def-8000-00000000002a"]};
}
