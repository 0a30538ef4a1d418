//! Identifiers of users and sessions. Each has a type of its own, so that one cannot stand for another.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::time::Timestamp;

/// A text that does not spell an identifier of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct NotAnId;

/// A user's id: Unix milliseconds at creation, printed as 13 digits (`docs/MODEL.md`, *User*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// The number of digits in the printed form.
    pub const DIGITS: usize = 13;

    /// An id that no user has: what a text that is no id stands for where the answer is the same.
    pub const NOBODY: Self = Self(0);

    /// The id of a user created at this moment, if nobody else has it.
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment.unix_millis())
    }

    /// The id to try when this one is taken: a millisecond later.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// From the stored number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number to store.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}", self.0)
    }
}

impl FromStr for UserId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != Self::DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAnId);
        }
        text.parse().map(Self).map_err(|_| NotAnId)
    }
}

/// A session's id among the sessions of its user: the `iat` of its token, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(i64);

impl SessionId {
    /// An id that no session has: what a text that is no id stands for where the answer is the same.
    pub const NONE: Self = Self(0);

    /// The id of a session opened at this moment, if its user has no other of that second.
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment.unix_seconds())
    }

    /// The id to try when this one is taken: a second earlier, because an `iat` must not lie in the future.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// From the stored number, or from a JSON number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The number to store, and the form in JSON.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Decimal digits without sign, space or leading zero: one spelling for one session.
impl FromStr for SessionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        if !plain {
            return Err(NotAnId);
        }
        text.parse().map(Self).map_err(|_| NotAnId)
    }
}

/// What makes a session that session and no other: the token's `jti`, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionUuid(pub Uuid);

impl fmt::Display for SessionUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A user's identity id in the Kratos dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserUuid(pub Uuid);

impl fmt::Display for UserUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Which verify-only key it is: it follows from the key and from what its tokens look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VerificationKeyId(pub Uuid);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_user_id_survives_printing_and_parsing(millis in 0_i64..9_999_999_999_999) {
            let id = UserId::from_number(millis);
            prop_assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        }

        #[test]
        fn parsing_a_session_id_never_panics_and_accepts_one_spelling(text in ".{0,24}") {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_that_is_taken_gives_way_to_the_next_millisecond_or_to_the_second_before() {
        let moment = Timestamp::from_unix_millis(1_700_000_000_999);
        assert_eq!(UserId::at(moment).next(), UserId::from_number(1_700_000_001_000));
        assert_eq!(SessionId::at(moment).previous(), SessionId::from_number(1_699_999_999));
        assert_eq!((UserId::at(moment).number(), SessionId::at(moment).number()), (1_700_000_000_999, 1_700_000_000));
    }

    #[test]
    fn uuids_are_printed_in_lower_case_with_hyphens() {
        let (uuid, text) = (Uuid::from_u128(0xa1b2_c3d4), "00000000-0000-0000-0000-0000a1b2c3d4");
        assert_eq!([SessionUuid(uuid).to_string(), UserUuid(uuid).to_string()], [text, text]);
    }

    #[test]
    fn loose_spellings_are_not_ids() {
        for text in ["", " ", "0", "01", "+1", "-1", "1 ", "1.0", "0x10", "99999999999999999999", "١٢"] {
            assert_eq!(text.parse::<SessionId>(), Err(NotAnId), "{text:?}");
        }
        for text in ["", "123", "12345678901234", "+234567890123", "123456789012x"] {
            assert_eq!(text.parse::<UserId>(), Err(NotAnId), "{text:?}");
        }
    }
}
