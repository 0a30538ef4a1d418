//! Sessions: opening, stepping up, listing and ending them (`docs/MODEL.md`).

pub mod login;
pub mod name;
pub mod of_all;
pub mod of_user;
pub mod opening;
pub mod pass;
pub mod scoped;
pub mod step_up;

use std::net::IpAddr;
use std::sync::Arc;

use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::{AccountName, SessionHandle, SessionOf, StorageError};
use thunderhead_domain::session::{Actor, SessionKey};
use tracing::instrument;

use crate::environment::Environment;
use crate::sessions::of_all::AllSessions;
use crate::sessions::of_user::{Ender, UserSessions};
use crate::tokens::verification::Tokens;

/// Why staff got no answer about a user's sessions.
#[derive(Debug, thiserror::Error)]
pub enum StaffSessionError {
    /// There is no such user.
    #[error("unknown user")]
    UnknownUser,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Seeing and ending sessions: whose, and by whom.
pub struct SessionManager {
    environment: Environment,
    tokens: Arc<Tokens>,
}

impl SessionManager {
    pub(crate) const fn new(environment: Environment, tokens: Arc<Tokens>) -> Self {
        Self { environment, tokens }
    }

    /// The caller's own sessions.
    pub fn own<'a>(&'a self, caller: &'a Principal) -> UserSessions<'a> {
        let (user, current) = (caller.user().id, Some(caller.session()));
        UserSessions { environment: &self.environment, user, ender: Ender::user(caller), current }
    }

    /// A user's sessions, for staff. The session in use is one of them where the user is the caller.
    ///
    /// # Errors
    /// Where there is no such user.
    #[instrument(level = "debug", skip_all)]
    pub async fn of_user(&self, staff: &StaffPrincipal, user: UserId) -> Result<UserSessions<'_>, StaffSessionError> {
        match self.environment.storage.account_id(AccountName::Id(user)).await? {
            Some(_) => {
                Ok(UserSessions { environment: &self.environment, user, ender: Ender::staff(staff), current: None })
            }
            None => Err(StaffSessionError::UnknownUser),
        }
    }

    /// Everybody's sessions, for staff.
    pub fn all<'a>(&'a self, staff: &'a StaffPrincipal) -> AllSessions<'a> {
        let current = Some(staff.principal().session());
        AllSessions { environment: &self.environment, ender: Ender::staff(staff), current }
    }

    /// Ends the session of a token with which its user logs out. `false` where it stands for none; one that is over
    /// already is as good as ended.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn log_out(&self, token: &str, client_ip: Option<IpAddr>) -> Result<bool, StorageError> {
        self.end_by_token(token, |user| Ender::holder(Actor::User(user), client_ip)).await
    }

    /// The same for whoever has the token, which may have leaked: nobody knows that it is its user.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn revoke(&self, token: &str, client_ip: Option<IpAddr>) -> Result<bool, StorageError> {
        self.end_by_token(token, |_| Ender::finder(client_ip)).await
    }

    async fn end_by_token(&self, token: &str, ender: impl FnOnce(UserId) -> Ender) -> Result<bool, StorageError> {
        let storage = &self.environment.storage;
        let Some(key) = self.tokens.session_key(token, self.environment.now()).await? else { return Ok(false) };
        let (handle, owner) = match key {
            SessionKey::Uuid(uuid, user) => (SessionHandle::Uuid(uuid), Some(user)),
            SessionKey::Opaque(digest) => (SessionHandle::Opaque(digest), None),
            SessionKey::Imported(token) => (SessionHandle::Imported(token), Some(token.user)),
            // No token leads there.
            SessionKey::Pass(_) => return Ok(false),
        };
        let found = storage.session_locate(handle).await?;
        let found = found.filter(|session| owner.is_none_or(|owner| session.user == owner));
        let Some(SessionOf { user, id }) = found else { return Ok(false) };
        let ender = ender(user);
        storage.session_end(user, id, ender.why, ender.action(&self.environment)).await?;
        Ok(true)
    }
}
