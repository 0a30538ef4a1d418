//! The bodies of the legacy dialect. A form becomes the object that the same request would send as JSON, the way
//! that the servers of its time read forms: `a[b]=x` is a field of an object, and what is repeated is an array.
//!
//! Forms know nothing but texts, so three fields are read by what they must be: `rememberMe` as a boolean,
//! `sessions` as an array of ids, `2fa` as an object.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use actix_web::{HttpRequest, web};
use serde_json::{Map, Value};

use crate::access::call::Call;
use crate::request::body::{BODY_DEADLINE, BodyError, Fields, Object, Pairs, Posted, read_posted};

/// The most brackets in a name: an answer of a security key has three. Fields with more are left out.
const MOST_BRACKETS: usize = 8;

/// The fields of a body of any kind. One that is of no kind has none, so that the error names those that it should
/// have.
pub(super) async fn fields(call: &Call) -> Result<Fields, BodyError> {
    fields_of(call.posted().await)
}

/// The same of a request that is yet to be counted.
pub(super) async fn read_ahead(request: HttpRequest, payload: web::Payload) -> Result<Fields, BodyError> {
    fields_of(read_posted(&request, payload, BODY_DEADLINE).await)
}

fn fields_of(posted: Result<Posted, BodyError>) -> Result<Fields, BodyError> {
    let object = posted.map(|posted| match posted {
        Posted::Object(object) => object,
        Posted::Form(pairs) => object(pairs),
    });
    Fields::of_body(object)
}

/// A form as the object that it stands for.
fn object(pairs: Pairs) -> Object {
    let mut object = Map::new();
    for (name, text) in pairs {
        let Some((name, path)) = name_and_path(&name) else { continue };
        let value = object.entry(name).or_insert(Value::Null);
        insert(value, &path, text);
    }
    for (name, value) in &mut object {
        match name.as_str() {
            "rememberMe" => read(value, boolean),
            "sessions" => read(value, |value| Some(Value::Array(split(value)))),
            "2fa" => read(value, parsed),
            _ => {}
        }
    }
    object
}

/// `a[b][]` is `a` with the path `b` and nothing. A name whose brackets do not add up is a name with brackets in it.
fn name_and_path(name: &str) -> Option<(&str, Vec<&str>)> {
    let plain = Some((name, Vec::new()));
    let Some((head, brackets)) = name.split_once('[') else { return plain };
    let Some(inner) = brackets.strip_suffix(']').filter(|_| !head.is_empty()) else { return plain };
    let path: Vec<&str> = inner.split("][").collect();
    if path.iter().any(|part| part.contains(['[', ']'])) {
        return plain;
    }
    (path.len() <= MOST_BRACKETS).then_some((head, path))
}

