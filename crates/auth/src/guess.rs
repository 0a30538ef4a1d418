//! Checking a password under the account's failure budget, whatever door it comes by; and what a guess costs until
//! it is known what came of it.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use thunderhead_domain::audit::Deed;
use thunderhead_domain::budget::{Charge, Receipt};
use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, BudgetKey, StorageFault};
use thunderhead_domain::user::User;

use crate::fault::Fault;
use crate::keys::EncryptionKey;
use crate::password::{Checked, Password, Renewal};
use crate::turnstile::Turn;
use crate::{Auth, LoginErrors};

/// Hashes names that belong to nobody, so that they can have a failure budget without being stored.
pub(crate) struct NameHasher {
    mac: Hmac<Sha256>,
}

impl NameHasher {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        Self { mac: key.mac_for(b"thunderhead: names that belong to nobody\0") }
    }

    fn key(&self, name: &str) -> BudgetKey {
        let mut mac = self.mac.clone();
        mac.update(name.to_lowercase().as_bytes());
        BudgetKey::UnknownName(mac.finalize().into_bytes().into())
    }
}

/// What a guess was charged. While this is held, no other guess at the account is judged in this process.
#[derive(Debug)]
pub(crate) struct Charged {
    to: ChargedTo,
    receipt: Receipt,
    _turn: Turn,
}

#[derive(Debug)]
enum ChargedTo {
    Budget(BudgetKey),
    /// To the challenge and to its user's budget.
    Challenge(ChallengeId),
}

impl Charged {
    pub(crate) const fn to_account(user: UserId, receipt: Receipt, turn: Turn) -> Self {
        Self { to: ChargedTo::Budget(BudgetKey::Account(user)), receipt, _turn: turn }
    }

    pub(crate) const fn to_challenge(challenge: ChallengeId, receipt: Receipt, turn: Turn) -> Self {
        Self { to: ChargedTo::Challenge(challenge), receipt, _turn: turn }
    }
}

/// A right password.
pub(crate) struct Proof {
    pub(crate) user: User,
    pub(crate) credential_version: i64,
    pub(crate) renewal: Renewal,
    pub(crate) charged: Charged,
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
    /// The server is at fault.
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for GuessFault {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
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
                if let Some(receipt) = receipt {
                    self.storage.budget_refund(&budget, receipt).await?;
                }
                return Err(fault.into());
            }
        };
        match (found, receipt, checked) {
            (Some((user, credential)), Some(receipt), Checked::Right(renewal)) => {
                let charged = Charged { to: ChargedTo::Budget(budget), receipt, _turn: turn };
                Ok(Proof { user, credential_version: credential.version, renewal, charged })
            }
            (Some(_), _, _) => Err(GuessFault::WrongPassword),
            (None, _, _) => Err(GuessFault::UnknownUser),
        }
    }

    /// Takes a charge back, where what was right led to nothing: it neither counts nor clears.
    pub(crate) async fn refund(&self, charged: Option<Charged>) -> Result<(), StorageFault> {
        let Some(Charged { to, receipt, _turn }) = charged else { return Ok(()) };
        match to {
            ChargedTo::Budget(key) => self.storage.budget_refund(&key, receipt).await,
            ChargedTo::Challenge(challenge) => self.storage.challenge_refund(challenge, receipt).await,
        }
    }

    /// For a proof that was right and led to nothing by no fault of the prover. A right password has proved an identity
    /// all the same; the answer to a challenge proves it only by being spent.
    pub(crate) async fn complete(&self, charged: Charged) -> Result<(), StorageFault> {
        match &charged.to {
            ChargedTo::Budget(key) => self.storage.budget_clear(key).await,
            ChargedTo::Challenge(_) => self.refund(Some(charged)).await,
        }
    }
}
