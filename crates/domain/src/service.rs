//! Other services, as callers that ask whose token something is (`docs/API.md`).

use std::fmt;

use crate::session::TokenDigest;
use crate::time::Timestamp;

/// A service's name, which is its client id: 1–64 of `a-z A-Z 0-9 _ - .`. A new one begins with a letter, a digit or
/// `_`, so that no command line takes it for an option; older ones may begin with anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

/// A text that cannot name a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a service name is 1 to 64 of a-z A-Z 0-9 _ - . and begins with a letter, a digit or _")]
pub struct InvalidServiceName;

impl ServiceName {
    /// The longest name, in characters (all of them ASCII).
    pub const MAX: usize = 64;

    /// A name that a service may have, whenever it got it.
    ///
    /// # Errors
    /// Where none can have it.
    pub fn existing(text: String) -> Result<Self, InvalidServiceName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text)) } else { Err(InvalidServiceName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new name.
impl TryFrom<String> for ServiceName {
    type Error = InvalidServiceName;

    fn try_from(text: String) -> Result<Self, InvalidServiceName> {
        if text.starts_with(['-', '.']) { Err(InvalidServiceName) } else { Self::existing(text) }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a service may read the feed of events, and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAccess {
    /// It may not.
    Denied,
    /// All but personal data.
    Plain,
    /// All of it: addresses, names, user agents and who acted.
    Personal,
}

/// A service as it is stored. Its secret is random enough for a plain digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// SHA-256 of its secret.
    pub secret: TokenDigest,
    /// What it may read of the feed.
    pub events: EventAccess,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it last asked. That lags by a minute at most.
    pub asked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_are_short_and_plain() {
        for name in ["a", "Uploads_2.eu-west", &"x".repeat(64)] {
            let service = ServiceName::try_from(name.to_owned()).unwrap();
            assert_eq!((service.as_str(), service.to_string().as_str()), (name, name));
        }
        for name in ["--help", "..", "."] {
            assert!(ServiceName::existing(name.to_owned()).is_ok(), "{name:?}");
        }
        for name in ["", " ", "a:b", "ä", "--help", "..", ".", &"x".repeat(65)] {
            assert_eq!(ServiceName::try_from(name.to_owned()), Err(InvalidServiceName), "{name:?}");
        }
    }
}
