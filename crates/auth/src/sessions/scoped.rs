//! Issuing scoped sessions (`docs/MODEL.md`, *Scoped session*).

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, SessionName};

use crate::Auth;
use crate::credentials::change::{ChangeError, Reverified};
use crate::error::InternalError;
use crate::sessions::login::{Device, Issued};

/// A scoped session that is asked for.
#[derive(Debug)]
pub struct ScopedSession {
    /// Its name.
    pub name: SessionName,
    /// Whether it is to last for years.
    pub long_lived: bool,
    /// The client.
    pub device: Device,
}

/// A set of scopes that this user may hold.
#[derive(Clone, Copy, Debug)]
pub struct AllowedScopes(ScopeSet);

/// Staff scopes asked for by a user who is not staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("staff scopes are for staff")]
pub struct StaffScopes;

impl AllowedScopes {
    /// Checks what is asked for against who asks.
    ///
    /// # Errors
    /// Where a staff scope is named by a user who is not staff. Anybody may ask for `ALL`.
    pub fn of(principal: &Principal, scopes: ScopeSet) -> Result<Self, StaffScopes> {
        if scopes.names_staff() && !principal.user().staff { Err(StaffScopes) } else { Ok(Self(scopes)) }
    }
}

impl Auth {
    /// Opens a scoped session on the word of an ordinary one. It rests on what that was proved by, and no more.
    ///
    /// # Errors
    /// Where the word does not hold any more: the session has ended, the user was banned, or is no longer staff and has
    /// asked for staff scopes. And where the user has as many scoped sessions as one may have.
    pub async fn scoped_session_issue(
        &self,
        principal: &Principal,
        reverified: Reverified,
        scopes: AllowedScopes,
        request: ScopedSession,
    ) -> Result<Issued, ChangeError> {
        let lifetimes = &self.policy.lifetimes;
        let lifetime = if request.long_lived { lifetimes.scoped_long } else { lifetimes.scoped };
        let session = NewSession {
            authentications: reverified.shown(),
            ..self.new_session(request.device, request.name, Grant::Scoped(scopes.0), lifetime, principal.client_ip())
        };
        let user = principal.user().id;
        let open = |authorization| self.storage.session_open_from(user, session, authorization);
        let session = self.change_as(principal, reverified, open).await?;
        let token = self.tokens.session_token(&session, self.clock.now()).map_err(InternalError::from)?;
        Ok(Issued { token, session, user: principal.user().clone() })
    }
}
