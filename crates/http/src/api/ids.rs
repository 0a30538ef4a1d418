//! Ids in bodies.

use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_domain::factor::FactorId;
use thunderhead_domain::id::{SessionId, UserId};

use crate::request::body::{Field, Notes, integer};

/// The most ids of one call, counted before anything is taken out.
const MOST_IDS: usize = 50;

/// At most 50 ids, as texts or numbers. Those that name nothing are left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ids<T>(pub(crate) Vec<T>);

/// An id among [`Ids`]. A text that cannot be one names nothing.
pub(crate) trait ListedId: FromStr {
    const TEXT: &'static str;
    const EXAMPLE: &'static [&'static str];

    /// `None` where a number names nothing.
    fn of_number(number: i64) -> Option<Self>;
}

/// A session among one's own.
pub(crate) enum OwnSession {
    InUse,
    Other(SessionId),
}

impl FromStr for OwnSession {
    type Err = <SessionId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "me" { Ok(Self::InUse) } else { text.parse().map(Self::Other) }
    }
}

impl<T: ListedId> Field for Ids<T> {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        notes.too_many_ids |= values.len() > MOST_IDS;
        let id = |value: &Value| match value.as_str() {
            Some(text) => text.parse().ok(),
            None => integer(value).and_then(T::of_number),
        };
        let are_ids = values.iter().all(|value| value.is_string() || value.is_number());
        are_ids.then(|| Self(values.iter().filter_map(id).collect()))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": format!("{} Unknown ids and repeated ones are skipped.", T::TEXT),
            "maxItems": MOST_IDS,
            "items": {"type": "string"},
            "examples": [T::EXAMPLE],
        })
    }
}

impl ListedId for UserId {
    const TEXT: &'static str = "The users' ids.";
    const EXAMPLE: &'static [&'static str] = &["1767225600000"];

    fn of_number(number: i64) -> Option<Self> {
        Some(Self::from_number(number))
    }
}

impl ListedId for SessionId {
    const TEXT: &'static str = "The sessions' ids.";
    const EXAMPLE: &'static [&'static str] = &["1767225600", "1767225601"];

    fn of_number(number: i64) -> Option<Self> {
        Some(Self::from_number(number))
    }
}

impl ListedId for OwnSession {
    const TEXT: &'static str = "The sessions' ids, and `me` for the session in use.";
    const EXAMPLE: &'static [&'static str] = SessionId::EXAMPLE;

    fn of_number(number: i64) -> Option<Self> {
        SessionId::of_number(number).map(Self::Other)
    }
}

impl ListedId for FactorId {
    const TEXT: &'static str = "The factors' ids.";
    const EXAMPLE: &'static [&'static str] = &["0191f2a4-8b1c-4def-8000-00000000002a"];

    fn of_number(_: i64) -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::body::{Fields, Rejection, body};

    body! {
        #[derive(Debug, PartialEq, Eq)]
        struct Named {
            ids: Ids<UserId>,
            name: String,
        }
    }

    fn read(ids: &Value) -> Result<Named, Rejection> {
        let Value::Object(object) = json!({"ids": ids, "name": "x"}) else { panic!("not an object") };
        Fields::new(object).read()
    }

    #[test]
    fn ids_are_texts_or_numbers_and_what_names_nothing_is_left_out() {
        let users = read(&json!(["1767225600000", 1_767_225_600_001_i64, 1_767_225_600_002.0, "ada", 2.5])).unwrap();
        let ids = [1_767_225_600_000, 1_767_225_600_001, 1_767_225_600_002].map(UserId::from_number);
        assert_eq!(users.ids.0, ids);
        for wrong in [json!(null), json!("1767225600000"), json!({}), json!([null]), json!([["1767225600000"]])] {
            assert_eq!(read(&wrong), Err(Rejection::Fields(vec!["ids"])), "{wrong}");
        }
    }

    #[test]
    fn too_many_ids_are_told_before_all_that_is_missing() {
        assert_eq!(read(&json!(vec![1; MOST_IDS])).map(|named| named.ids.0.len()), Ok(MOST_IDS));
        let too_many = json!({"ids": vec![1; MOST_IDS + 1]});
        let Value::Object(object) = too_many else { panic!("not an object") };
        assert_eq!(Fields::new(object).read::<Named>(), Err(Rejection::TooManyIds));
    }
}
