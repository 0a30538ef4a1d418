//! Users, and what a login needs of them (`docs/MODEL.md`, *User*).

use std::fmt;

use smol_str::SmolStr;

use crate::id::{UserId, UserUuid};
use crate::time::Timestamp;

/// A user name: 1–64 of `a-z A-Z 0-9 _ - .`. A new one begins with a letter, a digit or `_`, so that no command line takes
/// it for an option or a folder, and is not the 13 digits of an id; older ones, and those that came from elsewhere, may be
/// anything of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(SmolStr);

/// A text that cannot be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name is 1 to 64 of a-z A-Z 0-9 _ - . , begins with a letter, a digit or _ , and is not 13 digits")]
pub struct InvalidUsername;

impl Username {
    /// The longest user name, in characters (all of them ASCII).
    pub const MAX: usize = 64;

    /// A name that somebody may have, whenever they got it.
    ///
    /// # Errors
    /// Where nobody can have it.
    pub fn existing(text: String) -> Result<Self, InvalidUsername> {
        let fits = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(Self::may_hold);
        if fits { Ok(Self(text.into())) } else { Err(InvalidUsername) }
    }

    /// Whether names may have this character.
    pub(crate) const fn may_hold(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    }

    /// The name as its owner spelt it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique: names differ by more than case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A new name.
impl TryFrom<String> for Username {
    type Error = InvalidUsername;

    fn try_from(text: String) -> Result<Self, InvalidUsername> {
        let is_new = !text.starts_with(['-', '.']) && text.parse::<UserId>().is_err();
        if is_new { Self::existing(text) } else { Err(InvalidUsername) }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address. Its syntax is checked where it is taken in (`auth`); here it is only kept.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(SmolStr);

impl EmailAddress {
    /// From a text that has been checked, or from the database.
    pub fn from_checked(text: String) -> Self {
        Self(text.into())
    }

    /// The address as its owner spelt it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique: addresses differ by more than case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// An address is personal: it stays out of logs.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id in the current and the legacy dialect.
    pub id: UserId,
    /// The identity id of the Kratos dialect.
    pub uuid: UserUuid,
    /// The name, as its owner spelt it.
    pub username: Username,
    /// The address, as its owner spelt it.
    pub email: EmailAddress,
    /// Whether staff endpoints are for this user, and kill switches are not.
    pub staff: bool,
    /// Whether a second factor is enrolled.
    pub has_second_factor: bool,
    /// Whether there is a password; who has none signs in by a passkey, or by a one-time link gets one.
    pub has_password: bool,
    /// When the address was found to be theirs.
    pub verified_at: Option<Timestamp>,
    /// When the user was banned, while the ban lasts.
    pub banned_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account last changed.
    pub updated_at: Timestamp,
}

/// A password's hash: in PHC string form, or in that of the program that made it elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// From the hasher or the database.
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The text, for the hasher and the database only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a login checks a password against. The version moves with every change of password, so that a login
/// begun with the old one cannot finish after the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordCredential {
    /// The user's password hash.
    pub password: PasswordHash,
    /// Counts the changes of the password.
    pub version: i64,
}

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// The identity id of the Kratos dialect.
    pub uuid: UserUuid,
    /// The name, to be unique without regard to case.
    pub username: Username,
    /// The address, to be unique without regard to case.
    pub email: EmailAddress,
    /// The hash of the password, or where there is none, of one that nobody knows.
    pub password: PasswordHash,
    /// Whether there is a password.
    pub has_password: bool,
    /// Whether the user is staff from the start (the command line only).
    pub staff: bool,
    /// Now; the id is derived from it.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_short_plain_and_no_ids() {
        let longest = "x".repeat(64);
        for name in ["a", "Ada_L-0.9", "123456789012", "12345678901234", longest.as_str()] {
            let username = Username::try_from(name.to_owned()).unwrap();
            assert_eq!((username.as_str(), username.to_string().as_str()), (name, name));
        }
        let too_long = "x".repeat(65);
        for name in ["", " ", "a b", "ä", "a@b", "a\0", too_long.as_str()] {
            assert_eq!(Username::try_from(name.to_owned()), Err(InvalidUsername), "{name:?}");
            assert_eq!(Username::existing(name.to_owned()), Err(InvalidUsername), "{name:?}");
        }
        for name in ["--help", "-h", "..", ".", "1234567890123"] {
            assert_eq!(Username::try_from(name.to_owned()), Err(InvalidUsername), "{name:?}");
            assert!(Username::existing(name.to_owned()).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_and_addresses_differ_by_more_than_case() {
        assert_eq!(Username::existing("Ada_L-0.9".to_owned()).unwrap().key(), "ada_l-0.9");
        let address = EmailAddress::from_checked("Ada.Ä@Example.org".to_owned());
        assert_eq!((address.as_str(), address.key().as_str()), ("Ada.Ä@Example.org", "ada.ä@example.org"));
    }

    #[test]
    fn neither_an_address_nor_a_hash_is_printed() {
        let (address, hash) =
            (EmailAddress::from_checked("ada@x".to_owned()), PasswordHash::new("$argon2id$".to_owned()));
        assert_eq!(format!("{address:?} {hash:?}"), "EmailAddress(…) PasswordHash(…)");
        assert_eq!(hash.expose(), "$argon2id$");
    }
}
