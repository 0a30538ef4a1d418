//! Issuing scoped sessions (`docs/MODEL.md`, *Scoped session*).

use std::sync::Arc;

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Grant, NewSession, SessionName};
use tracing::instrument;

use crate::changes::{Change, ChangeError, Reverified};
use crate::environment::Environment;
use crate::error::InternalError;
use crate::sessions::opening::{Device, Issued, SessionMaker};
use crate::settings::ScopedLifetimes;
use crate::tokens::form::{Forms, OneTimeForm};
use crate::tokens::verification::Tokens;

/// A scoped session that is asked for.
#[derive(Debug)]
pub struct ScopedSession {
    /// Its name.
    pub name: SessionName,
    /// How long it is to live.
    pub lifetime: ScopedLifetime,
    /// The client.
    pub device: Device,
    /// The form that asks for it, where there is one: it is good for one session.
    pub form: Option<OneTimeForm>,
}

/// How long a scoped session is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopedLifetime(i64);

/// A lifetime that no scoped session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too short or too long a life for a scoped session")]
pub struct LifetimeOutOfRange;

impl ScopedLifetime {
    /// The shortest life that can be asked for, in seconds.
    pub const SHORTEST: i64 = 60;

    /// The one of who asks for none.
    pub fn ordinary(lifetimes: &ScopedLifetimes) -> Self {
        Self(lifetimes.ordinary.min(lifetimes.longest))
    }

    /// A long one, without saying how long.
    pub fn long(lifetimes: &ScopedLifetimes) -> Self {
        Self(lifetimes.long.min(lifetimes.longest))
    }

    /// As long as any may live.
    pub const fn longest(lifetimes: &ScopedLifetimes) -> Self {
        Self(lifetimes.longest)
    }

    /// So many seconds.
    ///
    /// # Errors
    /// Where that is less than [`ScopedLifetime::SHORTEST`], or more than the longest.
    pub fn of_seconds(seconds: i64, lifetimes: &ScopedLifetimes) -> Result<Self, LifetimeOutOfRange> {
        let range = Self::SHORTEST..=lifetimes.longest;
        if range.contains(&seconds) { Ok(Self(seconds)) } else { Err(LifetimeOutOfRange) }
    }
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

/// Issues scoped sessions.
pub struct ScopedSessions {
    environment: Environment,
    tokens: Arc<Tokens>,
    sessions: Arc<SessionMaker>,
    forms: Arc<Forms>,
}

impl ScopedSessions {
    pub(crate) const fn new(
        environment: Environment,
        tokens: Arc<Tokens>,
        sessions: Arc<SessionMaker>,
        forms: Arc<Forms>,
    ) -> Self {
        Self { environment, tokens, sessions, forms }
    }

    /// Opens a scoped session for the user of an ordinary one. It rests on what that was proved by, and no more.
    ///
    /// # Errors
    /// Where that does not hold any more: the session has ended, the user was banned, or is no longer staff and has
    /// asked for staff scopes. Where the user has as many scoped sessions as one may have, and where the form has made one
    /// already ([`Refusal::Taken`](thunderhead_domain::change_authorization::Refusal::Taken)).
    #[instrument(level = "debug", skip_all)]
    pub async fn issue(
        &self,
        reverified: Reverified,
        scopes: AllowedScopes,
        request: ScopedSession,
    ) -> Result<Issued, ChangeError> {
        let ScopedLifetime(lifetime) = request.lifetime;
        let (user, client_ip) = (reverified.caller().user().clone(), reverified.caller().client_ip());
        let form = request.form.map(|form| self.forms.session_of(&form, reverified.caller().session().uuid));
        let uuid = form.unwrap_or_else(|| SessionUuid(self.environment.new_uuid()));
        let grant = Grant::Scoped(scopes.0);
        let session = NewSession {
            uuid,
            authentications: reverified.shown(),
            ..self.sessions.new_session(request.device, request.name, grant, lifetime, client_ip, user.staff)
        };
        let Change { author, .. } = reverified.own();
        let open = |authorization| self.environment.storage.session_open_from(user.id, session, authorization);
        let session = author.make(&self.environment, open).await?;
        let token = self.tokens.signer.session_token(&session, self.environment.now()).map_err(InternalError::from)?;
        Ok(Issued { token, session, user })
    }
}
