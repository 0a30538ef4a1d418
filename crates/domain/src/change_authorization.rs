//! Who has something changed, what must still hold then, and why it may be refused after all.
//!
//! A request is checked before its change begins, and much may happen in between: a ban, a changed password, another
//! request with the same one-time code. So a change is asked for with a [`ChangeAuthorization`], and the adapter checks
//! in the change's own transaction that its preconditions still hold.

use crate::audit::ActionContext;
use crate::authorization::StaffFactor;
use crate::challenge::ChallengeId;
use crate::factor::{PasskeyAnswer, RightAnswer};
use crate::id::{SessionUuid, UserId};
use crate::time::Timestamp;

/// An action, and what must still hold when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeAuthorization {
    /// Who does it, when, from where: for the audit trail.
    pub action: ActionContext,
    /// What must still hold. `None` is the operator, of whom nothing is asked.
    pub preconditions: Option<Preconditions>,
}

/// What must still hold of a session that asks for a change: it is live, and its user is not banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preconditions {
    /// The user who asks.
    pub user: UserId,
    /// The session that they ask with.
    pub session: SessionUuid,
    /// For staff: whether they must have a second factor, and have shown one in this session. They must still be staff.
    pub staff: Option<StaffFactor>,
    /// What they have shown besides.
    pub evidence: Evidence,
}

/// What somebody has shown besides their session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing was asked for.
    Nothing,
    /// The right password: the credential must still be the one of this version.
    Password(i64),
    /// The right answer to a challenge: both are spent with the change.
    Answer(RightAnswer),
    /// A passkey's right answer to a challenge: both are spent with the change.
    Passkey(PasskeyAnswer),
    /// All that their account asks for, in the session that they ask with, and not before this moment.
    Confirmation(Timestamp),
    /// That they hold a new factor, as this challenge asked: it is spent with the change.
    Enrolment(ChallengeId),
}

impl From<ActionContext> for ChangeAuthorization {
    /// The operator's own.
    fn from(action: ActionContext) -> Self {
        Self { action, preconditions: None }
    }
}

/// Why something was not done. Nothing has changed, and nothing was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such user (any more).
    #[error("unknown user")]
    Gone,
    /// Somebody else has the name or the address.
    #[error("the name or the address is taken")]
    Taken,
    /// There is no such factor.
    #[error("unknown factor")]
    UnknownFactor,
    /// Another account, or this one, has enrolled this authenticator.
    #[error("the authenticator is enrolled already")]
    FactorTaken,
    /// The user has as many factors as one may have.
    #[error("the user has no room for another factor")]
    FactorsFull,
    /// The user that it is done to has no second factor, and must have one.
    #[error("the user has no second factor")]
    FactorMissing,
    /// Without a password, the user would not have two passkeys, or one and backup codes.
    #[error("the user has too few passkeys to be without a password")]
    PasskeysMissing,
    /// The user has as many scoped sessions as one may have.
    #[error("the user has no room for another scoped session")]
    TooManySessions,
    /// A precondition does not hold any more.
    #[error("stale: {0}")]
    Stale(PreconditionFailed),
}

/// Which precondition does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreconditionFailed {
    /// The session has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The user was banned.
    #[error("banned")]
    Banned,
    /// The user is not staff any more.
    #[error("not staff")]
    NotStaff,
    /// The staff user has no second factor any more, or has not shown one in this session.
    #[error("staff without a second factor")]
    StaffFactorMissing,
    /// The password was changed.
    #[error("the password was changed")]
    PasswordChanged,
    /// The challenge or the code was used, or has been taken back.
    #[error("the answer was used already")]
    AnswerSpent,
    /// What was shown in the session is too long ago, or is no longer all that the account asks for.
    #[error("the confirmation is over")]
    ConfirmationOver,
}
