//! Passwords: what is accepted as a new one, and how they are hashed (OWASP Password Storage Cheat Sheet: Argon2id).

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Params};
use thunderhead_domain::ports::Random;
use thunderhead_domain::user::PasswordHash;

use crate::hash_memory::HashMemory;
use crate::work::{WorkFault, WorkPool};

/// Bytes of salt, as RFC 9106 recommends.
const SALT_LENGTH: usize = 16;

/// A password as somebody typed it. It is never trimmed, cut, cloned or printed.
pub struct Password(String);

impl Password {
    /// Takes any text: the rules for new passwords do not apply to a login.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password that may be set: long enough, and not easily guessed.
#[derive(Debug)]
pub struct NewPassword(Password);

/// A password that must not be set, and the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptablePassword {
    /// Shorter than [`NewPassword::MIN`].
    #[error("the password is too short: it takes at least {} bytes", NewPassword::MIN)]
    TooShort,
    /// Longer than [`NewPassword::MAX`].
    #[error("the password is too long: it takes at most {} bytes", NewPassword::MAX)]
    TooLong,
    /// The user's name or address, or what stands before the `@`.
    #[error("the password is the user's own name or address")]
    Personal,
    /// Common, or a pattern that is soon guessed.
    #[error("the password is too common or too easily guessed: take several words that do not belong together")]
    Common,
}

impl NewPassword {
    /// The shortest, in bytes.
    pub const MIN: usize = 8;
    /// The longest, in bytes.
    pub const MAX: usize = 1024;
    /// The estimator looks at this many bytes at most: its cost grows faster than the text.
    const ESTIMATED: usize = 100;

    /// Applies the rules of `spec/accounts-and-factors.md`. `personal` are the texts that belong to the user:
    /// name and address.
    ///
    /// # Errors
    /// Where the password is too short, too long, common, or one of the personal texts.
    pub fn new(password: Password, personal: &[&str]) -> Result<Self, UnacceptablePassword> {
        let text = &password.0;
        let own = personal.iter().any(|personal| {
            let local_part = personal.split('@').next().unwrap_or(personal);
            same_text(text, personal) || same_text(text, local_part)
        });
        if text.len() < Self::MIN {
            return Err(UnacceptablePassword::TooShort);
        }
        if text.len() > Self::MAX {
            return Err(UnacceptablePassword::TooLong);
        }
        if own {
            return Err(UnacceptablePassword::Personal);
        }
        let head = &text[..text.floor_char_boundary(Self::ESTIMATED)];
        if zxcvbn::zxcvbn(head, personal).score() < zxcvbn::Score::Two {
            return Err(UnacceptablePassword::Common);
        }
        Ok(Self(password))
    }

    /// Whether the confirmation is the same text.
    pub fn is(&self, confirmation: &str) -> bool {
        self.0.0 == confirmation
    }
}