/// Puts a text where its path leads. Where two fields do not go together the value becomes an array of both, which
/// nobody takes for what it should have been.
fn insert(value: &mut Value, path: &[&str], text: String) {
    let Some((first, rest)) = path.split_first() else {
        return match value {
            Value::Null => *value = Value::String(text),
            Value::Array(items) => items.push(Value::String(text)),
            other => *other = Value::Array(vec![other.take(), Value::String(text)]),
        };
    };
    let is_index = first.bytes().all(|byte| byte.is_ascii_digit());
    if value.is_null() {
        *value = if is_index { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match value {
        Value::Object(object) if !first.is_empty() => {
            insert(object.entry(*first).or_insert(Value::Null), rest, text);
        }
        Value::Array(items) => {
            let mut item = Value::Null;
            insert(&mut item, rest, text);
            items.push(item);
        }
        other => {
            let mut item = Value::Null;
            insert(&mut item, rest, text);
            *other = Value::Array(vec![other.take(), item]);
        }
    }
}

/// Replaces a value where it can be read; what cannot stays as it is, and is refused for its type.
fn read(value: &mut Value, reading: impl FnOnce(&Value) -> Option<Value>) {
    if let Some(read) = reading(value) {
        *value = read;
    }
}

/// A boolean as people, browsers (`on`) and programs write it. An empty text is one that nobody filled in.
fn boolean(value: &Value) -> Option<Value> {
    let text = value.as_str()?.to_ascii_lowercase();
    match text.as_str() {
        "true" | "1" | "on" | "yes" => Some(Value::Bool(true)),
        "false" | "0" | "off" | "no" => Some(Value::Bool(false)),
        "" => Some(Value::Null),
        _ => None,
    }
}

/// Ids that are repeated fields, divided by commas, or both.
fn split(value: &Value) -> Vec<Value> {
    let pieces = |text: &str| text.split(',').map(|id| Value::from(id.trim())).collect();
    match value {
        Value::String(text) => pieces(text),
        Value::Array(items) => items.iter().flat_map(split).collect(),
        other => vec![other.clone()],
    }
}

/// An object as JSON in a text.
fn parsed(value: &Value) -> Option<Value> {
    serde_json::from_str(value.as_str()?).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_form(pairs: &[(&str, &str)]) -> Value {
        let owned = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Value::Object(object(owned.collect()))
    }

    #[test]
    fn texts_are_texts() {
        let read = read_form(&[("user", "ada"), ("pass", " 1,2[] "), ("a[b", "x"), ("]", "y"), ("[c]", "z"), ("", "")]);
        assert_eq!(read, json!({"user": "ada", "pass": " 1,2[] ", "a[b": "x", "]": "y", "[c]": "z", "": ""}));
    }

    #[test]
    fn remember_me_is_a_boolean_where_it_says_yes_or_no() {
        for (text, value) in [
            ("true", json!(true)),
            ("True", json!(true)),
            ("1", json!(true)),
            ("on", json!(true)),
            ("false", json!(false)),
            ("0", json!(false)),
            ("", json!(null)),
            ("maybe", json!("maybe")),
            (" true", json!(" true")),
        ] {
            assert_eq!(read_form(&[("rememberMe", text)]), json!({"rememberMe": value}), "{text:?}");
        }
        let twice = read_form(&[("rememberMe", "false"), ("rememberMe", "true")]);
        assert_eq!(twice, json!({"rememberMe": ["false", "true"]}));
    }

    #[test]
    fn sessions_are_an_array_however_they_are_sent() {
        let three = json!({"sessions": ["1", "2", "3"]});
        for form in [
            &[("sessions", "1,2,3")][..],
            &[("sessions", "1, 2 ,3")],
            &[("sessions", "1"), ("sessions", "2"), ("sessions", "3")],
            &[("sessions[]", "1"), ("sessions[]", "2"), ("sessions[]", "3")],
            &[("sessions[0]", "1"), ("sessions[1]", "2"), ("sessions[2]", "3")],
            &[("sessions", "1,2"), ("sessions[]", "3")],
        ] {
            assert_eq!(read_form(form), three, "{form:?}");
        }
        assert_eq!(read_form(&[("sessions", "1")]), json!({"sessions": ["1"]}));
        assert_eq!(read_form(&[("sessions", "")]), json!({"sessions": [""]}));
        assert_eq!(read_form(&[("sessions[a]", "1")]), json!({"sessions": [{"a": "1"}]}));
    }

    #[test]
    fn an_answer_to_a_challenge_is_json_or_has_its_fields_in_brackets() {
        let answer =
            json!({"2fa": {"token": "t", "type": "webauthn", "response": {"id": "i", "response": {"x": "y"}}}});
        let text = answer["2fa"].to_string();
        assert_eq!(read_form(&[("2fa", &text)]), answer);
        let fields = [
            ("2fa[token]", "t"),
            ("2fa[type]", "webauthn"),
            ("2fa[response][id]", "i"),
            ("2fa[response][response][x]", "y"),
        ];
        assert_eq!(read_form(&fields), answer);
        for text in ["", "null", "[]", "{", "5"] {
            assert_eq!(read_form(&[("2fa", text)]), json!({"2fa": text}));
        }
    }

    #[test]
    fn what_does_not_go_together_is_no_text_and_no_object() {
        for (form, read) in [
            (&[("user", "a"), ("user", "b")][..], json!({"user": ["a", "b"]})),
            (&[("user", "a"), ("user[x]", "b")], json!({"user": ["a", "b"]})),
            (&[("2fa[token]", "t"), ("2fa", "{}")], json!({"2fa": [{"token": "t"}, "{}"]})),
            (&[("2fa[token]", "t"), ("2fa[]", "x")], json!({"2fa": [{"token": "t"}, "x"]})),
            (&[("2fa[]", "x"), ("2fa[token]", "t")], json!({"2fa": ["x", "t"]})),
        ] {
            assert_eq!(read_form(form), read, "{form:?}");
        }
        let deep = format!("user{}", "[x]".repeat(MOST_BRACKETS + 1));
        assert_eq!(read_form(&[(&deep, "x")]), json!({}));
    }

    proptest! {
        #[test]
        fn every_form_is_an_object(
            pairs in proptest::collection::vec((r"(user|rememberMe|sessions|2fa|\[|\]|[a-z0-9]|\PC){0,8}", r"[{}\[\],0-9]{0,6}|\PC{0,9}"), 0..12),
        ) {
            let object = object(pairs);
            let is_read = object.get("sessions").is_none_or(Value::is_array);
            prop_assert!(is_read);
        }
    }
}
