//! Settings that belong together and are nobody else's.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use thunderhead_auth::credentials::password::HashCost;
use thunderhead_auth::tokens::keys::EncryptionKeys;
use thunderhead_domain::time::Timestamp;

use super::layers::Reader;
use super::processors;
use super::values::{self, DAY};

/// Where the encryption keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the settings themselves.
    Given(EncryptionKeys),
    /// In this file.
    File(PathBuf),
    /// Nowhere that was named.
    Unset,
}

/// What hashing costs and who does it.
#[derive(Clone, Debug)]
pub struct Hashing {
    /// The cost of one hash.
    pub cost: HashCost,
    /// Threads.
    pub threads: NonZeroUsize,
    /// Jobs that may wait for a thread.
    pub queue: NonZeroUsize,
}

/// How long something is kept once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many seconds.
    For(i64),
    /// For ever.
    Forever,
}

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPeriods {
    /// Sessions, from their end or expiry on.
    pub sessions: Keep,
    /// Records of the audit trail.
    pub audit: Keep,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines on a terminal, JSON elsewhere.
    Auto,
    /// A line for each event, to be read.
    Lines,
    /// A JSON object for each event.
    Json,
}

impl Keep {
    /// What was over before this moment can go.
    pub(crate) fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::For(seconds) => Some(now.plus_seconds(-seconds)),
            Self::Forever => None,
        }
    }
}

impl RetentionPeriods {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            sessions: reader.read("retention.sessions", Keep::For(90 * DAY), values::keep),
            audit: reader.read("retention.audit", Keep::For(90 * DAY), values::keep),
        }
    }
}

impl KeySource {
    pub(super) fn read(reader: &mut Reader, default_file: Option<PathBuf>) -> Self {
        let given = reader.read_optional("encryption_key", values::encryption_keys);
        let file = reader.read_optional("encryption_key_file", values::path);
        match (given, file) {
            (Some(_), Some(_)) => {
                reader.refuse("encryption_key", "`encryption_key_file` is set too: set one of the two");
                Self::Unset
            }
            (Some(keys), None) => Self::Given(keys),
            (None, Some(path)) => Self::File(path),
            (None, None) => {
                if let Some(path) = default_file {
                    reader.stands_in("encryption_key_file", path.display().to_string());
                }
                Self::Unset
            }
        }
    }
}

impl Hashing {
    pub(super) fn read(reader: &mut Reader) -> Self {
        // OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one pool. The bounds keep a
        // slip of the finger from making logins impossible.
        let memory_kib = reader.read("hashing.memory_kib", 19_456, values::within(8, HashCost::MOST.memory_kib));
        let passes = reader.read("hashing.passes", 2, values::within(1, HashCost::MOST.passes));
        let lanes = reader.read("hashing.lanes", 1, values::within(1, HashCost::MOST.lanes));
        if memory_kib < 8 * lanes {
            reader.refuse("hashing.lanes", "each lane needs 8 KiB of `hashing.memory_kib`");
        }
        Self {
            cost: HashCost { memory_kib, passes, lanes },
            threads: reader.read("hashing.threads", processors(), values::threads),
            queue: reader.read("hashing.queue", NonZeroUsize::MIN.saturating_add(63), values::queue),
        }
    }
}