fn same_text(left: &str, right: &str) -> bool {
    !right.is_empty() && left.to_lowercase() == right.to_lowercase()
}

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why hashing cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HasherFault {
    /// The cost is out of Argon2's range.
    #[error("the hashing cost is out of range: {0}")]
    Cost(argon2::Error),
    /// The first hash could not be made.
    #[error("hashing does not work: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashFault {
    /// The pool is full or gave up.
    #[error(transparent)]
    Work(#[from] WorkFault),
    /// Argon2 refused: a stored hash that is none, or no memory.
    #[error("hashing failed: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Whether a password was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It was, and its hash is up to date.
    Right,
    /// It was, and its hash should be made anew with the present cost.
    RightButOutdated,
    /// It was not, or there is no such user.
    Wrong,
}

/// Hashes and checks passwords on the work pool.
pub struct PasswordHasher {
    params: Params,
    random: Arc<dyn Random>,
    pool: WorkPool,
    /// The hash of a password that nobody has, checked where there is no user: both take the same time.
    nobodys: Arc<PasswordHash>,
}

impl PasswordHasher {
    /// Sets hashing up, which makes one hash.
    ///
    /// # Errors
    /// Where the cost is out of range.
    pub fn new(cost: HashCost, pool: WorkPool, random: Arc<dyn Random>) -> Result<Self, HasherFault> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(HasherFault::Cost)?;
        let mut unguessable = [0; 32];
        random.fill(&mut unguessable);
        let nobodys = hash(&pool.memory, &params, &unguessable, &salt(&*random)).map_err(HasherFault::Hash)?;
        Ok(Self { params, random, pool, nobodys: Arc::new(nobodys) })
    }

    pub(crate) fn work_pool(&self) -> WorkPool {
        self.pool.clone()
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashFault::Work`] where the pool is busy.
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, HashFault> {
        self.hash_unchanged(password.0).await
    }

    /// Hashes the password of an account whose hash is outdated: the rules for new ones do not apply.
    pub(crate) async fn hash_unchanged(&self, password: Password) -> Result<PasswordHash, HashFault> {
        let (memory, params) = (Arc::clone(&self.pool.memory), self.params.clone());
        let salt = salt(&*self.random);
        let job = move || hash(&memory, &params, password.bytes(), &salt);
        self.pool.run(job).await?.map_err(HashFault::Hash)
    }

    /// Checks a password against a user's hash, or against nobody's, which takes as long. Gives the password
    /// back for a hash to be made anew.
    ///
    /// # Errors
    /// [`HashFault::Work`] where the pool is busy.
    pub async fn check(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<(Checked, Password), HashFault> {
        let (memory, params) = (Arc::clone(&self.pool.memory), self.params.clone());
        let nobodys = Arc::clone(&self.nobodys);
        let job = move || {
            let known = hash.is_some();
            let stored = hash.as_ref().unwrap_or(&nobodys);
            let right = matches(&memory, password.bytes(), stored)?;
            let checked = match (known && right, is_outdated(&params, stored)) {
                (false, _) => Checked::Wrong,
                (true, false) => Checked::Right,
                (true, true) => Checked::RightButOutdated,
            };
            Ok((checked, password))
        };
        self.pool.run(job).await?.map_err(HashFault::Hash)
    }
}

fn salt(random: &dyn Random) -> [u8; SALT_LENGTH] {
    let mut salt = [0; SALT_LENGTH];
    random.fill(&mut salt);
    salt
}

fn hash(
    memory: &HashMemory,
    params: &Params,
    password: &[u8],
    salt: &[u8],
) -> Result<PasswordHash, argon2::password_hash::Error> {
    let algorithm = Some(Algorithm::Argon2id.as_str());
    let phc = memory.hash_password_customized(password, salt, algorithm, None, params.clone())?;
    Ok(PasswordHash::new(phc.to_string()))
}

/// By the parameters of the stored hash.
fn matches(memory: &HashMemory, password: &[u8], stored: &PasswordHash) -> Result<bool, argon2::password_hash::Error> {
    let phc = Phc::new(stored.expose())?;
    match memory.verify_password(password, &phc) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn is_outdated(wanted: &Params, stored: &PasswordHash) -> bool {
    let Ok(phc) = Phc::new(stored.expose()) else { return true };
    let same_cost = Params::try_from(&phc).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
    });
    !same_cost || phc.algorithm.as_str() != Algorithm::Argon2id.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for (byte, value) in buffer.iter_mut().zip(0..) {
                *byte = value;
            }
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn hasher(memory_kib: u32) -> PasswordHasher {
        let cost = HashCost { memory_kib, passes: 1, lanes: 1 };
        PasswordHasher::new(cost, WorkPool::start(1, 4).unwrap(), Arc::new(Counting)).unwrap()
    }

    fn rule(text: &str) -> Result<(), UnacceptablePassword> {
        NewPassword::new(Password::new(text.to_owned()), &["ada-lovelace", "countess.ada@example.org"]).map(drop)
    }

    #[test]
    fn new_passwords_are_8_to_1024_bytes_and_hard_to_guess() {
        use UnacceptablePassword::{Common, Personal, TooLong, TooShort};
        let long = "long and winding road ".repeat(46);
        for good in ["correct horse battery", " spaces around count ", "пароль-кобыла-скоба", &long] {
            assert_eq!(rule(good), Ok(()), "{good:?}");
        }
        for (refused, broken) in [
            ("", TooShort),
            ("Zk3#q9x", TooShort),
            (&"x9Fq".repeat(257), TooLong),
            ("password", Common),
            ("12345678", Common),
            ("aaaaaaaaaaaa", Common),
            ("qwertyuiop", Common),
            ("ADA-lovelace", Personal),
            ("Countess.Ada@example.org", Personal),
            ("countess.ada", Personal),
        ] {
            assert_eq!(rule(refused), Err(broken), "{refused:?}");
        }
    }

    #[test]
    fn a_password_is_checked_to_its_last_byte() {
        let hasher = hasher(8);
        let long = "0123456789".repeat(10);
        let hash = block_on(hasher.hash_unchanged(Password::new(long.clone()))).unwrap();
        let check = |text: String| block_on(hasher.check(Password::new(text), Some(hash.clone()))).unwrap().0;
        assert_eq!(check(long.clone()), Checked::Right);
        for wrong in [format!("{long} "), format!(" {long}"), long[..99].to_owned(), String::new()] {
            assert_eq!(check(wrong), Checked::Wrong);
        }
    }

    #[test]
    fn a_hash_of_another_cost_is_right_but_outdated() {
        let hash = block_on(hasher(8).hash_unchanged(Password::new("secret".to_owned()))).unwrap();
        let checked = block_on(hasher(16).check(Password::new("secret".to_owned()), Some(hash))).unwrap().0;
        assert_eq!(checked, Checked::RightButOutdated);
    }

    #[test]
    fn nobody_has_a_password() {
        let mut unguessable = [0; 32];
        Counting.fill(&mut unguessable);
        let text = String::from_utf8(unguessable.to_vec()).unwrap();
        assert_eq!(block_on(hasher(8).check(Password::new(text), None)).unwrap().0, Checked::Wrong);
    }

    #[test]
    fn passwords_and_hashes_are_not_printed() {
        let password = Password::new("sesame open".to_owned());
        assert!(!format!("{password:?}").contains("sesame"));
    }
}
