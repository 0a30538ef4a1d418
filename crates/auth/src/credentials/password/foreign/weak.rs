//! Hashes that are refused by name: a fast one is found by trying, and a plain text is none.

use std::fmt;

use super::encoding::is_hex;

/// What stands in the place of a hash, and protects no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakFormat {
    /// With or without a salt, md5-crypt, phpass.
    Md5,
    /// With or without a salt, PBKDF2 with it.
    Sha1,
    /// With or without a salt.
    Sha2,
    /// crypt(3), `$5$`.
    Sha256Crypt,
    /// crypt(3), `$6$`.
    Sha512Crypt,
    /// No hash at all.
    PlainText,
}

/// How the formats begin that say what they are.
const PREFIXES: [(&str, WeakFormat); 33] = [
    ("$md5", WeakFormat::Md5),
    ("md5$", WeakFormat::Md5),
    ("{MD5}", WeakFormat::Md5),
    ("{SMD5}", WeakFormat::Md5),
    ("$1$", WeakFormat::Md5),
    ("$apr1$", WeakFormat::Md5),
    ("$P$", WeakFormat::Md5),
    ("$H$", WeakFormat::Md5),
    ("unsalted_md5$", WeakFormat::Md5),
    ("$sha1", WeakFormat::Sha1),
    ("sha1$", WeakFormat::Sha1),
    ("{SHA}", WeakFormat::Sha1),
    ("{SSHA}", WeakFormat::Sha1),
    ("unsalted_sha1$", WeakFormat::Sha1),
    ("pbkdf2_sha1$", WeakFormat::Sha1),
    ("$pbkdf2$", WeakFormat::Sha1),
    ("$5$", WeakFormat::Sha256Crypt),
    ("$sha256-crypt$", WeakFormat::Sha256Crypt),
    ("$sha256_crypt$", WeakFormat::Sha256Crypt),
    ("$6$", WeakFormat::Sha512Crypt),
    ("$sha512-crypt$", WeakFormat::Sha512Crypt),
    ("$sha512_crypt$", WeakFormat::Sha512Crypt),
    ("$sha2", WeakFormat::Sha2),
    ("$sha512", WeakFormat::Sha2),
    ("sha256$", WeakFormat::Sha2),
    ("sha512$", WeakFormat::Sha2),
    ("{SHA256}", WeakFormat::Sha2),
    ("{SHA384}", WeakFormat::Sha2),
    ("{SHA512}", WeakFormat::Sha2),
    ("{SSHA256}", WeakFormat::Sha2),
    ("{SSHA384}", WeakFormat::Sha2),
    ("{SSHA512}", WeakFormat::Sha2),
    ("$plain", WeakFormat::PlainText),
];

impl WeakFormat {
    /// What a text is; `None` where it looks like a hash that nobody here knows.
    pub(super) fn of(text: &str) -> Option<Self> {
        if let Some((_, format)) = PREFIXES.into_iter().find(|(prefix, _)| begins_with(text, prefix)) {
            return Some(format);
        }
        let digits = text.split(':').filter(|part| is_hex(part)).map(str::len).max();
        match digits.unwrap_or(0) {
            32 => Some(Self::Md5),
            40 => Some(Self::Sha1),
            56 | 64 | 96 | 128 => Some(Self::Sha2),
            _ if text.is_empty() || text.starts_with(['$', '{']) || text.matches('$').count() > 2 => None,
            _ => Some(Self::PlainText),
        }
    }

    /// The name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha2 => "salted SHA-2",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::PlainText => "a plain text",
        }
    }
}

/// Directories write the names of their schemes in capitals or not.
fn begins_with(text: &str, prefix: &str) -> bool {
    let start = text.as_bytes().get(..prefix.len());
    start.is_some_and(|start| {
        start == prefix.as_bytes() || prefix.starts_with('{') && start.eq_ignore_ascii_case(prefix.as_bytes())
    })
}

impl fmt::Display for WeakFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
