//! Passwords, and how they are hashed (OWASP Password Storage Cheat Sheet: Argon2id). They are hashed in Unicode's form
//! NFC (RFC 8265), and a hash says so by a mark: keyboards send the same text in different forms.

pub mod foreign;
pub mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Params, Version};
use icu_normalizer::ComposingNormalizerBorrowed;
use secrecy::{ExposeSecret as _, SecretString};
use thunderhead_domain::ports::Random;
use thunderhead_domain::user::PasswordHash;

use self::foreign::{HashFormat, MOST_MEMORY_KIB, OldHash};
use self::rules::NewPassword;
use crate::error::InternalError;
use crate::work::hash_memory::HashMemory;
use crate::work::memory_budget::MemoryBudget;
use crate::work::queue::JobOwner;
use crate::work::{Reservation, WorkError, WorkPool};

/// Bytes of salt, as RFC 9106 recommends.
const SALT_LENGTH: usize = 16;
/// Stands before the hash of a password that was in the form NFC.
const COMPOSED_MARK: &str = "nfc";

/// A password as somebody typed it. It is never trimmed, cut, cloned or printed, and zeroed in the end.
#[derive(Debug)]
pub struct Password(SecretString);

impl Password {
    /// Takes any text: the rules for new passwords do not apply to a login.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    fn text(&self) -> &str {
        self.0.expose_secret()
    }

    fn into_composed(self) -> Self {
        match composed(self.text()) {
            Cow::Borrowed(_) => self,
            Cow::Owned(text) => Self::new(text),
        }
    }
}

/// A text in the form NFC.
fn composed(text: &str) -> Cow<'_, str> {
    const { ComposingNormalizerBorrowed::new_nfc() }.normalize(text)
}

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, which can be computed side by side.
    pub lanes: u32,
}

impl HashCost {
    /// The most that may be configured. A stored hash that says it cost more was not made here.
    pub const MOST: Self = Self { memory_kib: 4 << 20, passes: 1_000, lanes: 1_024 };
}

/// Why hashing cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The cost is out of Argon2's range.
    #[error("the hashing cost is out of range: {0}")]
    Cost(argon2::Error),
    /// The first hash could not be made.
    #[error("hashing does not work: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The pool is full or gave up.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// Argon2 refused: a stored hash that is none, or no memory.
    #[error("hashing failed: {0}")]
    Hash(argon2::password_hash::Error),
}

impl From<HashError> for InternalError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Work(error) => error.into(),
            HashError::Hash(_) => Self::cryptography(error),
        }
    }
}

/// Whether a password was right.
#[derive(Debug)]
pub enum Checked {
    /// It was.
    Right(Renewal),
    /// It was not, or there is no such user.
    Wrong,
    /// There is a user, and what is stored as the hash is none that this version can read.
    Unreadable,
}

/// What is to become of the hash of a right password.
#[derive(Debug)]
pub enum Renewal {
    /// It is up to date.
    NotNeeded,
    /// It is to be replaced by the same with the mark: the password was in the form NFC.
    Marked(PasswordHash),
    /// It is to be made anew, with the present cost and the mark.
    Hash(Password),
}

/// What a stored hash is, beside those that are made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredHash {
    /// It is as those that are made now.
    Current,
    /// It is made anew when its user shows the password.
    Outdated(HashFormat),
    /// This version cannot read it.
    Unreadable,
}

/// Where hashes are checked that cost more than those that are made here, so that nobody else waits for them.
#[derive(Clone)]
struct CostlyShare {
    pool: WorkPool,
    memory: Arc<MemoryBudget>,
}

/// Hashes and checks passwords on the work pool.
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    random: Arc<dyn Random>,
    pool: WorkPool,
    costly: CostlyShare,
    /// The hash of a password that nobody has, checked where there is no user: both take the same time.
    nobodys: Arc<PasswordHash>,
}

