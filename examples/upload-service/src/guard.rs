//! Who calls, and may they? The signature first, then the state of the session, then its scopes.

use std::sync::Arc;

use thunderhead_domain::id::UserId;
use thunderhead_domain::ports::Clock;
use thunderhead_domain::scope::{Scope, ScopeSet};
use thunderhead_domain::session::Grant;

use crate::keys::Keys;
use crate::thunderhead::{Away, Thunderhead};
use crate::token;

/// Evidence that a live session has the scope that was asked for. Only [`Guard::authorise`] makes one.
#[derive(Debug)]
pub struct UploadGrant {
    user: UserId,
}

impl UploadGrant {
    /// Whose session it is.
    pub fn user(&self) -> UserId {
        self.user
    }
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no live session: 401.
    #[error("no live session")]
    NoSession,
    /// There is one, and it may not do this: 403.
    #[error("the session lacks the scope")]
    Scope,
    /// Nobody can tell: 503.
    #[error(transparent)]
    Away(#[from] Away),
}

/// Asks Thunderhead.
pub struct Guard {
    thunderhead: Arc<dyn Thunderhead>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    issuer: String,
}

impl Guard {
    /// For tokens of this issuer.
    pub fn new(thunderhead: Arc<dyn Thunderhead>, clock: Arc<dyn Clock>, issuer: String) -> Self {
        let keys = Keys::new(Arc::clone(&thunderhead), Arc::clone(&clock));
        Self { thunderhead, keys, clock, issuer }
    }

    /// Checks a token. It blocks while Thunderhead is asked.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorise(&self, token: &str, scope: Scope) -> Result<UploadGrant, Denied> {
        let claims = token::verify(token, &self.keys, &self.issuer, self.clock.now())?.ok_or(Denied::NoSession)?;
        let live = self.thunderhead.introspect(token)?.ok_or(Denied::NoSession)?;
        if live.sub != claims.sub || live.jti != claims.jti {
            return Err(Away::because("it answered about another session").into());
        }
        let user = live.sub.parse().map_err(|_| Away::because("it named a user that is none"))?;
        if may(&live.scope, scope) { Ok(UploadGrant { user }) } else { Err(Denied::Scope) }
    }
}

/// Whether a session with these scopes may do what `scope` stands for.
fn may(names: &str, scope: Scope) -> bool {
    match grant(names) {
        Some(Grant::Full) => true,
        Some(Grant::Scoped(scopes)) => scopes.allows(scope),
        None => false,
    }
}

/// Names that this version of the domain crate does not know give nothing.
fn grant(names: &str) -> Option<Grant> {
    if names == "FULL" {
        return Some(Grant::Full);
    }
    let known = names.split(' ').filter_map(|name| name.parse::<Scope>().ok());
    let flags = known.fold(0, |flags, scope| flags | scope.bit());
    ScopeSet::from_flags(i64::from(flags)).ok().map(Grant::Scoped)
}
