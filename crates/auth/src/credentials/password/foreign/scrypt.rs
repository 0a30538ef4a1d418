//! scrypt: `$scrypt$ln=…,r=…,p=…$salt$hash` of the PHC, in which Kratos writes N itself and not its logarithm,
//! `scrypt$N$salt$r$p$hash` of Django, and `salt:hash` of better-auth.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::encoding::{base64, hex, is_hex, number, parameter, same};
use super::{HashFormat, LONGEST_HASH, RefusedHash, SHORTEST_HASH};

/// The logarithm of the largest N.
const MOST_LOG_N: u8 = 17;
const MOST_R: u64 = 16;
const MOST_P: u64 = 10;

pub(in crate::credentials::password) struct Scrypt {
    log_n: u8,
    params: scrypt::Params,
    block_kib: usize,
    salt: Vec<u8>,
    hash: Vec<u8>,
    form: Form,
}

/// What was hashed.
#[derive(Clone, Copy)]
enum Form {
    AsTyped,
    /// In Unicode's form NFKC.
    Compatible,
}

impl Scrypt {
    pub(super) fn parse(fields: &str) -> Result<Self, RefusedHash> {
        let damaged = RefusedHash::Damaged(HashFormat::Scrypt);
        let mut fields = fields.split('$');
        let mut field = || fields.next().ok_or(damaged);
        let (parameters, salt, hash) = (field()?, field()?, field()?);
        if fields.next().is_some() {
            return Err(damaged);
        }
        let number = |name| parameter(parameters, name).filter(|number| *number > 0).ok_or(damaged);
        let (n, r, p) = (number("ln")?, number("r")?, number("p")?);
        Self::bounded((n, r, p), base64(salt).ok_or(damaged)?, hash)
    }

    /// What follows `scrypt$`. The salt is a text.
    pub(super) fn parse_django(fields: &str) -> Result<Self, RefusedHash> {
        let damaged = RefusedHash::Damaged(HashFormat::Scrypt);
        let fields: Vec<&str> = fields.split('$').collect();
        let [n, salt, r, p, hash] = fields[..] else { return Err(damaged) };
        let number = |text| number(text).filter(|number| *number > 0).ok_or(damaged);
        Self::bounded((number(n)?, number(r)?, number(p)?), salt.as_bytes().to_vec(), hash)
    }

    fn bounded((n, r, p): (u64, u64, u64), salt: Vec<u8>, hash: &str) -> Result<Self, RefusedHash> {
        let damaged = RefusedHash::Damaged(HashFormat::Scrypt);
        let log_n = log_n(n).ok_or(damaged)?;
        if log_n > MOST_LOG_N || r > MOST_R || p > MOST_P {
            return Err(RefusedHash::TooCostly(HashFormat::Scrypt));
        }
        Self::new(log_n, (r, p), salt, base64(hash).ok_or(damaged)?, Form::AsTyped).ok_or(damaged)
    }

    /// `None` where the text is not 32 hexadecimal digits, a colon and 128 more.
    pub(super) fn of_better_auth(text: &str) -> Option<Self> {
        let (salt, hash) = text.split_once(':')?;
        if salt.len() != 32 || !is_hex(salt) || hash.len() != 2 * LONGEST_HASH {
            return None;
        }
        // Its salt is the digits themselves.
        Self::new(14, (16, 1), salt.as_bytes().to_vec(), hex(hash)?, Form::Compatible)
    }

    fn new(log_n: u8, (r, p): (u64, u64), salt: Vec<u8>, hash: Vec<u8>, form: Form) -> Option<Self> {
        let is_sound = !salt.is_empty() && (SHORTEST_HASH..=LONGEST_HASH).contains(&hash.len());
        let (r, p) = (u32::try_from(r).ok()?, u32::try_from(p).ok()?);
        let params = scrypt::Params::new(log_n, r, p).ok()?;
        let block_kib = usize::try_from(r).ok()?.div_ceil(8);
        is_sound.then_some(Self { log_n, params, block_kib, salt, hash, form })
    }

    /// N blocks of r times 128 bytes.
    pub(super) const fn memory_kib(&self) -> usize {
        self.block_kib << self.log_n
    }

    pub(super) fn is_of(&self, password: &str) -> bool {
        let compatible;
        let password = match self.form {
            Form::AsTyped => password,
            Form::Compatible => {
                compatible = const { ComposingNormalizerBorrowed::new_nfkc() }.normalize(password);
                &*compatible
            }
        };
        let mut computed = [0; LONGEST_HASH];
        let computed = &mut computed[..self.hash.len()];
        scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, computed).is_ok() && same(computed, &self.hash)
    }
}

/// The logarithm, whether a text has it or N itself. An N as small as a logarithm protects nothing: nobody writes it.
fn log_n(number: u64) -> Option<u8> {
    if number < u64::from(u64::BITS) {
        return u8::try_from(number).ok();
    }
    number.is_power_of_two().then(|| number.trailing_zeros()).and_then(|log| u8::try_from(log).ok())
}
