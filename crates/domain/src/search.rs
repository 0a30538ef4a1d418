//! Searching: how names that begin alike are asked for, and pages that go on from a place instead of skipping what was
//! shown, so that the last one costs as much as the first.

use smol_str::SmolStr;

use crate::user::{InvalidUsername, Username};

/// Some items of a list, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysetPage<T, C> {
    /// Those of this page.
    pub items: Vec<T>,
    /// The place behind them; `None` where there are no more.
    pub next: Option<C>,
}

/// What a user name begins with, without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsernamePrefix(SmolStr);

impl UsernamePrefix {
    /// The first of all names that begin with it, as they are compared: [`Username::key`].
    pub fn key(&self) -> &str {
        &self.0
    }

    /// What comes behind the last of them: no name has this character, and all that it may have come before.
    pub fn end(&self) -> String {
        format!("{}{{", self.0)
    }
}

/// The beginning of a name that somebody may have, whenever they got it: an id is one, of longer names.
impl TryFrom<&str> for UsernamePrefix {
    type Error = InvalidUsername;

    fn try_from(text: &str) -> Result<Self, InvalidUsername> {
        let fits = (1..=Username::MAX).contains(&text.len()) && text.bytes().all(Username::may_hold);
        if fits { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(InvalidUsername) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_beginning_is_of_what_a_name_may_have_and_no_longer() {
        let longest = "x".repeat(64);
        for text in ["a", "-", ".", "Ada_L-0.9", "1234567890123", longest.as_str()] {
            assert_eq!(UsernamePrefix::try_from(text).map(|it| it.key().to_owned()), Ok(text.to_ascii_lowercase()));
        }
        let too_long = "x".repeat(65);
        for text in ["", " ", "a b", "ä", "a@b", "%", "a\0", too_long.as_str()] {
            assert_eq!(UsernamePrefix::try_from(text), Err(InvalidUsername), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn names_lie_between_the_bounds_of_what_they_begin_with_and_no_others(
            prefix in "[a-zA-Z0-9_.-]{1,3}", name in "[a-zA-Z0-9_.-]{1,5}",
        ) {
            let prefix = UsernamePrefix::try_from(prefix.as_str()).unwrap();
            let key = Username::existing(name).unwrap().key();
            let within = prefix.key() <= key.as_str() && key < prefix.end();
            prop_assert_eq!(within, key.starts_with(prefix.key()));
        }
    }
}
