//! Checking a password under the account's failure budget, whatever door it comes by.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thunderhead_domain::audit::Deed;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::ports::{AccountName, BudgetKey, StorageFault};
use thunderhead_domain::user::User;

use crate::keys::EncryptionKey;
use crate::password::{Checked, HashFault, Password};
use crate::turnstile::{QueueFull, Turn};
use crate::work::WorkFault;
use crate::{Auth, LoginErrors};

/// Hashes names that belong to nobody, so that they can have a failure budget without being stored.
pub(crate) struct NameHasher {
    mac: Hmac<Sha256>,
}

impl NameHasher {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        // A 32-byte array is a key of the size the algorithm wants, so this construction cannot fail.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..key.bytes().len()].copy_from_slice(key.bytes());
        let mut mac = Hmac::<Sha256>::new(&block);
        mac.update(b"thunderhead: names that belong to nobody\0");
        Self { mac }
    }

    fn key(&self, name: &str) -> BudgetKey {
        let mut mac = self.mac.clone();
        mac.update(name.to_lowercase().as_bytes());
        BudgetKey::UnknownName(mac.finalize().into_bytes().into())
    }
}

/// A right password. While it is held, no other guess at the account is judged in this process.
pub(crate) struct Proof {
    pub(crate) user: User,
    pub(crate) credential_version: i64,
    /// The password, where its hash should be made anew.
    pub(crate) outdated: Option<Password>,
    budget: BudgetKey,
    receipt: Receipt,
    _turn: Turn,
}

/// Why a guess brought no proof.
#[derive(Debug)]
pub(crate) enum GuessFault {
    /// The account's budget is used up for this many milliseconds.
    Throttled(i64),
    /// There is no such user.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// Too many guesses are waiting.
    Busy,
    /// A stored hash cannot be read.
    Hash(HashFault),
    /// The database is at fault.
    Storage(StorageFault),
}

impl From<StorageFault> for GuessFault {
    fn from(fault: StorageFault) -> Self {
        Self::Storage(fault)
    }
}

impl From<QueueFull> for GuessFault {
    fn from(QueueFull: QueueFull) -> Self {
        Self::Busy
    }
}

impl From<HashFault> for GuessFault {
    fn from(fault: HashFault) -> Self {
        match fault {
            HashFault::Work(WorkFault::Busy) => Self::Busy,
            HashFault::Work(WorkFault::Abandoned) | HashFault::Hash(_) => Self::Hash(fault),
        }
    }
}

impl Auth {
    /// Checks a password. `account` is what the typed `name` stands for, if it can stand for anybody.
    ///
    /// An unknown name takes the same steps as a known one, so that the two take the same time. Its budget
    /// is enforced only where wrong logins are uniform: elsewhere the answer says that nobody has the name.
    pub(crate) async fn guess(
        &self,
        account: Option<AccountName>,
        name: &str,
        password: Password,
        deed: Deed,
    ) -> Result<Proof, GuessFault> {
        let found = match account {
            Some(account) => self.storage.account_credential(account).await?,
            None => None,
        };
        let budget = match &found {
            Some((user, _)) => BudgetKey::Account(user.id),
            None => self.unknown_names.key(name),
        };
        let turn = self.turnstile.enter(&budget).await?;
        // The password may have changed while this guess waited for its turn; the version tells at the end.
        let receipt = match self.storage.budget_charge(&budget, Deed { at: self.clock.now(), ..deed }).await? {
            Charge::Admitted(receipt) => Some(receipt),
            Charge::Wait(millis) if found.is_some() || self.policy.login_errors == LoginErrors::Uniform => {
                return Err(GuessFault::Throttled(millis));
            }
            Charge::Wait(_) => None,
        };
        let stored = found.as_ref().map(|(_, credential)| credential.password.clone());
        let checked = match self.hasher.check(password, stored).await {
            Ok(checked) => checked,
            Err(fault) => {
                self.refund(&budget, receipt).await?;
                return Err(fault.into());
            }
        };
        match (found, receipt, checked) {
            (Some((user, credential)), Some(receipt), (checked, password)) if checked != Checked::Wrong => {
                let outdated = (checked == Checked::RightButOutdated).then_some(password);
                Ok(Proof { user, credential_version: credential.version, outdated, budget, receipt, _turn: turn })
            }
            (Some(_), _, _) => Err(GuessFault::WrongPassword),
            (None, _, _) => Err(GuessFault::UnknownUser),
        }
    }

    /// Takes back what a right password was charged, where it led to nothing: it neither counts nor clears.
    pub(crate) async fn guess_refund(&self, proof: Proof) -> Result<(), StorageFault> {
        self.refund(&proof.budget, Some(proof.receipt)).await
    }

    /// Clears the budget after a completed reverification; a completed login clears it as its session opens.
    pub(crate) async fn guess_complete(&self, proof: Proof) -> Result<(), StorageFault> {
        self.storage.budget_clear(&proof.budget).await
    }

    async fn refund(&self, budget: &BudgetKey, receipt: Option<Receipt>) -> Result<(), StorageFault> {
        match receipt {
            Some(receipt) => self.storage.budget_refund(budget, receipt).await,
            None => Ok(()),
        }
    }
}
