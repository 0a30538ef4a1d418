//! What fields are read as, whatever the dialect.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_auth::credentials::password::Password;

use crate::request::body::{Field, Notes, Object};

/// The largest integer below which a JSON number with a fraction part is exact (RFC 8259, section 6).
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// Declares how fields are read that are texts in JSON, and their schemas.
macro_rules! text_fields {
    ($($(#[$meta:meta])* $Type:ty: |$text:ident, $notes:pat_param| $read:expr, $schema:expr;)*) => {$(
        $(#[$meta])*
        impl $crate::request::body::Field for $Type {
            fn read(value: serde_json::Value, $notes: &mut $crate::request::body::Notes) -> Option<Self> {
                let serde_json::Value::String($text) = value else { return None };
                $read
            }

            fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    )*};
}
pub(crate) use text_fields;

text_fields! {
    /// Any text, an empty one too.
    String: |text, _| Some(text), json_schema!({"type": "string"});
    /// A password in use.
    Password: |text, _| Some(Self::new(text)), password_schema("The user's password.");
}

/// The schema of a password that is known already.
pub(crate) fn password_schema(text: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": text,
        "format": "password",
        "examples": ["correct horse battery staple"],
    })
}

/// A flag that may be left out.
impl Field for bool {
    fn absent() -> Option<Self> {
        Some(false)
    }

    fn read(value: Value, _: &mut Notes) -> Option<Self> {
        value.as_bool()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "boolean", "examples": [true]})
    }
}

/// An object of whatever.
impl Field for Object {
    fn read(value: Value, _: &mut Notes) -> Option<Self> {
        let Value::Object(object) = value else { return None };
        Some(object)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

/// A field that may be left out.
impl<T: Field> Field for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        T::read(value, notes).map(Some)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// The integer that a JSON number stands for: `2` and `2.0` are 2; fractions, texts and numbers too large to be
/// exact are none.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() <= LARGEST_EXACT;
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().filter(exact).map(|number| number as i64),
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_without_a_fraction_are_integers_and_nothing_else_is() {
        let read = |text: &str| integer(&serde_json::from_str(text).unwrap());
        for (text, number) in
            [("0", 0), ("-0.0", 0), ("2", 2), ("2.0", 2), ("2e3", 2_000), ("-7", -7), ("9223372036854775807", i64::MAX)]
        {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in [
            "2.5",
            "1e300",
            "-1e300",
            "9223372036854775808",
            "9007199254740993.0",
            "1e-9",
            "\"2\"",
            "true",
            "[2]",
            "null",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_double_is_the_integer_it_prints_as_or_none(number in any::<f64>()) {
            if let Some(read) = serde_json::Number::from_f64(number).and_then(|number| integer(&Value::Number(number))) {
                prop_assert_eq!(read as f64, number);
            }
        }
    }
}
