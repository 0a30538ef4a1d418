//! One-time links: who has one sets a password, or makes a passkey instead, without having logged in (`docs/MODEL.md`,
//! *One-time links*).

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::factor::{FactorId, FactorName, NewFactor};
use thunderhead_domain::link::{LINK_SECONDS, NewLink};
use thunderhead_domain::ports::AccountUpdate;
use thunderhead_domain::session::{Actor, TokenDigest};
use thunderhead_domain::time::Timestamp;
use thunderhead_domain::user::User;
use tracing::instrument;

use crate::changes::target::{Account as _, OtherUser};
use crate::changes::{Change, ChangeError, Reverified};
use crate::credentials::backup::BackupCode;
use crate::credentials::new_password::nobodys_password;
use crate::credentials::passkey::{PasskeyChallenge, Passkeys};
use crate::credentials::password::PasswordHasher;
use crate::credentials::password::rules::NewPassword;
use crate::environment::Environment;
use crate::error::InternalError;
use crate::tokens::form::{Forms, OneTimeForm};
use crate::tokens::secret;
use crate::tokens::token::digest;
use crate::work::queue::JobOwner;

/// Where links lead, below the server's root.
pub const LINK_PATH: &str = "/link/";

/// A link in clear: what its maker is shown once.
#[derive(Debug)]
pub struct OneTimeLink {
    secret: SecretString,
    /// The moment from which on it is good no longer.
    pub expires_at: Timestamp,
}

impl OneTimeLink {
    /// Its path, for its maker alone.
    pub fn path(&self) -> String {
        format!("{LINK_PATH}{}", self.secret.expose_secret())
    }
}

/// A link that is good, and may be used once.
#[derive(Debug)]
pub struct GoodLink {
    digest: TokenDigest,
    user: User,
}

impl GoodLink {
    /// Whose password it sets.
    pub const fn user(&self) -> &User {
        &self.user
    }
}

/// Why a link is good for nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is none, or it is used or over: nobody is told which.
    #[error("no such link")]
    Unknown,
    /// Its user is banned.
    #[error("banned")]
    Banned,
    /// The server is at fault.
    #[error(transparent)]
    Internal(InternalError),
}

impl<F: Into<InternalError>> From<F> for LinkError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

/// Why a link made no passkey. It is still good where the answer was not.
#[derive(Debug, thiserror::Error)]
pub enum LinkPasskeyError {
    /// The link is good for nothing.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The passkey's answer is no good, or too late.
    #[error("the new passkey was refused")]
    Refused,
}

/// A passkey that is made by a link.
#[derive(Debug)]
pub struct LinkPasskey {
    /// The offer's token.
    pub token: String,
    /// What the passkey is to be called.
    pub name: FactorName,
    /// A `RegistrationResponseJSON`.
    pub response: Value,
}

/// Makes links, finds them, and uses them up.
pub struct LinkManager {
    environment: Environment,
    hasher: PasswordHasher,
    forms: Arc<Forms>,
    passkeys: Arc<Passkeys>,
}

impl LinkManager {
    pub(crate) const fn new(
        environment: Environment,
        hasher: PasswordHasher,
        forms: Arc<Forms>,
        passkeys: Arc<Passkeys>,
    ) -> Self {
        Self { environment, hasher, forms, passkeys }
    }

    /// Offers to make a passkey in place of a password; `None` where the account has a second factor: that is shown after
    /// a new password, and a link shows none.
    ///
    /// # Errors
    /// A defect.
    pub fn offer_passkey(&self, link: &GoodLink) -> Result<Option<PasskeyChallenge>, InternalError> {
        if link.user.has_second_factor {
            return Ok(None);
        }
        self.passkeys.offer(&link.user, &link.digest).map(Some)
    }

