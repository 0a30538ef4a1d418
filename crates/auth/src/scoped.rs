//! Issuing scoped sessions (`spec/sessions-api.md`, *Scoped session*).

use thunderhead_domain::judgement::{Caller, Principal};
use thunderhead_domain::ports::{Opened, StorageFault};
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Power, SessionKey, SessionName};

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
    /// The session that asked has ended while it was being checked.
    #[error("the session has ended meanwhile")]
    Overtaken,
    /// The user has been banned meanwhile.
    #[error("banned meanwhile")]
    Banned,
    /// The user is no longer staff, and has asked for staff scopes.
    #[error(transparent)]
    StaffScopes(#[from] StaffScopes),
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
            Opened::Overtaken => Err(self.why_not_issued(principal).await?),
            Opened::Opened(session) => {
                let token = self.tokens.session_token(&session, self.clock.now())?;
                Ok(Issued { token, session: *session })
            }
        }
    }

    /// Something changed while the request was being checked: the answer is the one that a request begun now gets.
    async fn why_not_issued(&self, principal: &Principal) -> Result<ScopedError, StorageFault> {
        let session = principal.session();
        let authority = self.storage.session_authority(Some(SessionKey::Uuid(session.uuid, session.user))).await?;
        Ok(match Caller::of(authority.bearer, self.clock.now()) {
            Caller::Banned => ScopedError::Banned,
            // The session stands, so it was the scopes.
            Caller::Live(_) => ScopedError::StaffScopes(StaffScopes),
            Caller::Nobody | Caller::Ambiguous | Caller::Rejected | Caller::FactorOwed(_) => ScopedError::Overtaken,
        })
    }
}
