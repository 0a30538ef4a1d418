//! What may go wrong on the server's side in any use case, whatever was asked.

use std::error::Error;

use thunderhead_domain::ports::StorageError;

use crate::work::WorkError;

/// A fault of the server's.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// Too much hashing, or too many attempts at one account, are waiting, or for too long: worth another try in a
    /// moment.
    #[error("too much is waiting")]
    Busy,
    /// Hashing, signing or encrypting failed, or something encrypted cannot be read.
    #[error(transparent)]
    Cryptography(Box<dyn Error + Send + Sync>),
    /// What is stored beside a challenge is not what belongs there.
    #[error("a challenge holds what it cannot")]
    Challenge,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl InternalError {
    pub(crate) fn cryptography(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Cryptography(Box::new(error))
    }
}

impl From<WorkError> for InternalError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy => Self::Busy,
            WorkError::Abandoned => Self::cryptography(error),
        }
    }
}

impl From<josekit::JoseError> for InternalError {
    fn from(error: josekit::JoseError) -> Self {
        Self::cryptography(error)
    }
}
