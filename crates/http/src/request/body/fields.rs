//! Reading the fields of a body, and collecting what is wrong with them: a client is told all of it at once, in
//! the order of the specification (`docs/MODEL.md`, *Errors*, `MissingFields`).

use serde_json::Value;

use crate::request::body::{BodyError, Object};

/// The largest integer below which a JSON number with a fraction part is exact (RFC 8259, section 6).
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// The fields that are absent, of the wrong type or with an unacceptable value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("missing or unacceptable fields: {0:?}")]
pub(crate) struct MissingFields(pub(crate) Vec<&'static str>);

/// The fields of one body. Each is to be asked for in the order of the specification, and `null` counts as absent.
pub(crate) struct Fields {
    object: Object,
    asked: Vec<(&'static str, Verdict)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    Missing,
}

impl Fields {
    /// The fields of an object.
    pub(crate) const fn new(object: Object) -> Self {
        Self { object, asked: Vec::new() }
    }

    /// The fields of a body. One that is no object has none, so that the error names those that it should have.
    pub(crate) fn of_body(body: Result<Object, BodyError>) -> Result<Self, BodyError> {
        match body {
            Ok(object) => Ok(Self::new(object)),
            Err(BodyError::NotAnObject) => Ok(Self::new(Object::new())),
            Err(BodyError::TooLarge) => Err(BodyError::TooLarge),
        }
    }

    /// Whether a field is there, whatever its type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that is a text, looked at without being asked for.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name).and_then(Value::as_str)
    }

    /// A text that must be there; it may be empty.
    pub(crate) fn required_string(&mut self, name: &'static str) -> Option<String> {
        self.required(name, string)
    }

    /// A text that must be there under one of these names, of which the first that is there counts. Where there is
    /// none, or none that is a text, the first name is told.
    pub(crate) fn required_string_of(&mut self, names: &'static [&'static str]) -> Option<String> {
        let (told, there) = (names.first()?, names.iter().find(|name| self.has(name)));
        let value = there.and_then(|name| self.object.get(*name)).and_then(string);
        self.note(told, if value.is_some() { Verdict::Fine } else { Verdict::Missing });
        value
    }

    /// A text that may be left out.
    pub(crate) fn optional_string(&mut self, name: &'static str) -> Option<String> {
        self.optional(name, string)
    }

    /// An integer that must be there.
    pub(crate) fn required_integer(&mut self, name: &'static str) -> Option<i64> {
        self.required(name, integer)
    }

    /// A boolean that may be left out.
    pub(crate) fn optional_bool(&mut self, name: &'static str) -> Option<bool> {
        self.optional(name, Value::as_bool)
    }

    /// An array that must be there, of whatever.
    pub(crate) fn required_array(&mut self, name: &'static str) -> Option<Vec<Value>> {
        self.required(name, |value| value.as_array().cloned())
    }

    /// An object that must be there.
    pub(crate) fn required_object(&mut self, name: &'static str) -> Option<Object> {
        self.required(name, |value| value.as_object().cloned())
    }

    /// An object that may be left out.
    pub(crate) fn optional_object(&mut self, name: &'static str) -> Option<Object> {
        self.optional(name, |value| value.as_object().cloned())
    }

    /// Notes that a field's value is unacceptable. Where the field was asked for before, it keeps its place.
    pub(crate) fn reject(&mut self, name: &'static str) {
        self.note(name, Verdict::Missing);
    }

    /// The end of reading: fine, or everything that is wrong.
    pub(crate) fn finish(&self) -> Result<(), MissingFields> {
        let missing = self.asked.iter().filter(|(_, verdict)| *verdict == Verdict::Missing);
        let missing: Vec<_> = missing.map(|(name, _)| *name).collect();
        if missing.is_empty() { Ok(()) } else { Err(MissingFields(missing)) }
    }

    fn required<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.object.get(name).and_then(read);
        self.note(name, if value.is_some() { Verdict::Fine } else { Verdict::Missing });
        value
    }

    fn optional<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        if self.has(name) {
            return self.required(name, read);
        }
        self.note(name, Verdict::Fine);
        None
    }

    /// A field is listed once, at the place where it was first asked for, and a bad verdict stays.
    fn note(&mut self, name: &'static str, verdict: Verdict) {
        match self.asked.iter_mut().find(|(asked, _)| *asked == name) {
            None => self.asked.push((name, verdict)),
            Some((_, noted)) if verdict == Verdict::Missing => *noted = verdict,
            Some(_) => {}
        }
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

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(object) = value else { panic!("not an object: {value}") };
        Fields::new(object)
    }

    #[test]
    fn what_is_there_is_read() {
        let mut fields = fields(json!({
            "name": "", "permissionFlags": 4.0, "ids": ["1", 2], "longLived": false, "2fa": {"token": "x"},
        }));
        assert_eq!(fields.required_string("name").as_deref(), Some(""));
        assert_eq!(fields.required_integer("permissionFlags"), Some(4));
        assert_eq!(fields.required_array("ids"), Some(vec![json!("1"), json!(2)]));
        assert_eq!(fields.optional_bool("longLived"), Some(false));
        assert_eq!(fields.optional_object("2fa").unwrap()["token"], "x");
        assert_eq!(fields.optional_bool("other"), None);
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn of_several_spellings_the_first_that_is_there_counts_and_the_first_is_told() {
        const NAMES: &[&str] = &["user", "username"];
        let read = |value| {
            let mut fields = fields(value);
            (fields.required_string_of(NAMES), fields.finish().err().map(|MissingFields(names)| names))
        };
        assert_eq!(read(json!({"user": "ada", "username": "bob"})), (Some("ada".to_owned()), None));
        assert_eq!(read(json!({"user": null, "username": "bob"})), (Some("bob".to_owned()), None));
        for wrong in [json!({}), json!({"user": 1, "username": "bob"}), json!({"username": []})] {
            assert_eq!(read(wrong), (None, Some(vec!["user"])));
        }
    }

    #[test]
    fn all_problems_are_told_at_once_in_the_order_of_asking() {
        let mut fields = fields(json!({
            "name": 5, "permissionFlags": "4", "longLived": "true", "password": "x", "ids": null, "2fa": [],
        }));
        fields.required_string("name");
        fields.required_integer("permissionFlags");
        fields.optional_bool("longLived");
        fields.required_string("password");
        fields.required_array("ids");
        fields.optional_object("2fa");
        fields.reject("password");
        fields.reject("name");
        let missing = vec!["name", "permissionFlags", "longLived", "password", "ids", "2fa"];
        assert_eq!(fields.finish(), Err(MissingFields(missing)));
    }

    #[test]
    fn a_body_that_is_no_object_lacks_every_required_field() {
        let mut fields = Fields::of_body(Err(BodyError::NotAnObject)).ok().unwrap();
        assert_eq!((fields.required_string("username"), fields.optional_bool("rememberMe")), (None, None));
        assert_eq!(fields.finish(), Err(MissingFields(vec!["username"])));
        assert_eq!(Fields::of_body(Err(BodyError::TooLarge)).err(), Some(BodyError::TooLarge));
    }

    #[test]
    fn null_is_absent_and_a_text_may_hold_any_character() {
        let mut fields = fields(json!({"a": null, "b": null, "c": "x\0"}));
        assert!(!fields.has("a") && fields.has("c") && !fields.has("d"));
        assert_eq!(
            (fields.optional_bool("a"), fields.required_string("b"), fields.required_string("c")),
            (None, None, Some("x\0".to_owned()))
        );
        assert_eq!(fields.finish(), Err(MissingFields(vec!["b"])));
    }

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
