//! bcrypt: `$2a$`, `$2b$` or `$2y$`, two digits for the rounds, and 53 characters of salt and hash. Django writes
//! `bcrypt_sha256$` before one of a password that it has hashed itself, so that nothing of it is cut.

use sha2::{Digest as _, Sha256};

use super::encoding::{bcrypt_base64, number, same};
use super::{HashFormat, RefusedHash};

/// The format looks at so many bytes of a password, its end included.
const CUT: usize = 72;
/// Characters of the salt.
const SALT: usize = 22;
/// Characters of salt and hash.
const SALT_AND_HASH: usize = SALT + 31;

pub(in crate::credentials::password) struct Bcrypt {
    rounds: u32,
    salt: [u8; 16],
    hash: [u8; 23],
    form: Form,
}

/// What was hashed.
#[derive(Clone, Copy)]
enum Form {
    AsTyped,
    /// The hexadecimal digits of its SHA-256.
    Sha256,
}

/// What follows the prefix of a variant that is right: `$2$` and `$2x$` are not.
pub(super) fn fields(text: &str) -> Option<&str> {
    ["$2a$", "$2b$", "$2y$"].into_iter().find_map(|prefix| text.strip_prefix(prefix))
}

impl Bcrypt {
    const MOST_ROUNDS: u64 = 15;

    pub(super) fn parse(fields: &str) -> Result<Self, RefusedHash> {
        Self::in_form(fields, Form::AsTyped)
    }

    /// What follows `bcrypt_sha256$` and the prefix of a variant.
    pub(super) fn parse_django(fields: &str) -> Result<Self, RefusedHash> {
        Self::in_form(fields, Form::Sha256)
    }

    fn in_form(fields: &str, form: Form) -> Result<Self, RefusedHash> {
        let damaged = RefusedHash::Damaged(HashFormat::Bcrypt);
        let (rounds, rest) = fields.split_once('$').filter(|(rounds, _)| rounds.len() == 2).ok_or(damaged)?;
        let rounds = number(rounds).filter(|rounds| (4..=31).contains(rounds)).ok_or(damaged)?;
        if rounds > Self::MOST_ROUNDS {
            return Err(RefusedHash::TooCostly(HashFormat::Bcrypt));
        }
        let rounds = u32::try_from(rounds).map_err(|_| damaged)?;
        if rest.len() != SALT_AND_HASH || !rest.is_ascii() {
            return Err(damaged);
        }
        let (salt, hash) = rest.split_at(SALT);
        let salt = bcrypt_base64(salt).ok_or(damaged)?;
        let hash = bcrypt_base64(hash).ok_or(damaged)?;
        Ok(Self { rounds, salt, hash, form })
    }

    /// A zero byte within the password counts as any other, as in the implementations for Node, Go and Python; others
    /// end there.
    pub(super) fn is_of(&self, password: &str) -> bool {
        let digits: String;
        let password = match self.form {
            Form::AsTyped => password,
            Form::Sha256 => {
                digits = Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect();
                &digits
            }
        };
        let mut text = [0; CUT];
        // What follows is the zero byte that ends a password, where there is room for one.
        let length = password.len().min(CUT);
        text[..length].copy_from_slice(&password.as_bytes()[..length]);
        let computed = bcrypt::bcrypt(self.rounds, self.salt, &text[..CUT.min(length + 1)]);
        same(&computed[..self.hash.len()], &self.hash)
    }
}
