//! The keys that a replica has read: what is known already is not read again.

use std::sync::Arc;

use metrics::Counter;
use thunderhead_domain::id::VerificationKeyId;
use thunderhead_domain::import::VerificationKey;
use thunderhead_domain::ports::SigningKeyRecord;

use super::Key;
use super::imported::{self, VerifyOnlyKey};
use crate::tokens::keys::{EncryptionKeys, SigningKeyError, unseal};

/// What there is of keys.
pub(super) struct KnownKeys {
    /// Those that can be read, newest first; never empty.
    pub(super) keys: Vec<Arc<Key>>,
    /// The names of the others.
    pub(super) unreadable: Vec<String>,
    /// Those that verify tokens of other programs, and do nothing else.
    pub(super) verify_only: Vec<Arc<VerifyOnlyKey>>,
}

impl KnownKeys {
    pub(super) const EMPTY: Self = Self { keys: Vec::new(), unreadable: Vec::new(), verify_only: Vec::new() };

    /// Those of the stored keys that can be read. What is known need not be read again, and stays where it cannot be.
    pub(super) fn read(
        records: Vec<SigningKeyRecord>,
        verify_only: Vec<VerificationKey>,
        encryption_keys: &EncryptionKeys,
        known: &Self,
    ) -> Result<Arc<Self>, SigningKeyError> {
        let mut ring = Self { verify_only: imported::read(&verify_only), ..Self::EMPTY };
        let mut first_fault = None;
        for record in records {
            if let Some(key) = known.keys.iter().find(|key| key.kid == record.kid) {
                ring.keys.push(Arc::clone(key));
                continue;
            }
            let kid = record.kid.clone();
            match unseal(record, encryption_keys).and_then(|key| Key::new(&key)) {
                Ok(key) => ring.keys.push(Arc::new(key)),
                Err(error) => {
                    unreadable_keys().increment(1);
                    if !known.unreadable.contains(&kid) {
                        tracing::error!(error = %error, kid, "a signing key cannot be read; tokens that it signed are 503");
                    }
                    ring.unreadable.push(kid);
                    first_fault = first_fault.or(Some(error));
                }
            }
        }
        match (ring.keys.is_empty(), first_fault) {
            (false, _) => Ok(Arc::new(ring)),
            (true, Some(error)) => Err(error),
            (true, None) => Err(SigningKeyError::Sealed { what: "(none)".to_owned() }),
        }
    }

    pub(super) fn verify_only_ids(&self) -> impl Iterator<Item = VerificationKeyId> {
        self.verify_only.iter().map(|key| key.id)
    }

    pub(super) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }
}

/// Counts keys that cannot be read, as the storage does rows.
pub(super) fn unreadable_keys() -> Counter {
    crate::unreadable::rows("signing_keys")
}