impl PasswordHasher {
    /// Sets hashing up, which makes one hash.
    ///
    /// # Errors
    /// Where the cost is out of range.
    pub fn new(cost: HashCost, pool: WorkPool, random: Arc<dyn Random>) -> Result<Self, HasherError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(HasherError::Cost)?;
        let mut unguessable = [0; 32];
        random.fill(&mut unguessable);
        let nobodys = hash(&pool.memory, &params, &unguessable, &salt(&*random)).map_err(HasherError::Hash)?;
        let costly = CostlyShare { pool: pool.clone(), memory: Arc::new(MemoryBudget::new(MOST_MEMORY_KIB)) };
        Ok(Self { params, random, pool, costly, nobodys: Arc::new(nobodys) })
    }

    /// Checks hashes that cost more than those that are made here on another pool.
    #[must_use]
    pub fn with_costly_hashes_on(self, pool: WorkPool) -> Self {
        Self { costly: CostlyShare { pool, ..self.costly }, ..self }
    }

    /// The hash of a password that nobody knows, for an account that comes without one.
    pub fn hash_of_nobody(&self) -> PasswordHash {
        PasswordHash::clone(&self.nobodys)
    }

    pub(crate) fn work_pool(&self) -> WorkPool {
        self.pool.clone()
    }

    /// Takes a place for a password that is to be checked, against a hash that costs more than those that are made here or
    /// another.
    pub(crate) fn reserve(&self, owner: JobOwner, is_costly: bool) -> Result<Reservation, WorkError> {
        if is_costly { self.costly.pool.reserve(owner) } else { self.pool.reserve(owner) }
    }

    /// Whether a hash costs more than those that are made here.
    pub(crate) fn is_costly(&self, stored: &PasswordHash) -> bool {
        self.costly_memory(stored).is_some()
    }

    /// How many KiB a hash needs that costs more than those that are made here; `None` for all others.
    fn costly_memory(&self, stored: &PasswordHash) -> Option<usize> {
        if let Some((_, params)) = argon2(stored) {
            let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
            return (work(&params) > work(&self.params)).then_some(params.m_cost() as usize);
        }
        OldHash::parse(stored.expose()).ok().map(|hash| hash.memory_kib())
    }

    /// What a stored hash is.
    pub fn describe(&self, stored: &PasswordHash) -> StoredHash {
        let format = if argon2(stored).is_some() { foreign::argon2_format(stored.expose()) } else { None };
        let format = format.or_else(|| OldHash::parse(stored.expose()).ok().map(|hash| hash.format()));
        match format {
            Some(HashFormat::Argon2id) if !is_outdated(&self.params, stored) => StoredHash::Current,
            Some(format) => StoredHash::Outdated(format),
            None => StoredHash::Unreadable,
        }
    }

    /// Refuses a check where an owner gets no place for one now.
    pub(crate) fn refuse_if_full_for(&self, owner: JobOwner) -> Result<(), WorkError> {
        self.pool.refuse_if_full_for(owner)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashError::Work`] where the pool is busy.
    pub(crate) async fn hash(&self, owner: JobOwner, password: NewPassword) -> Result<PasswordHash, HashError> {
        self.hash_unchanged(owner, password.0).await
    }

    /// Hashes the password of an account whose hash is outdated: the rules for new ones do not apply.
    pub(crate) async fn hash_unchanged(&self, owner: JobOwner, password: Password) -> Result<PasswordHash, HashError> {
        let (memory, params) = (Arc::clone(&self.pool.memory), self.params.clone());
        let salt = salt(&*self.random);
        let job = move || hash(&memory, &params, composed(password.text()).as_bytes(), &salt);
        self.pool.run(owner, job).await?.map_err(HashError::Hash)
    }

    /// Checks a password against a user's hash, or against nobody's, which takes as long.
    ///
    /// # Errors
    /// [`HashError::Work`] where the pool gave up, or patience ended before the check began.
    pub(crate) async fn check(
        &self,
        place: Reservation,
        patience_ends: Pin<&mut impl Future<Output = ()>>,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Checked, HashError> {
        let params = self.params.clone();
        let nobodys = Arc::clone(&self.nobodys);
        let budget = Arc::clone(&self.costly.memory);
        let costly = hash.as_ref().and_then(|stored| self.costly_memory(stored));
        // What a costly one has filled is not kept for the next: it is seldom of the same size.
        let memory = if costly.is_some() { Arc::default() } else { Arc::clone(&self.pool.memory) };
        let job = move || {
            let _taken = costly.map(|kib| budget.take(kib));
            if let Some(stored) = hash {
                match is_right_if_readable(&memory, &password, &stored)? {
                    Some(true) => return Ok(Checked::Right(renewal(&params, stored, password))),
                    Some(false) => return Ok(Checked::Wrong),
                    None => {}
                }
                is_right(&memory, &password, &nobodys)?;
                return Ok(Checked::Unreadable);
            }
            is_right(&memory, &password, &nobodys)?;
            Ok(Checked::Wrong)
        };
        place.run_unless(patience_ends, job).await?.map_err(HashError::Hash)
    }
}

/// Whether a password is right; `None` where the stored hash cannot be read, or would cost more than any may.
fn is_right_if_readable(
    memory: &HashMemory,
    password: &Password,
    stored: &PasswordHash,
) -> Result<Option<bool>, argon2::password_hash::Error> {
    if argon2(stored).is_none() {
        let Ok(hash) = OldHash::parse(stored.expose()) else { return Ok(None) };
        return Ok(in_either_form(password, false, |text| Ok::<_, Infallible>(hash.is_of(text))).ok());
    }
    match is_right(memory, password, stored) {
        Err(argon2::password_hash::Error::OutOfMemory) => Err(argon2::password_hash::Error::OutOfMemory),
        outcome => Ok(outcome.ok()),
    }
}

/// By Argon2.
fn is_right(
    memory: &HashMemory,
    password: &Password,
    stored: &PasswordHash,
) -> Result<bool, argon2::password_hash::Error> {
    in_either_form(password, is_marked(stored), |text| matches(memory, text.as_bytes(), stored))
}

/// Tries a password as it was typed where the hash has no mark, and then in the form NFC. Where the two forms differ, a
/// wrong password takes two hashes, whatever it is checked against, so that the time it takes tells nothing.
fn in_either_form<E>(
    password: &Password,
    is_marked: bool,
    matches: impl Fn(&str) -> Result<bool, E>,
) -> Result<bool, E> {
    let (typed, composed) = (password.text(), composed(password.text()));
    let (first, second) = if is_marked { (&*composed, typed) } else { (typed, &*composed) };
    if matches(first)? {
        return Ok(true);
    }
    let also = first != second && matches(second)?;
    Ok(also && !is_marked)
}

/// What is to become of the hash of a password that is right.
fn renewal(params: &Params, stored: PasswordHash, password: Password) -> Renewal {
    if is_outdated(params, &stored) {
        Renewal::Hash(password)
    } else if is_marked(&stored) {
        Renewal::NotNeeded
    } else if composed(password.text()) == password.text() {
        Renewal::Marked(PasswordHash::new(format!("{COMPOSED_MARK}{}", stored.expose())))
    } else {
        Renewal::Hash(password)
    }
}

/// A hash by Argon2 that can be checked, and what that costs.
fn argon2(stored: &PasswordHash) -> Option<(Phc, Params)> {
    // Argon2 takes a text without the hash itself for a wrong password.
    let phc = phc(stored).ok().filter(|phc| phc.salt.is_some() && phc.hash.is_some())?;
    let (params, most) = (Params::try_from(&phc).ok()?, HashCost::MOST);
    let is_bounded =
        params.m_cost() <= most.memory_kib && params.t_cost() <= most.passes && params.p_cost() <= most.lanes;
    is_bounded.then_some((phc, params))
}

/// The hash as other programs know it.
pub(crate) fn without_mark(stored: &PasswordHash) -> &str {
    stored.expose().strip_prefix(COMPOSED_MARK).unwrap_or_else(|| stored.expose())
}

fn is_marked(stored: &PasswordHash) -> bool {
    stored.expose().starts_with(COMPOSED_MARK)
}

/// The hash without the mark.
fn phc(stored: &PasswordHash) -> Result<Phc, argon2::password_hash::Error> {
    let text = stored.expose();
    Ok(Phc::new(text.strip_prefix(COMPOSED_MARK).unwrap_or(text))?)
}

fn salt(random: &dyn Random) -> [u8; SALT_LENGTH] {
    let mut salt = [0; SALT_LENGTH];
    random.fill(&mut salt);
    salt
}

/// The hash of a password that is in the form NFC.
fn hash(
    memory: &HashMemory,
    params: &Params,
    password: &[u8],
    salt: &[u8],
) -> Result<PasswordHash, argon2::password_hash::Error> {
    let algorithm = Some(Algorithm::Argon2id.as_str());
    let phc = memory.hash_password_customized(password, salt, algorithm, None, params.clone())?;
    Ok(PasswordHash::new(format!("{COMPOSED_MARK}{phc}")))
}

/// By the parameters of the stored hash.
fn matches(memory: &HashMemory, password: &[u8], stored: &PasswordHash) -> Result<bool, argon2::password_hash::Error> {
    let phc = phc(stored)?;
    match memory.verify_password(password, &phc) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_outdated(wanted: &Params, stored: &PasswordHash) -> bool {
    let Ok(phc) = phc(stored) else { return true };
    let same_cost = Params::try_from(&phc).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
    });
    let is_current = phc.version.is_none_or(|version| version == u32::from(Version::default()));
    !same_cost || !is_current || phc.algorithm.as_str() != Algorithm::Argon2id.as_str()
}
