//! Checking a password under the account's failure budget, whatever door it comes by; and what an attempt costs until
//! it is known what came of it.

use std::net::IpAddr;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::budget::{BudgetKey, Charge, Receipt};
use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{AccountName, StorageError};
use thunderhead_domain::session::Session;
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{PasswordCredential, User};

use crate::credentials::password::{Checked, Password, Renewal};
use crate::error::InternalError;
use crate::throttle::account_locks::AccountGuard;
use crate::tokens::keys::EncryptionKey;
use crate::{Auth, LoginErrors, unreadable};

/// Hashes what strangers type, so that it can have a failure budget without being stored.
pub(crate) struct NameHasher {
    mac: Hmac<Sha256>,
}

impl NameHasher {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        Self { mac: key.mac_for(b"thunderhead: names that belong to nobody\0") }
    }

    /// Spellings that differ by case alone, or by white space around them, are one.
    fn hash(&self, typed: &str) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(typed.trim().to_lowercase().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Who attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guesser<'a> {
    /// A live session that reverifies.
    Session(SessionUuid),
    /// Somebody who logs in.
    Client {
        /// What they have typed to say who they are.
        typed: &'a str,
        /// What their program calls itself.
        agent: Option<&'a str>,
    },
}

/// What an attempt was charged. While this is held, no other attempt under the same budget is checked in this process.
#[derive(Debug)]
pub(crate) struct Charged {
    budget: BudgetKey,
    /// The challenge that was charged as well.
    challenge: Option<ChallengeId>,
    receipt: Receipt,
    _guard: AccountGuard,
}

impl Charged {
    pub(crate) const fn to_challenge(
        challenge: ChallengeId,
        budget: BudgetKey,
        receipt: Receipt,
        guard: AccountGuard,
    ) -> Self {
        Self { budget, challenge: Some(challenge), receipt, _guard: guard }
    }

    /// The budget that was charged.
    pub(crate) const fn budget(&self) -> &BudgetKey {
        &self.budget
    }
}

/// A right password.
pub(crate) struct Proof {
    pub(crate) user: User,
    pub(crate) credential_version: i64,
    pub(crate) renewal: Renewal,
    pub(crate) charged: Charged,
}

/// Why an attempt brought no proof.
#[derive(Debug)]
pub(crate) enum PasswordAttemptError {
    /// The budget is used up for this many milliseconds.
    Throttled(i64),
    /// There is no such user.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The server is at fault.
    InternalError(InternalError),
}

impl<F: Into<InternalError>> From<F> for PasswordAttemptError {
    fn from(error: F) -> Self {
        Self::InternalError(error.into())
    }
}

impl Auth {
    /// Checks a password. `account` is whom the guesser means, if that can be anybody.
    ///
    /// An unknown name takes the same steps as a known one where wrong logins are uniform, so that the two take the
    /// same time. Elsewhere the answer says that nobody has the name, and nothing is charged.
    pub(crate) async fn password_attempt(
        &self,
        account: Option<AccountName>,
        guesser: Guesser<'_>,
        password: Password,
        action: ActionContext,
    ) -> Result<Proof, PasswordAttemptError> {
        let (found, at_home) = self.attempted(account, action.client_ip, action.at).await?;
        let user = found.as_ref().map(|(user, _)| user.id);
        let note = |failure| {
            if let Guesser::Client { agent, .. } = guesser {
                self.note_failure(user, failure, agent, &action);
            }
        };
        let charged = match self.budget_of(user, guesser, at_home) {
            // The password may have changed while this attempt waited for its turn; the version tells at the end.
            Some(budget) => Some(self.charge(budget, action.clone()).await.inspect_err(|error| {
                if matches!(error, PasswordAttemptError::Throttled(_)) {
                    note(LoginFailure::Throttled);
                }
            })?),
            None => None,
        };
        let stored = found.as_ref().map(|(_, credential)| credential.password.clone());
        let checked = match self.hasher.check(password, stored).await {
            Ok(checked) => checked,
            Err(error) => {
                self.refund(charged).await?;
                return Err(error.into());
            }
        };
        match (found, charged, checked) {
            (Some((user, _)), charged, Checked::Unreadable) => {
                self.refund(charged).await?;
                Err(unreadable::password_hash(user.id).into())
            }
            (Some((user, credential)), Some(charged), Checked::Right(renewal)) => {
                Ok(Proof { user, credential_version: credential.version, renewal, charged })
            }
            (Some(_), _, _) => {
                note(LoginFailure::Password);
                Err(PasswordAttemptError::WrongPassword)
            }
            (None, _, _) => {
                note(LoginFailure::Password);
                Err(PasswordAttemptError::UnknownUser)
            }
        }
    }