    /// Uses a link: enrols a passkey in place of a password, and ends all sessions. Returns the backup codes, which are
    /// shown this once.
    ///
    /// # Errors
    /// Where the link cannot be used any more, or the passkey is no good: then nothing has changed.
    #[instrument(level = "debug", skip_all)]
    pub async fn use_for_passkey(
        &self,
        link: GoodLink,
        passkey: LinkPasskey,
        client_ip: Option<IpAddr>,
    ) -> Result<Vec<BackupCode>, LinkPasskeyError> {
        let made = self.passkeys.check_offered(&link.digest, &passkey.token, &passkey.response);
        let material = made.map_err(LinkError::from)?.ok_or(LinkPasskeyError::Refused)?;
        let nobodys = nobodys_password(&self.environment, &self.hasher).await.map_err(LinkError::from)?;
        let codes = Vec::from(BackupCode::generate(&*self.environment.random));
        let digests = codes.iter().map(BackupCode::digest).collect();
        let factor = NewFactor { id: FactorId(self.environment.new_uuid()), name: passkey.name, material };
        let user = link.user.id;
        let action = ActionContext { at: self.environment.now(), by: Actor::User(user), client_ip };
        let storage = &self.environment.storage;
        let used = storage.link_use_for_passkey(user, link.digest, nobodys, factor, digests, action).await;
        match used.map_err(LinkError::from)? {
            Ok(_) => Ok(codes),
            Err(Refusal::Stale(PreconditionFailed::Banned)) => Err(LinkError::Banned.into()),
            Err(Refusal::FactorTaken) => Err(LinkPasskeyError::Refused),
            Err(_) => Err(LinkError::Unknown.into()),
        }
    }

    /// Makes the link of a form, as staff.
    ///
    /// # Errors
    /// Where staff may not (any more), where there is no such user, and where the form has made its link already
    /// ([`Refusal::Taken`]).
    #[instrument(level = "debug", skip_all)]
    pub async fn make(
        &self,
        reverified: Reverified<StaffPrincipal>,
        user: OtherUser,
        form: &OneTimeForm,
    ) -> Result<OneTimeLink, ChangeError> {
        let sender = reverified.caller().principal().session().uuid;
        let secret = self.forms.link_of(form, sender, user.user());
        store(&self.environment, secret, reverified.of(user)).await
    }

    /// The link of this secret.
    ///
    /// # Errors
    /// Where it cannot be used.
    #[instrument(level = "debug", skip_all)]
    pub async fn find(&self, secret: &str) -> Result<GoodLink, LinkError> {
        if !secret::has_form(secret) {
            return Err(LinkError::Unknown);
        }
        let digest = digest(secret);
        let found = self.environment.storage.link_find(digest, self.environment.now()).await?;
        let user = found.ok_or(LinkError::Unknown)?;
        if user.banned_at.is_some() { Err(LinkError::Banned) } else { Ok(GoodLink { digest, user }) }
    }

    /// Uses a link: sets the password, and ends all sessions.
    ///
    /// # Errors
    /// Where it cannot be used any more: then nothing has changed.
    #[instrument(level = "debug", skip_all)]
    pub async fn use_up(
        &self,
        link: GoodLink,
        password: NewPassword,
        client_ip: Option<IpAddr>,
    ) -> Result<AccountUpdate, LinkError> {
        let hash = self.hasher.hash(JobOwner::Known, password).await?;
        let user = link.user.id;
        let action = ActionContext { at: self.environment.now(), by: Actor::User(user), client_ip };
        match self.environment.storage.link_use(user, link.digest, hash, action).await? {
            Ok(update) => Ok(update),
            Err(Refusal::Stale(PreconditionFailed::Banned)) => Err(LinkError::Banned),
            Err(_) => Err(LinkError::Unknown),
        }
    }
}

/// Makes a link.
pub(crate) async fn create(environment: &Environment, change: Change<OtherUser>) -> Result<OneTimeLink, ChangeError> {
    store(environment, secret::generate(&*environment.random), change).await
}

/// Makes the link of a secret. It expires on a whole second.
async fn store(
    environment: &Environment,
    secret: SecretString,
    Change { target, author }: Change<OtherUser>,
) -> Result<OneTimeLink, ChangeError> {
    let expires_at = Timestamp::from_unix_seconds(environment.now().unix_seconds()).plus_seconds(LINK_SECONDS);
    let link = NewLink { digest: digest(secret.expose_secret()), user: target.user(), expires_at };
    author.make(environment, |authorization| environment.storage.link_create(link, authorization)).await?;
    Ok(OneTimeLink { secret, expires_at })
}
