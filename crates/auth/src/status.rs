//! What this replica can tell of itself: to staff, when something is wrong.

use thunderhead_domain::authorization::StaffPrincipal;
use thunderhead_domain::ports::{ChangeCursor, SigningKeyRecord, StorageError, StorageStatus};
use thunderhead_domain::time::Timestamp;

use crate::Auth;
use crate::tokens::keys::{KeyUse, key_uses};

/// This replica at a moment.
#[derive(Clone, Debug)]
pub struct ReplicaStatus {
    /// The time that it goes by.
    pub now: Timestamp,
    /// The database, as seen from here.
    pub storage: StorageStatus,
    /// What is cached; `None` where nothing is.
    pub cache: Option<CacheStatus>,
    /// The signing keys, newest first.
    pub keys: Vec<KeyStatus>,
}

/// What is cached of sessions, and how fresh it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    /// How many sessions.
    pub sessions: usize,
    /// The bytes that they take.
    pub bytes: u64,
    /// The bytes that they may take.
    pub most_bytes: u64,
    /// The latest changes that are known here.
    pub latest: ChangeCursor,
    /// When the last question for changes that was answered had been asked.
    pub asked_at: Option<Timestamp>,
    /// For how many milliseconds a change may go unnoticed.
    pub max_staleness_millis: i64,
}

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its id in tokens.
    pub kid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it does now.
    pub purpose: KeyUse,
}

impl Auth {
    /// What this replica can tell of itself.
    ///
    /// # Errors
    /// Where the database is away: the keys are in it.
    pub async fn status(&self, _staff: &StaffPrincipal) -> Result<ReplicaStatus, StorageError> {
        let (storage, now) = (&self.environment.storage, self.environment.now());
        let records = storage.signing_keys().await?;
        let key = |(record, purpose): (&SigningKeyRecord, KeyUse)| KeyStatus {
            kid: record.kid.clone(),
            created_at: record.created_at,
            purpose,
        };
        let keys = key_uses(&records, now).into_iter().map(key).collect();
        Ok(ReplicaStatus { now, storage: storage.status(), cache: self.lookup.cache_status(), keys })
    }
}
