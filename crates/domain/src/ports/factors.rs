//! Challenges and second factors.

use async_trait::async_trait;

use super::{ChangeResult, Page, PageRequest, Stored};
use crate::audit::ActionContext;
use crate::budget::Receipt;
use crate::challenge::{Challenge, ChallengeId, NewChallenge};
use crate::change_authorization::ChangeAuthorization;
use crate::factor::{Factor, FactorChoice, FactorId, FactorKeys, NewFactor, OtherSessions, UnspentCodes, WebauthnKey};
use crate::id::{UserId, UserUuid};
use crate::network::Network;
use crate::session::TokenDigest;
use crate::time::Timestamp;
use crate::user::User;

/// What came of charging an answer to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeCharge {
    /// The answer may be checked, and counts as wrong until it is spent or refunded.
    Admitted(Receipt),
    /// The account's budget is used up for this many milliseconds; the challenge was not charged.
    Wait(i64),
    /// The challenge cannot be answered any more; nothing was charged.
    Closed,
}

/// Challenges. Each call commits by itself: a wrong answer is counted whatever happens to the request.
#[async_trait]
pub trait Challenges: Send + Sync {
    /// Stores a challenge.
    async fn challenge_create(&self, challenge: NewChallenge) -> Stored<()>;

    /// Stores a challenge that somebody with a session asks for.
    async fn challenge_create_for(
        &self,
        challenge: NewChallenge,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()>;

    /// The challenge of this id, whatever its state.
    async fn challenge_find(&self, id: ChallengeId) -> Stored<Option<Challenge>>;

    /// Charges an answer, to the challenge and to its failure budget, before it is checked.
    async fn challenge_charge(&self, id: ChallengeId, action: ActionContext) -> Stored<ChallengeCharge>;

    /// Takes a charge back, of an answer that was right and led to nothing.
    async fn challenge_refund(&self, id: ChallengeId, receipt: Receipt) -> Stored<()>;
}

/// What came of enrolling a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The factor.
    pub factor: Factor,
    /// Whether it is the user's first: then the backup codes were stored with it.
    pub first: bool,
}

/// Second factors and backup codes.
#[async_trait]
pub trait Factors: Send + Sync {
    /// One factor of a user.
    async fn factor_find(&self, user: UserId, id: FactorId) -> Stored<Option<Factor>>;

    /// A page of a user's factors, newest first.
    async fn factor_page(&self, user: UserId, page: PageRequest) -> Stored<Page<Factor>>;

    /// All of a user's factors, newest first.
    async fn factor_list(&self, user: UserId) -> Stored<Vec<Factor>>;

    /// A user's backup codes that are not spent.
    async fn backup_codes_left(&self, user: UserId) -> Stored<UnspentCodes>;

    /// What a user's answers are checked against.
    async fn factor_keys(&self, user: UserId) -> Stored<FactorKeys>;

    /// The passkey of this name, if it is this user's, with the user; and whether a session of theirs was opened from this
    /// network lately.
    async fn passkey_find(
        &self,
        user: UserUuid,
        credential_id: &[u8],
        network: Option<Network>,
        now: Timestamp,
    ) -> Stored<Option<(User, WebauthnKey, bool)>>;

    /// Enrols a factor, and ends the other sessions of its user, if they are to; with the first one the codes are stored, too. Nobody has more than
    /// [`MOST_FACTORS`](crate::factor::MOST_FACTORS) ([`Refusal::FactorsFull`](crate::change_authorization::Refusal)).
    async fn factor_add(
        &self,
        user: UserId,
        factor: NewFactor,
        codes: Vec<TokenDigest>,
        others: OtherSessions,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<Enrolled>;

    /// Removes factors of a user, and with the last one the backup codes; returns how many. Where there were any, the other
    /// sessions of who removes their own end with that, if they are to.
    async fn factor_remove(
        &self,
        user: UserId,
        which: FactorChoice,
        others: OtherSessions,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<u64>;

    /// Replaces a user's backup codes. Who has no factor has none
    /// ([`Refusal::FactorMissing`](crate::change_authorization::Refusal)).
    async fn backup_codes_renew(
        &self,
        user: UserId,
        codes: Vec<TokenDigest>,
        authorization: ChangeAuthorization,
    ) -> ChangeResult<()>;
}
