//! JSON objects that are answered to session checks, written straight into their text. It takes a quarter of the time that
//! a serializer does, which looks through names and values for what is to be escaped.

use std::fmt::{Display, Write};

/// A JSON object with at least one member.
pub(crate) struct JsonObject {
    text: String,
}

/// A name as a member begins with it. It has nothing to escape.
#[derive(Clone, Copy)]
pub(crate) struct MemberName(pub(crate) &'static str);

/// The name of a member.
macro_rules! member {
    ($name:literal) => {
        $crate::json_object::MemberName(concat!(",\"", $name, "\":"))
    };
}
pub(crate) use member;

impl JsonObject {
    /// One that seldom takes more than so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    /// A text that may hold anything.
    pub(crate) fn text(mut self, MemberName(name): MemberName, value: &str) -> Self {
        self.text.push_str(name);
        // All of it is looked at, whatever the first bytes are: that goes many at a time.
        if value.bytes().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            self.text.push_str(&serde_json::Value::from(value).to_string());
        } else {
            self.text.push('"');
            self.text.push_str(value);
            self.text.push('"');
        }
        self
    }

    /// A text that is printed without anything to escape, like a time or an id.
    pub(crate) fn printed(mut self, MemberName(name): MemberName, value: impl Display) -> Self {
        self.text.push_str(name);
        self.text.push('"');
        self.print(value);
        self.text.push('"');
        self
    }

    /// The same, or null.
    pub(crate) fn printed_if_any(self, name: MemberName, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.printed(name, value),
            None => self.literal(name, "null"),
        }
    }

    /// A number.
    pub(crate) fn number(mut self, MemberName(name): MemberName, value: i64) -> Self {
        self.text.push_str(name);
        self.print(value);
        self
    }

    /// The same, or null.
    pub(crate) fn number_if_any(self, name: MemberName, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self.literal(name, "null"),
        }
    }

    /// True or false.
    pub(crate) fn flag(self, name: MemberName, value: bool) -> Self {
        self.literal(name, if value { "true" } else { "false" })
    }

    /// The whole object.
    pub(crate) fn end(mut self) -> String {
        // The comma that the first member begins with.
        self.text.replace_range(..1, "{");
        self.text.push('}');
        self.text
    }

    fn literal(mut self, MemberName(name): MemberName, value: &str) -> Self {
        self.text.push_str(name);
        self.text.push_str(value);
        self
    }

    fn print(&mut self, value: impl Display) {
        // A text takes in everything.
        write!(self.text, "{value}").ok();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn an_object_is_what_a_serializer_writes(text in any::<String>(), number: i64, flag: bool, some: bool) {
            let object = JsonObject::with_capacity(1)
                .text(member!("text"), &text)
                .printed(member!("uuid"), uuid::Uuid::from_u128(1))
                .printed_if_any(member!("maybe"), some.then_some(7))
                .number(member!("number"), number)
                .number_if_any(member!("perhaps"), some.then_some(number))
                .flag(member!("flag"), flag)
                .end();
            let expected = json!({
                "text": text,
                "uuid": uuid::Uuid::from_u128(1).to_string(),
                "maybe": some.then_some("7"),
                "number": number,
                "perhaps": some.then_some(number),
                "flag": flag,
            });
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&object).unwrap(), expected);
        }
    }
}
