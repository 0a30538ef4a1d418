//! Finding out who calls: the token's claims, then one fresh read of the session's row.

use thunderhead_domain::judgement::Caller;
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::switch::SwitchSet;

use crate::Auth;

/// What one read tells of a request.
#[derive(Debug)]
pub struct Finding {
    /// Who calls.
    pub caller: Caller,
    /// Which kill switches are on.
    pub switches: SwitchSet,
}

impl Auth {
    /// Looks up the caller behind a token, and the kill switches. `None` is a request without a credential.
    ///
    /// # Errors
    /// Where the database is away: that is never an unknown caller.
    pub async fn look_up(&self, token: Option<&str>) -> Result<Finding, StorageFault> {
        let now = self.clock.now();
        let key = token.map(|text| self.tokens.session_key(text, now));
        // A text that is no token has no row to be read.
        let wanted = key.and_then(Result::ok);
        let authority = self.storage.session_authority(wanted).await?;
        let caller = if token.is_none() { Caller::Nobody } else { Caller::of(authority.bearer, now) };
        if let Some(bearer) = caller.live() {
            self.usage.note(&bearer.session, now);
        }
        Ok(Finding { caller, switches: authority.switches })
    }
}
