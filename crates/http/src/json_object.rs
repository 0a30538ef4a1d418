//! JSON objects that are answered to session checks, written straight into their text. It takes a quarter of the time that
//! a serializer does, which looks through names and values for what is to be escaped.

use std::fmt::Display;
use std::io::Write;

use thunderhead_domain::time::Timestamp;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// A JSON object with at least one member.
pub(crate) struct JsonObject {
    text: Vec<u8>,
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
        Self { text: Vec::with_capacity(bytes) }
    }

    /// A text that may hold anything.
    pub(crate) fn text(self, name: MemberName, value: &str) -> Self {
        // All of it is looked at, whatever the first bytes are: that goes many at a time.
        if value.bytes().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            self.literal(name, &serde_json::Value::from(value).to_string())
        } else {
            self.quoted(name, value.as_bytes())
        }
    }

    /// A point in time.
    pub(crate) fn time(self, name: MemberName, value: Timestamp) -> Self {
        self.quoted(name, &value.to_rfc3339())
    }

    /// The same, or null.
    pub(crate) fn time_if_any(self, name: MemberName, value: Option<Timestamp>) -> Self {
        match value {
            Some(value) => self.time(name, value),
            None => self.literal(name, "null"),
        }
    }

    /// A UUID.
    pub(crate) fn uuid(self, name: MemberName, value: Uuid) -> Self {
        self.quoted(name, value.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]).as_bytes())
    }

    /// A text that is printed without anything to escape, like an id.
    pub(crate) fn printed(mut self, MemberName(name): MemberName, value: impl Display) -> Self {
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b'"');
        self.print(value);
        self.text.push(b'"');
        self
    }

    /// A number.
    pub(crate) fn number(mut self, MemberName(name): MemberName, value: i64) -> Self {
        self.text.extend_from_slice(name.as_bytes());
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
    pub(crate) fn end(mut self) -> Vec<u8> {
        // Each member begins with a comma.
        if let Some(first) = self.text.first_mut() {
            *first = b'{';
        }
        self.text.push(b'}');
        self.text
    }

    fn quoted(mut self, MemberName(name): MemberName, value: &[u8]) -> Self {
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b'"');
        self.text.extend_from_slice(value);
        self.text.push(b'"');
        self
    }

    fn literal(mut self, MemberName(name): MemberName, value: &str) -> Self {
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(value.as_bytes());
        self
    }

    fn print(&mut self, value: impl Display) {
        // What grows takes in everything.
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
        fn an_object_is_what_a_serializer_writes(text: String, number: i64, at: i64, flag: bool, some: bool) {
            let (uuid, at) = (Uuid::from_u128(1), Timestamp::from_unix_millis(at));
            let object = JsonObject::with_capacity(1)
                .text(member!("text"), &text)
                .uuid(member!("uuid"), uuid)
                .printed(member!("printed"), 7)
                .time(member!("time"), at)
                .time_if_any(member!("maybe"), some.then_some(at))
                .number(member!("number"), number)
                .number_if_any(member!("perhaps"), some.then_some(number))
                .flag(member!("flag"), flag)
                .end();
            let expected = json!({
                "text": text,
                "uuid": uuid.to_string(),
                "printed": "7",
                "time": at.to_string(),
                "maybe": some.then_some(at.to_string()),
                "number": number,
                "perhaps": some.then_some(number),
                "flag": flag,
            });
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&object).unwrap(), expected);
        }
    }
}
