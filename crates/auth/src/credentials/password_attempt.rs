//! Checking a password under the account's failure budget, whatever endpoint it comes by.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::id::UserId;
use thunderhead_domain::network::Network;
use thunderhead_domain::ports::{AccountName, StorageError};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::{PasswordCredential, User};

use crate::credentials::password::{Checked, Password, PasswordHasher, Renewal};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::throttle::account_locks::LockTimeout;
use crate::throttle::budgets::{AttemptBy, ChargeError, Charged, Throttle};
use crate::throttle::recent_strangers::RecentStrangers;
use crate::unreadable;
use crate::work::queue::JobOwner;
use crate::work::unless;

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
    Internal(InternalError),
}

impl<F: Into<InternalError>> From<F> for PasswordAttemptError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

impl From<ChargeError> for PasswordAttemptError {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::Throttled(millis) => Self::Throttled(millis),
            ChargeError::Internal(error) => Self::Internal(error),
        }
    }
}

/// Checks passwords, whatever endpoint they come by.
pub(crate) struct PasswordAttempts {
    environment: Environment,
    hasher: PasswordHasher,
    throttle: Arc<Throttle>,
    strangers: RecentStrangers,
}

impl PasswordAttempts {
    pub(crate) fn new(environment: Environment, hasher: PasswordHasher, throttle: Arc<Throttle>) -> Self {
        let strangers = RecentStrangers::new(environment.now());
        Self { environment, hasher, throttle, strangers }
    }

    /// Checks a password. `account` is whom the attempt means, if that can be anybody.
    ///
    /// A place in the queue for hashing is taken before anything is charged: a guess that finds none has cost a read at
    /// most, and nothing where the same name was just guessed from the same network. Some places are kept for those who
    /// are known.
    ///
    /// An unknown name takes the same steps as a known one where wrong logins are uniform, so that the two take the
    /// same time. Elsewhere the answer says that nobody has the name, and nothing is charged.
    pub(crate) async fn attempt(
        &self,
        account: Option<AccountName>,
        by: AttemptBy<'_>,
        password: Password,
        action: ActionContext,
    ) -> Result<Proof, PasswordAttemptError> {
        let stranger = self.strangers.key(by, action.client_ip);
        let is_stranger = stranger.is_some_and(|key| self.strangers.contains(key, action.at));
        self.hasher.refuse_if_full_for(if is_stranger { JobOwner::Stranger } else { JobOwner::Known })?;
        let (found, known_network) = self.attempted(account, action.client_ip, action.at).await?;
        let user = found.as_ref().map(|(user, _)| user.id);
        let note = |failure| {
            if let AttemptBy::Client { agent, .. } = by {
                self.throttle.failed_logins.note(user, failure, agent, &action);
            }
        };
        let owner = match (by, known_network) {
            (AttemptBy::Session(_), _) | (AttemptBy::Client { .. }, Some(_)) => JobOwner::Known,
            (AttemptBy::Client { .. }, None) => JobOwner::Stranger,
        };
        let stored = found.as_ref().map(|(_, credential)| credential.password.clone());
        let is_costly = stored.as_ref().is_some_and(|stored| self.hasher.is_costly(stored));
        let mut patience_ends = pin!(self.throttle.patience(is_costly));
        let turn = match self.throttle.budget_of(user, by, known_network) {
            Some(budget) => {
                let turn = unless(patience_ends.as_mut(), self.throttle.turn(budget)).await;
                Some(turn.unwrap_or(Err(LockTimeout))?)
            }
            None => None,
        };
        // After the turn has come: who waits for theirs takes no place away from others.
        let place = self.hasher.reserve(owner, is_costly).inspect_err(|_| match (owner, stranger) {
            (JobOwner::Stranger, Some(key)) => self.strangers.note(key, action.at),
            (JobOwner::Known, _) | (JobOwner::Stranger, None) => {}
        })?;
        let charged = match turn {
            // The password may have changed while this attempt waited for its turn; the version tells at the end.
            Some(turn) => Some(self.throttle.charge(turn, action.clone()).await.inspect_err(|error| {
                if matches!(error, ChargeError::Throttled(_)) {
                    note(LoginFailure::Throttled);
                }
            })?),
            None => None,
        };
        let checked = match self.hasher.check(place, patience_ends, password, stored).await {
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

    async fn refund(&self, charged: Option<Charged>) -> Result<(), StorageError> {
        match charged {
            Some(charged) => charged.refund(&self.environment).await,
            None => Ok(()),
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
            (Some(account), None) => Ok((self.environment.storage.account_credential(account).await?, None)),
            (Some(account), Some(network)) => {
                let found = self.environment.storage.account_attempted(account, network, now).await?;
                let Some((user, credential, known)) = found else { return Ok((None, None)) };
                Ok((Some((user, credential)), known.then_some(network)))
            }
        }
    }

    /// Replaces the hash of a right password where it is outdated (`docs/MODEL.md`).
    pub(crate) async fn renew_hash(&self, user: UserId, version: i64, renewal: Renewal) {
        let renewed = match renewal {
            Renewal::NotNeeded => return,
            Renewal::Marked(hash) => Ok(hash),
            Renewal::Hash(password) => {
                self.hasher.hash_unchanged(JobOwner::Stranger, password).await.map_err(InternalError::from)
            }
        };
        let replaced = match renewed {
            Ok(hash) => self.environment.storage.account_rehash(user, version, hash).await.map_err(InternalError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = replaced {
            tracing::warn!(error = %error, "an outdated password hash was not replaced");
        }
    }
}
