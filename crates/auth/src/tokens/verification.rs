//! What a token stands for, also where another replica has signed it with a key that is not known here yet.

use thunderhead_domain::challenge::ChallengeId;
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::time::Timestamp;

use crate::environment::Environment;
use crate::tokens::keys::SigningKeyError;
use crate::tokens::token::{Purpose, TokenError, TokenSigner};

/// Signs and verifies tokens.
pub struct Tokens {
    environment: Environment,
    pub(crate) signer: TokenSigner,
}

impl Tokens {
    pub(crate) const fn new(environment: Environment, signer: TokenSigner) -> Self {
        Self { environment, signer }
    }

    /// The public signing keys as a JWK set (RFC 7517).
    pub fn published_keys(&self) -> serde_json::Value {
        self.signer.published_keys()
    }

    /// The `iss` of tokens.
    pub fn issuer(&self) -> &str {
        self.signer.issuer()
    }

    /// The session that a token stands for.
    pub(crate) async fn session_key(&self, token: &str, now: Timestamp) -> Result<Option<SessionKey>, StorageError> {
        Ok(self.verified(now, || self.signer.session_key(token, now)).await?.ok())
    }

    /// The same, whether or not the token's time is over.
    pub(crate) async fn session_key_at_any_time(&self, token: &str) -> Result<Option<SessionKey>, StorageError> {
        let verify = || self.signer.session_key_at_any_time(token);
        Ok(self.verified(self.environment.now(), verify).await?.ok())
    }

    /// The challenge that a token of this purpose stands for.
    pub(crate) async fn challenge(
        &self,
        token: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ChallengeId, TokenError>, StorageError> {
        self.verified(now, || self.signer.challenge(token, purpose, now)).await
    }

    /// Verifies a token. One that names a signing key of which this replica has not heard may have been signed by
    /// another one that has.
    async fn verified<T>(
        &self,
        now: Timestamp,
        verify: impl Fn() -> Result<T, TokenError>,
    ) -> Result<Result<T, TokenError>, StorageError> {
        let mut verified = verify();
        if matches!(verified, Err(TokenError::UnknownKey)) && self.signer.may_ask(now) {
            self.refresh_keys().await?;
            verified = verify();
        }
        match verified {
            Err(error @ TokenError::UnreadableKey) => Err(StorageError::Unreadable(error.into())),
            verified => Ok(verified),
        }
    }

    /// Takes over the signing keys that are stored now. The composition root calls this every few seconds, so that
    /// every replica knows a new key before any token is signed with it.
    ///
    /// # Errors
    /// Where the database is away. Where no key can be read, those that were known stay.
    pub async fn refresh_keys(&self) -> Result<(), StorageError> {
        match self.signer.refresh(&*self.environment.storage).await {
            Ok(()) => Ok(()),
            Err(SigningKeyError::Storage(error)) => Err(error),
            Err(error @ (SigningKeyError::Sealed { .. } | SigningKeyError::Crypto(_))) => {
                tracing::error!(error = %error, "the signing keys were not refreshed");
                Ok(())
            }
        }
    }
}
