//! Whom signed session tokens are for (RFC 7519, section 4.1.3): services that check signatures by themselves may want to
//! find their own names. This server asks the row, and goes by none.

use serde::{Serialize, Serializer};

/// All names together, in bytes. They are in every token, which is bounded in length itself.
const LONGEST: usize = 512;

/// What services call themselves; none where tokens have no `aud`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience(Vec<String>);

/// Names that tokens cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names of services, none of them empty or with control characters, and of 512 bytes together at most")]
pub struct InvalidAudience;

impl Audience {
    pub(crate) const NOBODY: Self = Self(Vec::new());

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What a token says of it.
    pub(crate) fn claim(&self) -> Option<Self> {
        if self.0.is_empty() { None } else { Some(self.clone()) }
    }
}

impl TryFrom<Vec<String>> for Audience {
    type Error = InvalidAudience;

    fn try_from(names: Vec<String>) -> Result<Self, InvalidAudience> {
        let is_name = |name: &String| !name.is_empty() && !name.chars().any(char::is_control);
        let fits = names.iter().all(is_name) && names.iter().map(String::len).sum::<usize>() <= LONGEST;
        if fits { Ok(Self(names)) } else { Err(InvalidAudience) }
    }
}

/// One name stands for itself, because not every library reads a list of one.
impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(names: &[&str]) -> Result<Audience, InvalidAudience> {
        names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn one_is_a_text_and_several_are_a_list() {
        let claim = |names: &[&str]| serde_json::to_value(of(names).unwrap().claim()).unwrap();
        assert_eq!(claim(&[]), Value::Null);
        assert_eq!(claim(&["uploads"]), json!("uploads"));
        assert_eq!(claim(&["uploads", "https://b.example"]), json!(["uploads", "https://b.example"]));
    }

    #[test]
    fn names_are_plain_and_short_enough_for_every_token() {
        assert!(of(&[&"x".repeat(512)]).is_ok());
        for names in [&[""][..], &["a", ""], &["a\nb"], &["x".repeat(513).as_str()], &["x".repeat(300).as_str(); 2]] {
            assert_eq!(of(names), Err(InvalidAudience), "{names:?}");
        }
    }
}
