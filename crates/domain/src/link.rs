//! One-time links: the way in for people whose account somebody else has made, and the way back in for those who have
//! lost their password (`docs/MODEL.md`, *One-time links*).

use crate::id::UserId;
use crate::session::TokenDigest;
use crate::time::Timestamp;

/// How long a link is good, in seconds.
pub const LINK_SECONDS: i64 = 24 * 60 * 60;

/// A link to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// The digest of its secret.
    pub digest: TokenDigest,
    /// Whose password it sets.
    pub user: UserId,
    /// The moment from which on it is good no longer.
    pub expires_at: Timestamp,
}
