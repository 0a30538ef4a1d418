//! Accepting and setting new passwords.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use thunderhead_domain::ports::AccountUpdate;
use thunderhead_domain::user::PasswordHash;
use tokio::time::timeout;
use tracing::instrument;

use crate::changes::target::{Account, OwnAccount};
use crate::changes::{Change, ChangeError};
use crate::credentials::password::rules::{Candidate, NewPassword, UnacceptablePassword};
use crate::credentials::password::{Password, PasswordHasher};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::tokens::secret;
use crate::work::queue::JobOwner;
use crate::work::{WorkError, WorkPool};

/// How long a new password waits to be estimated: a registration can be tried again.
const ESTIMATE_DEADLINE: Duration = Duration::from_secs(2);

/// Why a new password was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// It may not be set.
    #[error(transparent)]
    Unacceptable(#[from] UnacceptablePassword),
    /// The work pool is busy or gave up.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// New passwords.
pub struct NewPasswords {
    environment: Environment,
    hasher: PasswordHasher,
    /// Apart from hashing, so that no login waits for registrations.
    estimating: WorkPool,
}

impl NewPasswords {
    pub(crate) const fn new(environment: Environment, hasher: PasswordHasher, estimating: WorkPool) -> Self {
        Self { environment, hasher, estimating }
    }

    /// Estimates how soon a new password is guessed, once all else about the request is in order. That is work of its
    /// own, which logins do not wait for.
    ///
    /// # Errors
    /// Where the password must not be set, or too many are to be estimated.
    #[instrument(level = "debug", skip_all)]
    pub async fn estimate(&self, candidate: Candidate) -> Result<NewPassword, NewPasswordError> {
        let estimate = self.estimating.run(JobOwner::Known, move || candidate.estimate());
        Ok(timeout(ESTIMATE_DEADLINE, estimate).await.unwrap_or(Err(WorkError::Busy))??)
    }

    /// Sets a user's password and ends all their sessions; where they do it themselves, all but the one in use.
    #[instrument(level = "debug", skip_all)]
    pub async fn set<T: Account>(
        &self,
        change: Change<T>,
        password: NewPassword,
    ) -> Result<AccountUpdate, ChangeError> {
        set_password(&self.environment, &self.hasher, change, password).await
    }

    /// Takes the caller's own password away, where their passkeys suffice without one, and ends all their other sessions.
    ///
    /// # Errors
    /// [`Refusal::PasskeysMissing`](thunderhead_domain::change_authorization::Refusal) where they do not.
    #[instrument(level = "debug", skip_all)]
    pub async fn remove(&self, Change { target, author }: Change<OwnAccount>) -> Result<AccountUpdate, ChangeError> {
        let storage = &self.environment.storage;
        let nobodys = match nobodys_password(&self.environment, &self.hasher).await {
            Ok(hash) => hash,
            Err(error) => {
                author.withdraw(&self.environment).await?;
                return Err(error.into());
            }
        };
        let remove = |authorization| storage.account_remove_password(target.0, nobodys, authorization);
        author.make(&self.environment, remove).await
    }
}

/// The hash of a password that nobody knows: what is checked where there is none, so that it takes the same time.
pub(crate) async fn nobodys_password(
    environment: &Environment,
    hasher: &PasswordHasher,
) -> Result<PasswordHash, InternalError> {
    let password = Password::new(secret::generate(&*environment.random).expose_secret().to_owned());
    Ok(hasher.hash_unchanged(JobOwner::Known, password).await?)
}

/// Sets a user's password. Where it cannot be hashed, whoever proved their identity may try again.
pub(crate) async fn set_password<T: Account>(
    environment: &Environment,
    hasher: &PasswordHasher,
    Change { target, author }: Change<T>,
    password: NewPassword,
) -> Result<AccountUpdate, ChangeError> {
    let hash = match hasher.hash(JobOwner::Known, password).await {
        Ok(hash) => hash,
        Err(error) => {
            author.withdraw(environment).await?;
            return Err(InternalError::from(error).into());
        }
    };
    let user = target.user();
    author.make(environment, |authorization| environment.storage.account_set_password(user, hash, authorization)).await
}
