//! Password hashes that other programs made: which are taken, and how a password is checked against one. Each is bounded
//! in what a check of it may cost, because one login with a dearer one would be an attack on the server.

mod bcrypt;
mod encoding;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;
mod weak;

use std::fmt;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash as Phc;
use thunderhead_domain::user::PasswordHash;

use self::bcrypt::Bcrypt;
use self::pbkdf2::Pbkdf2;
use self::scrypt::Scrypt;
pub use self::weak::WeakFormat;
use super::HashCost;

/// The longest text that is looked at: three times as long as any that these formats make.
const LONGEST: usize = 512;
/// What an Argon2 hash from elsewhere may cost.
const MOST_ARGON2: HashCost = HashCost { memory_kib: 256 << 10, passes: 10, lanes: 1_024 };
/// KiB of memory that the largest of these hashes needs: what all that are checked at a time may fill.
pub(super) const MOST_MEMORY_KIB: usize = 256 << 10;
/// Bytes of a hash that can be told from a guessed one: 128 bits.
const SHORTEST_HASH: usize = 16;
/// Bytes of the longest hash that any of these formats makes.
const LONGEST_HASH: usize = 64;

/// How a stored hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashFormat {
    /// What this server makes itself.
    Argon2id,
    /// The variant whose reads of memory do not depend on the password.
    Argon2i,
    /// Of 15 rounds at most, with its cut at 72 bytes.
    Bcrypt,
    /// In the spelling of the PHC, of Kratos, of Django or of better-auth.
    Scrypt,
    /// In the spelling of the PHC, of passlib or of Django.
    Pbkdf2,
}

impl HashFormat {
    /// The name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Bcrypt => "bcrypt",
            Self::Scrypt => "scrypt",
            Self::Pbkdf2 => "pbkdf2",
        }
    }

    /// The most that one may cost.
    const fn bounds(self) -> &'static str {
        match self {
            Self::Argon2id | Self::Argon2i => "at most 256 MiB and 10 passes",
            Self::Bcrypt => "at most 15 rounds",
            Self::Scrypt => "N at most 131072, r at most 16, p at most 10",
            Self::Pbkdf2 => "at most 10000000 iterations",
        }
    }
}

impl fmt::Display for HashFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a hash from elsewhere is not taken. It names the format, and nothing of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedHash {
    /// Passwords are soon found from such a hash.
    #[error("{0} does not protect a password")]
    Weak(WeakFormat),
    /// A login with it would cost too much.
    #[error("the {0} hash costs too much: {bounds}", bounds = .0.bounds())]
    TooCostly(HashFormat),
    /// It begins like one of this format, and is none.
    #[error("the {0} hash is damaged")]
    Damaged(HashFormat),
    /// It begins like none that is known.
    #[error("the format of the hash is unknown")]
    Unknown,
}

/// A password hash from elsewhere that is taken.
pub struct ForeignHash {
    stored: PasswordHash,
    kind: Kind,
}

enum Kind {
    /// Checked as the server's own are.
    Argon2(HashFormat),
    Old(OldHash),
}

/// A hash that was not made by Argon2.
pub(super) enum OldHash {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
}

impl ForeignHash {
    /// Reads a hash by its prefix. The server's own are taken, too.
    ///
    /// # Errors
    /// Where its format is too weak, unknown, or it is damaged or costs too much.
    pub fn parse(text: &str) -> Result<Self, RefusedHash> {
        let text = without_name_of_django(text);
        if let Some(format) = argon2_format(text) {
            return argon2(text, format);
        }
        let kind = Kind::Old(OldHash::parse(text)?);
        Ok(Self { stored: PasswordHash::new(text.to_owned()), kind })
    }

    /// How it was made.
    pub const fn format(&self) -> HashFormat {
        match &self.kind {
            Kind::Argon2(format) => *format,
            Kind::Old(hash) => hash.format(),
        }
    }

    /// What is stored of it.
    pub fn into_stored(self) -> PasswordHash {
        self.stored
    }
}

/// Hashes are secrets.
impl fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignHash({})", self.format())
    }
}

