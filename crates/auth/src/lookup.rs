//! Finding out who calls: the token's claims, then one fresh read of the session's row.

use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::judgement::{Bearer, Caller};
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::switch::SwitchSet;
use thunderhead_domain::time::Timestamp;

use crate::Auth;
use crate::keys::KeyFault;
use crate::token::{Purpose, TokenFault};

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
        // A text that is no token has no row to be read.
        let wanted = match token {
            Some(text) => self.session_key(text, now).await?,
            None => None,
        };
        let authority = self.storage.session_authority(wanted).await?;
        let caller = if token.is_none() { Caller::Nobody } else { Caller::of(authority.bearer, now) };
        if let Some(bearer) = caller.live() {
            self.usage.note(&bearer.session, now);
        }
        Ok(Finding { caller, switches: authority.switches })
    }

    /// The session of a token with its user, whatever their state.
    pub(crate) async fn bearer_of(&self, token: &str) -> Result<Option<Bearer>, StorageFault> {
        match self.session_key(token, self.clock.now()).await? {
            Some(key) => Ok(self.storage.session_authority(Some(key)).await?.bearer),
            None => Ok(None),
        }
    }

    /// Where a token leads to.
    async fn session_key(&self, token: &str, now: Timestamp) -> Result<Option<SessionKey>, StorageFault> {
        Ok(self.verified(now, || self.tokens.session_key(token, now)).await?.ok())
    }

    /// The challenge that a token of this purpose stands for.
    pub(crate) async fn verified_challenge(
        &self,
        token: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ChallengeId, TokenFault>, StorageFault> {
        self.verified(now, || self.tokens.challenge(token, purpose, now)).await
    }

    /// Verifies a token. One that names a signing key of which this replica has not heard may have been signed by
    /// another one that has.
    async fn verified<T>(
        &self,
        now: Timestamp,
        verify: impl Fn() -> Result<T, TokenFault>,
    ) -> Result<Result<T, TokenFault>, StorageFault> {
        let verified = verify();
        if !matches!(verified, Err(TokenFault::UnknownKey)) || !self.tokens.may_ask(now) {
            return Ok(verified);
        }
        self.refresh_keys().await?;
        Ok(verify())
    }

    /// Takes over the signing keys that are stored now. The composition root calls this every few seconds, so that
    /// every replica knows a new key before any token is signed with it.
    ///
    /// # Errors
    /// Where the database is away. A key that cannot be decrypted is logged; those that were known stay.
    pub async fn refresh_keys(&self) -> Result<(), StorageFault> {
        match self.tokens.refresh(&*self.storage).await {
            Ok(()) => Ok(()),
            Err(KeyFault::Storage(fault)) => Err(fault),
            Err(fault @ (KeyFault::Sealed { .. } | KeyFault::Crypto(_))) => {
                tracing::error!(error = %fault, "the signing keys were not refreshed");
                Ok(())
            }
        }
    }
}
