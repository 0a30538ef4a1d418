//! What may go wrong on the server's side in any use case, whatever was asked.

use thunderhead_domain::ports::StorageError;

use crate::credentials::password::HashError;
use crate::credentials::webauthn::WebauthnError;
use crate::throttle::account_locks::LockTimeout;
use crate::tokens::keys::{SealError, SigningKeyError};
use crate::work::WorkError;

/// A fault of the server's.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// Too much hashing, or too many attempts at one account, are waiting, or for too long: worth another try in a
    /// moment.
    #[error("too much is waiting")]
    Busy,
    /// Hashing failed.
    #[error(transparent)]
    Hash(HashError),
    /// Signing a token failed.
    #[error(transparent)]
    Sign(#[from] josekit::JoseError),
    /// A stored secret cannot be read, or a new one not be encrypted.
    #[error("a factor's secret: {0}")]
    Sealed(#[from] SealError),
    /// A stored security key cannot be read.
    #[error(transparent)]
    Webauthn(#[from] WebauthnError),
    /// Signing keys cannot be read.
    #[error(transparent)]
    Keys(#[from] SigningKeyError),
    /// What is stored beside a challenge is not what belongs there.
    #[error("a challenge holds what it cannot")]
    Challenge,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<HashError> for InternalError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Work(WorkError::Busy) => Self::Busy,
            HashError::Work(WorkError::Abandoned) | HashError::Hash(_) => Self::Hash(error),
        }
    }
}

impl From<LockTimeout> for InternalError {
    fn from(LockTimeout: LockTimeout) -> Self {
        Self::Busy
    }
}
