//! Challenges: questions that the server caches until they are answered (`docs/MODEL.md`, *Identity
//! reverification*). The token that a client holds points to one, and says nothing by itself.

use uuid::Uuid;

use crate::budget::BudgetKey;
use crate::id::{SessionUuid, UserId};
use crate::time::Timestamp;

/// How long a challenge may be answered, in seconds.
pub const CHALLENGE_SECONDS: i64 = 5 * 60;

/// A challenge and no other: its token's `jti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChallengeId(pub Uuid);

/// What the answer to a challenge is good for, and nothing else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengePurpose {
    /// Finishing a login that was begun with the right password.
    Login,
    /// One call of one endpoint, by the session that asked.
    Reverification {
        /// The session.
        session: SessionUuid,
        /// The method and the path, ids in it included.
        endpoint: String,
    },
    /// Confirming that the session is in its user's hands, by that session.
    Confirmation(SessionUuid),
    /// Confirming a TOTP factor, by the session that asked for its secret.
    TotpEnrolment(SessionUuid),
    /// Confirming a WebAuthn factor, by the session that asked for its options.
    WebauthnEnrolment(SessionUuid),
    /// Confirming a passkey, by the session that asked for its options.
    PasskeyEnrolment(SessionUuid),
}

/// A challenge as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Which one.
    pub id: ChallengeId,
    /// Whom it was given to.
    pub user: UserId,
    /// What for.
    pub purpose: ChallengePurpose,
    /// The credential that the password was right for: with another one, nothing has been proved yet.
    pub credential_version: i64,
    /// What is needed to check the answer, as its maker wrote it; secrets in it are encrypted.
    pub state: Option<String>,
    /// What wrong answers are charged to: what the password before was charged to.
    pub budget: BudgetKey,
    /// Wrong answers so far.
    pub failures: u32,
    /// Whether it was answered rightly.
    pub spent: bool,
    /// When it was given.
    pub created_at: Timestamp,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
}

impl Challenge {
    /// After so many wrong answers even the right one is refused.
    pub const MOST_FAILURES: u32 = 5;

    /// Whether it may still be answered.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.spent && self.failures < Self::MOST_FAILURES && now < self.expires_at
    }
}

/// A challenge to be stored.
#[derive(Clone, Debug)]
pub struct NewChallenge {
    /// Which one.
    pub id: ChallengeId,
    /// Whom it is given to.
    pub user: UserId,
    /// What for.
    pub purpose: ChallengePurpose,
    /// The credential that the password was right for.
    pub credential_version: i64,
    /// What is needed to check the answer; secrets in it are encrypted.
    pub state: Option<String>,
    /// What wrong answers are charged to.
    pub budget: BudgetKey,
    /// Now.
    pub at: Timestamp,
    /// The second in which it stops being good.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_closed_by_time_by_failures_and_by_success() {
        let at = |seconds: i64| Timestamp::from_unix_seconds(1_700_000_000 + seconds);
        let open = Challenge {
            id: ChallengeId(Uuid::from_u128(1)),
            user: UserId::from_number(1_687_067_614_042),
            purpose: ChallengePurpose::Login,
            credential_version: 1,
            state: None,
            budget: BudgetKey::Account(UserId::from_number(1_687_067_614_042)),
            failures: 4,
            spent: false,
            created_at: at(0),
            expires_at: at(CHALLENGE_SECONDS),
        };
        assert!(open.is_open(at(299)));
        assert!(!open.is_open(at(300)));
        assert!(!Challenge { failures: 5, ..open.clone() }.is_open(at(0)));
        assert!(!Challenge { spent: true, ..open }.is_open(at(0)));
    }
}
