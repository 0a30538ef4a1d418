//! What may go wrong on the server's side in any use case, whatever was asked.

use thunderhead_domain::ports::StorageFault;

use crate::factor::webauthn::WebauthnFault;
use crate::keys::{KeyFault, SealFault};
use crate::password::HashFault;
use crate::turnstile::NoTurn;
use crate::work::WorkFault;

/// A fault of the server's.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Too much hashing, or too many guesses at one account, are waiting, or for too long: worth another try in a
    /// moment.
    #[error("too much is waiting")]
    Busy,
    /// Hashing failed.
    #[error(transparent)]
    Hash(HashFault),
    /// Signing a token failed.
    #[error(transparent)]
    Sign(#[from] josekit::JoseError),
    /// A stored secret cannot be read, or a new one not be encrypted.
    #[error("a factor's secret: {0}")]
    Sealed(#[from] SealFault),
    /// A stored security key cannot be read.
    #[error(transparent)]
    Webauthn(#[from] WebauthnFault),
    /// Signing keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyFault),
    /// What is stored beside a challenge is not what belongs there.
    #[error("a challenge holds what it cannot")]
    Challenge,
    /// The database is at fault.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl From<HashFault> for Fault {
    fn from(fault: HashFault) -> Self {
        match fault {
            HashFault::Work(WorkFault::Busy) => Self::Busy,
            HashFault::Work(WorkFault::Abandoned) | HashFault::Hash(_) => Self::Hash(fault),
        }
    }
}

impl From<NoTurn> for Fault {
    fn from(NoTurn: NoTurn) -> Self {
        Self::Busy
    }
}
