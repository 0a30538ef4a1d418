//! The memory that Argon2 fills, 19 MiB for each hash, which is used again while logins follow on each other and
//! given back when they do not.
//!
//! It is not wiped in between: that would cost a tenth of a hash, the next hash writes all over it, and the system
//! clears what it is given back. About a second after the last hash nothing is left of it.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Blocks that are asked for at least: 33 MiB. What is larger than 32 MiB, the allocator of glibc always maps by itself
/// and unmaps when it is freed (mallopt(3): `DEFAULT_MMAP_THRESHOLD_MAX`). A smaller block that is freed moves the
/// threshold up to its own size, and from then on each thread keeps one for ever. What is not touched costs nothing.
const MAPPED: usize = 33 * 1_024;

/// Memory that is not in use, one piece for each hash that ran at a time; or `None` where nothing is to be kept.
#[derive(Default)]
pub(crate) struct HashMemory(Mutex<Option<Vec<Vec<Block>>>>);

impl HashMemory {
    /// Keeps what hashes have used from now on, until the next release.
    pub(crate) fn keep(&self) {
        self.lock().get_or_insert_default();
    }

    /// Gives everything back, what is still in use as soon as it is not.
    pub(crate) fn release(&self) {
        self.lock().take();
    }

    /// How many pieces are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    fn take(&self, count: usize) -> Result<Vec<Block>, Error> {
        let spare = self.lock().as_mut().and_then(Vec::pop);
        if let Some(blocks) = spare.filter(|blocks| blocks.len() >= count) {
            return Ok(blocks);
        }
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count.max(MAPPED)).map_err(|_| Error::OutOfMemory)?;
        blocks.resize(count, Block::new());
        Ok(blocks)
    }

    fn put_back(&self, blocks: Vec<Block>) {
        if let Some(spare) = &mut *self.lock() {
            spare.push(blocks);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Vec<Block>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Argon2 does in memory of its own ([`argon2::PasswordHasher`]) is done here in memory that is used again. The
/// crate builds the check of a stored hash on this: by the hash's own parameters, compared in constant time.
impl CustomizedPasswordHasher<Phc> for HashMemory {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<Phc, Error> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let salt = Salt::new(salt)?;
        let mut output = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..length).ok_or(Error::OutputSize)?;
        let argon2 = Argon2::new(algorithm, version, params);
        let mut blocks = self.take(argon2.params().block_count())?;
        let hashed = argon2.hash_password_into_with_memory(password, &salt, output, &mut blocks);
        self.put_back(blocks);
        hashed?;
        Ok(Phc {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(argon2.params())?,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier as _;

    use super::*;

    /// What Argon2 says of this in fresh memory.
    fn fresh(algorithm: &str, version: u32, (memory, passes, lanes): (u32, u32, u32)) -> Phc {
        let params = Params::new(memory, passes, lanes, None).unwrap();
        let argon2 = Argon2::default();
        argon2.hash_password_customized(b"sesame open", &[7; 16], Some(algorithm), Some(version), params).unwrap()
    }

    #[test]
    fn memory_that_was_used_gives_the_same_hashes_as_fresh_memory() {
        let memory = HashMemory::default();
        memory.keep();
        for cost in [(64, 1, 1), (8, 1, 1), (96, 3, 4), (33, 2, 2), (8, 2, 1)] {
            for algorithm in ["argon2id", "argon2i", "argon2d"] {
                for version in [0x13, 0x10] {
                    let expected = fresh(algorithm, version, cost);
                    let params = Params::new(cost.0, cost.1, cost.2, None).unwrap();
                    let hash = memory.hash_password_customized(
                        b"sesame open",
                        &[7; 16],
                        Some(algorithm),
                        Some(version),
                        params,
                    );
                    assert_eq!(hash, Ok(expected.clone()));
                    assert_eq!(memory.verify_password(b"sesame open", &expected), Ok(()));
                    assert_eq!(memory.verify_password(b"sesame shut", &expected), Err(Error::PasswordInvalid));
                }
            }
        }
        assert_eq!(memory.kept(), 1);
    }

    #[test]
    fn what_argon2_refuses_is_refused_alike() {
        let good = fresh("argon2id", 0x13, (8, 1, 1)).to_string();
        let (head, hash) = good.rsplit_once('$').unwrap();
        let memory = HashMemory::default();
        for bad in [
            good.replace("argon2id", "argon2x"),
            good.replace("v=19", "v=18"),
            good.replace("m=8", "m=7"),
            good.replace("t=1", "t=0"),
            good.replace("p=1", "p=0"),
            good.replace("p=1", "p=1,q=1"),
            head.to_owned(),
            head[..head.rfind('$').unwrap()].to_owned(),
            format!("{head}${}", &hash[..20]),
        ] {
            let phc = Phc::new(&bad).unwrap();
            let refused = memory.verify_password(b"sesame open", &phc);
            assert!(refused.is_err(), "{bad}");
            assert_eq!(refused, Argon2::default().verify_password(b"sesame open", &phc), "{bad}");
        }
    }

    #[test]
    fn memory_is_kept_from_hash_to_hash_and_not_after_a_release() {
        let memory = HashMemory::default();
        let hash = fresh("argon2id", 0x13, (8, 1, 1));
        let kept_after_a_hash = || {
            memory.verify_password(b"sesame open", &hash).unwrap();
            memory.kept()
        };
        assert_eq!(kept_after_a_hash(), 0);
        memory.keep();
        assert_eq!((kept_after_a_hash(), kept_after_a_hash()), (1, 1));
        let in_use = memory.take(8).unwrap();
        assert_eq!(kept_after_a_hash(), 1);
        memory.release();
        assert_eq!(memory.kept(), 0);
        memory.put_back(in_use);
        assert_eq!(kept_after_a_hash(), 0);
    }

    #[test]
    fn memory_is_always_more_than_the_allocator_keeps() {
        let memory = HashMemory::default();
        for count in [8, 19_456, MAPPED + 1] {
            let blocks = memory.take(count).unwrap();
            assert!(blocks.len() >= count && blocks.capacity() * Block::SIZE > 32 << 20);
        }
    }
}
