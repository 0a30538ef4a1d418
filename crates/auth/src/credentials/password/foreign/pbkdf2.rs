//! PBKDF2 with HMAC of SHA-2: `$pbkdf2-sha256$i=…,l=…$salt$hash` of the PHC, `$pbkdf2-sha256$29000$salt$hash` of passlib,
//! `pbkdf2_sha256$600000$salt$hash` of Django.

use pbkdf2::pbkdf2_hmac;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::encoding::{base64, number, parameter, same};
use super::{HashFormat, LONGEST_HASH, RefusedHash, SHORTEST_HASH, WeakFormat};

const MOST_ITERATIONS: u64 = 10_000_000;
const DAMAGED: RefusedHash = RefusedHash::Damaged(HashFormat::Pbkdf2);

pub(in crate::credentials::password) struct Pbkdf2 {
    digest: Digest,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Digest {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    const fn length(self) -> usize {
        match self {
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Pbkdf2 {
    /// What follows `$pbkdf2-sha`.
    pub(super) fn parse(fields: &str) -> Result<Self, RefusedHash> {
        let mut fields = fields.split('$');
        let mut field = || fields.next().ok_or(DAMAGED);
        let (digest, parameters, salt, hash) = (field()?, field()?, field()?, field()?);
        let digest = match digest {
            "1" => return Err(RefusedHash::Weak(WeakFormat::Sha1)),
            "224" => Digest::Sha224,
            "256" => Digest::Sha256,
            "384" => Digest::Sha384,
            "512" => Digest::Sha512,
            _ => return Err(DAMAGED),
        };
        if fields.next().is_some() {
            return Err(DAMAGED);
        }
        if parameters.contains('=') {
            let iterations = parameter(parameters, "i").ok_or(DAMAGED)?;
            let (salt, hash) = base64(salt).zip(base64(hash)).ok_or(DAMAGED)?;
            // The length may be left out, and says nothing that the hash does not.
            return Self::new(digest, iterations, salt, hash);
        }
        // Its base64 has a dot in the place of the plus.
        let read = |text: &str| base64(&text.replace('.', "+"));
        let (salt, hash) = read(salt).zip(read(hash)).ok_or(DAMAGED)?;
        Self::new(digest, number(parameters).ok_or(DAMAGED)?, salt, hash)
    }

    /// What follows `pbkdf2_sha256$`. The salt is a text.
    pub(super) fn parse_django(fields: &str) -> Result<Self, RefusedHash> {
        let mut fields = fields.split('$');
        let mut field = || fields.next().ok_or(DAMAGED);
        let (iterations, salt, hash) = (field()?, field()?, field()?);
        if fields.next().is_some() {
            return Err(DAMAGED);
        }
        let (iterations, hash) = number(iterations).zip(base64(hash)).ok_or(DAMAGED)?;
        Self::new(Digest::Sha256, iterations, salt.as_bytes().to_vec(), hash)
    }

    fn new(digest: Digest, iterations: u64, salt: Vec<u8>, mut hash: Vec<u8>) -> Result<Self, RefusedHash> {
        if iterations > MOST_ITERATIONS {
            return Err(RefusedHash::TooCostly(HashFormat::Pbkdf2));
        }
        let iterations = u32::try_from(iterations).ok().filter(|iterations| *iterations > 0).ok_or(DAMAGED)?;
        if salt.is_empty() || !(SHORTEST_HASH..=LONGEST_HASH).contains(&hash.len()) {
            return Err(DAMAGED);
        }
        // A hash that is longer than the digest is several, each of which costs all iterations: the first tells enough.
        hash.truncate(digest.length());
        Ok(Self { digest, iterations, salt, hash })
    }

    pub(super) fn is_of(&self, password: &str) -> bool {
        let compute = match self.digest {
            Digest::Sha224 => pbkdf2_hmac::<Sha224>,
            Digest::Sha256 => pbkdf2_hmac::<Sha256>,
            Digest::Sha384 => pbkdf2_hmac::<Sha384>,
            Digest::Sha512 => pbkdf2_hmac::<Sha512>,
        };
        let mut computed = [0; LONGEST_HASH];
        let computed = &mut computed[..self.hash.len()];
        compute(password.as_bytes(), &self.salt, self.iterations, computed);
        same(computed, &self.hash)
    }
}