    /// The account that is meant, and the network if the client is in one that the account is used from.
    async fn attempted(
        &self,
        account: Option<AccountName>,
        client_ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(Option<(User, PasswordCredential)>, Option<Network>), StorageError> {
        match (account, client_ip.map(Network::of)) {
            (None, _) => Ok((None, None)),
            (Some(account), None) => Ok((self.storage.account_credential(account).await?, None)),
            (Some(account), Some(network)) => {
                let found = self.storage.account_attempted(account, network, now).await?;
                let Some((user, credential, known)) = found else { return Ok((None, None)) };
                Ok((Some((user, credential)), known.then_some(network)))
            }
        }
    }

    /// What an attempt is charged to. `at_home` is the guesser's network, if the account is used from it.
    fn budget_of(&self, user: Option<UserId>, guesser: Guesser<'_>, at_home: Option<Network>) -> Option<BudgetKey> {
        match (user, guesser, at_home, self.policy.login_errors) {
            (Some(user), Guesser::Session(session), ..) => Some(BudgetKey::Session(user, session)),
            (None, Guesser::Session(_), ..) => None,
            (Some(user), Guesser::Client { .. }, Some(network), _) => Some(BudgetKey::Network(user, network)),
            (user, Guesser::Client { typed, .. }, _, LoginErrors::Uniform) => {
                Some(BudgetKey::Typed(self.typed_names.hash(typed), user))
            }
            (user, Guesser::Client { .. }, None, LoginErrors::Detailed) => user.map(BudgetKey::Account),
            (None, Guesser::Client { .. }, Some(_), LoginErrors::Detailed) => None,
        }
    }

    /// The budget of an attempt at a second factor: of the session where it is live, else as of a login.
    pub(crate) async fn budget_of_session(
        &self,
        session: &Session,
        client_ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<BudgetKey, StorageError> {
        let user = session.user;
        if !session.second_factor_pending {
            return Ok(BudgetKey::Session(user, session.uuid));
        }
        match client_ip.map(Network::of) {
            Some(network) if self.storage.network_is_known(user, network, now).await? => {
                Ok(BudgetKey::Network(user, network))
            }
            _ => Ok(BudgetKey::Account(user)),
        }
    }

    /// Waits for a turn under a budget, and charges it the attempt that comes next.
    pub(crate) async fn charge(
        &self,
        budget: BudgetKey,
        action: ActionContext,
    ) -> Result<Charged, PasswordAttemptError> {
        let guard = self.account_locks.enter(&budget).await?;
        match self.storage.budget_charge(&budget, ActionContext { at: self.clock.now(), ..action }).await? {
            Charge::Admitted(receipt) => Ok(Charged { budget, challenge: None, receipt, _guard: guard }),
            Charge::Wait(millis) => Err(PasswordAttemptError::Throttled(millis)),
        }
    }

    /// Takes a charge back, where what was right led to nothing: it neither counts nor clears.
    pub(crate) async fn refund(&self, charged: Option<Charged>) -> Result<(), StorageError> {
        match charged {
            None => Ok(()),
            Some(Charged { challenge: Some(challenge), receipt, .. }) => {
                self.storage.challenge_refund(challenge, receipt).await
            }
            Some(Charged { budget, challenge: None, receipt, .. }) => {
                self.storage.budget_refund(&budget, receipt).await
            }
        }
    }

    /// For a proof that was right and led to nothing by no fault of the prover. A right password has proved an identity
    /// all the same; the answer to a challenge proves it only by being spent.
    pub(crate) async fn complete(&self, charged: Charged) -> Result<(), StorageError> {
        match &charged.challenge {
            None => self.storage.budget_clear(&charged.budget).await,
            Some(_) => self.refund(Some(charged)).await,
        }
    }
}
