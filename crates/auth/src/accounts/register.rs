//! Making an account for oneself (`docs/MODEL.md`, *Accounts*).

use std::sync::Arc;

use thunderhead_domain::authorization::{AuthenticatedSession, Guest};
use thunderhead_domain::id::UserUuid;
use thunderhead_domain::ports::Registered;
use thunderhead_domain::session::{Grant, NewSession};
use thunderhead_domain::user::{EmailAddress, NewAccount, Username};
use tracing::instrument;

use crate::credentials::password::PasswordHasher;
use crate::credentials::password::rules::NewPassword;
use crate::environment::Environment;
use crate::error::InternalError;
use crate::sessions::opening::{Device, Issued, SessionMaker, TokenForm};
use crate::settings::{Policy, Registration};
use crate::tokens::token::PlainToken;
use crate::tokens::verification::Tokens;
use crate::work::queue::JobOwner;

/// A registration whose parts have been checked one by one.
#[derive(Debug)]
pub struct Registering {
    /// The name.
    pub username: Username,
    /// The address.
    pub email: EmailAddress,
    /// The password.
    pub password: NewPassword,
    /// What the client is to be given.
    pub form: TokenForm,
    /// Whether the first session is to last for years.
    pub remember: bool,
    /// The client.
    pub device: Device,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Only the operator makes accounts here.
    #[error("registration is closed")]
    Closed,
    /// The name or the address is taken.
    #[error("the name or the address is taken")]
    Taken,
    /// The server is at fault.
    #[error(transparent)]
    Internal(InternalError),
}

impl<F: Into<InternalError>> From<F> for RegisterError {
    fn from(error: F) -> Self {
        Self::Internal(error.into())
    }
}

/// Makes accounts.
pub struct Registrations {
    environment: Environment,
    policy: Policy,
    hasher: PasswordHasher,
    tokens: Arc<Tokens>,
    sessions: Arc<SessionMaker>,
}

impl Registrations {
    pub(crate) const fn new(
        environment: Environment,
        policy: Policy,
        hasher: PasswordHasher,
        tokens: Arc<Tokens>,
        sessions: Arc<SessionMaker>,
    ) -> Self {
        Self { environment, policy, hasher, tokens, sessions }
    }

    /// Makes an account and its first session, or neither.
    ///
    /// # Errors
    /// See [`RegisterError`].
    #[instrument(level = "debug", skip_all)]
    pub async fn register(&self, guest: Guest, form: Registering) -> Result<Issued, RegisterError> {
        if self.policy.registration == Registration::Closed {
            return Err(RegisterError::Closed);
        }
        let password = self.hasher.hash(JobOwner::Stranger, form.password).await?;
        let lifetime = self.policy.lifetimes.of_login(form.device.dialect, form.remember);
        let names = self.sessions.names_for(&form.device).await;
        let opaque = (form.form == TokenForm::Opaque).then(|| PlainToken::opaque(&*self.environment.random));
        let session = NewSession {
            opaque: opaque.as_ref().map(PlainToken::digest),
            agent: Some(names.agent),
            ..self.sessions.new_session(form.device, names.session, Grant::Full, lifetime, guest.client_ip(), false)
        };
        let account = NewAccount {
            uuid: UserUuid(self.environment.new_uuid()),
            username: form.username,
            email: form.email,
            password,
            has_password: true,
            staff: false,
            at: session.at,
        };
        match self.environment.storage.account_register(account, session).await? {
            Registered::Taken => Err(RegisterError::Taken),
            Registered::Registered(authenticated) => {
                let token = match opaque {
                    Some(token) => token,
                    None => self.tokens.signer.session_token(&authenticated.session, self.environment.now())?,
                };
                let AuthenticatedSession { session, user } = *authenticated;
                Ok(Issued { token, session, user })
            }
        }
    }
}
