//! Issuing scoped sessions (`spec/sessions-api.md`, *Scoped session*).

use thunderhead_domain::judgement::Principal;
use thunderhead_domain::ports::{Opened, StorageFault};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Power, SessionName};

use crate::Auth;
use crate::login::{Device, Issued};
use crate::reverify::Reverified;

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
    pub const fn of(principal: &Principal, scopes: ScopeSet) -> Result<Self, StaffScopes> {
        if scopes.names_staff() && !principal.user().staff { Err(StaffScopes) } else { Ok(Self(scopes)) }
    }
}

/// Why there is no scoped session.
#[derive(Debug, thiserror::Error)]
pub enum ScopedError {
    /// The session that asked has ended, or its user lost the right, while it was being checked.
    #[error("the session has ended meanwhile")]
    Overtaken,
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] josekit::JoseError),
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl Auth {
    /// Opens a scoped session on the word of an ordinary one.
    ///
    /// # Errors
    /// See [`ScopedError`].
    pub async fn scoped_session_issue(
        &self,
        principal: &Principal,
        _reverified: Reverified,
        scopes: AllowedScopes,
        request: ScopedSession,
    ) -> Result<Issued, ScopedError> {
        let lifetimes = &self.policy.lifetimes;
        let lifetime = if request.long_lived { lifetimes.scoped_long } else { lifetimes.scoped };
        let session = self.new_session(request.device, request.name, Power::Scoped(scopes.0), lifetime);
        let user = principal.user().id;
        match self.storage.session_open_from(user, principal.session().uuid, session).await? {
            Opened::Overtaken => Err(ScopedError::Overtaken),
            Opened::Opened(session) => {
                let token = self.tokens.session_token(&session, self.clock.now())?;
                Ok(Issued { token, session: *session })
            }
        }
    }
}