impl OldHash {
    pub(super) fn parse(text: &str) -> Result<Self, RefusedHash> {
        if text.len() > LONGEST {
            return Err(RefusedHash::Unknown);
        }
        if let Some(fields) = bcrypt::fields(text) {
            Bcrypt::parse(fields).map(Self::Bcrypt)
        } else if let Some(fields) = text.strip_prefix("bcrypt_sha256$").and_then(bcrypt::fields) {
            Bcrypt::parse_django(fields).map(Self::Bcrypt)
        } else if let Some(fields) = text.strip_prefix("scrypt$") {
            Scrypt::parse_django(fields).map(Self::Scrypt)
        } else if let Some(fields) = text.strip_prefix("$scrypt$") {
            Scrypt::parse(fields).map(Self::Scrypt)
        } else if let Some(fields) = text.strip_prefix("$pbkdf2-sha") {
            Pbkdf2::parse(fields).map(Self::Pbkdf2)
        } else if let Some(fields) = text.strip_prefix("pbkdf2_sha256$") {
            Pbkdf2::parse_django(fields).map(Self::Pbkdf2)
        } else if let Some(hash) = Scrypt::of_better_auth(text) {
            Ok(Self::Scrypt(hash))
        } else {
            Err(WeakFormat::of(text).map_or(RefusedHash::Unknown, RefusedHash::Weak))
        }
    }

    pub(super) const fn format(&self) -> HashFormat {
        match self {
            Self::Bcrypt(_) => HashFormat::Bcrypt,
            Self::Scrypt(_) => HashFormat::Scrypt,
            Self::Pbkdf2(_) => HashFormat::Pbkdf2,
        }
    }

    /// KiB of memory that a check needs.
    pub(super) const fn memory_kib(&self) -> usize {
        match self {
            Self::Scrypt(hash) => hash.memory_kib(),
            Self::Bcrypt(_) | Self::Pbkdf2(_) => 0,
        }
    }

    /// Whether it is the hash of a password.
    pub(super) fn is_of(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.is_of(password),
            Self::Scrypt(hash) => hash.is_of(password),
            Self::Pbkdf2(hash) => hash.is_of(password),
        }
    }
}

/// A hash as others write it, where Django has its own name of the format before it.
fn without_name_of_django(text: &str) -> &str {
    let rest = text.strip_prefix("argon2").or_else(|| text.strip_prefix("bcrypt$"));
    rest.filter(|rest| rest.starts_with('$')).unwrap_or(text)
}

/// Which variant a hash by Argon2 is.
pub(super) fn argon2_format(text: &str) -> Option<HashFormat> {
    let text = text.strip_prefix(super::COMPOSED_MARK).unwrap_or(text);
    [HashFormat::Argon2id, HashFormat::Argon2i].into_iter().find(|format| {
        text.strip_prefix('$')
            .and_then(|text| text.strip_prefix(format.name()))
            .is_some_and(|rest| rest.starts_with('$'))
    })
}

fn argon2(text: &str, format: HashFormat) -> Result<ForeignHash, RefusedHash> {
    let is_own = text.starts_with(super::COMPOSED_MARK);
    let phc = text.strip_prefix(super::COMPOSED_MARK).unwrap_or(text);
    let damaged = RefusedHash::Damaged(format);
    let mut phc = Phc::new(phc).map_err(|_| damaged)?;
    let params = Params::try_from(&phc).map_err(|_| damaged)?;
    let most = MOST_ARGON2;
    if params.m_cost() > most.memory_kib || params.t_cost() > most.passes || params.p_cost() > most.lanes {
        return Err(RefusedHash::TooCostly(format));
    }
    // Before there was a field for the version there was version 1.0.
    let version = *phc.version.get_or_insert(0x10);
    let is_long_enough = |hash: &argon2::password_hash::phc::Output| hash.len() >= SHORTEST_HASH;
    if ![0x10, 0x13].contains(&version) || phc.salt.is_none() || !phc.hash.as_ref().is_some_and(is_long_enough) {
        return Err(damaged);
    }
    let stored = if is_own { text.to_owned() } else { phc.to_string() };
    Ok(ForeignHash { stored: PasswordHash::new(stored), kind: Kind::Argon2(format) })
}
