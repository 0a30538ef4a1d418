//! Proving one's identity again before a sensitive change (`docs/MODEL.md`, *Identity reverification*).

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::challenge::{Challenge, ChallengePurpose};
use thunderhead_domain::change_authorization::Evidence;
use thunderhead_domain::ports::AccountName;
use thunderhead_domain::session::{Authentication, Method};

use crate::Auth;
use crate::credentials::challenge::{AnswerError, Answered, ChallengeGiven, FactorAnswer};
use crate::credentials::change::Reverified;
use crate::credentials::password::Password;
use crate::credentials::password_attempt::{Guesser, PasswordAttemptError};
use crate::error::InternalError;

/// What a client shows to prove its user's identity again.
#[derive(Debug)]
pub enum IdentityProof {
    /// The password.
    Password(Password),
    /// The answer to a second-factor challenge.
    SecondFactor(FactorAnswer),
}

/// Why identity was not proved.
#[derive(Debug, thiserror::Error)]
pub enum ReverifyError {
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The session has ended since the request was checked: its user is gone.
    #[error("the session has ended")]
    SessionEnded,
    /// The account's failure budget is used up for this many milliseconds.
    #[error("throttled for {0} ms")]
    Throttled(i64),
    /// The password is right, and the second factor is owed.
    #[error("second factor required")]
    ChallengeRequired(Box<ChallengeGiven>),
    /// The answer to a second-factor challenge is no good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server is at fault.
    #[error(transparent)]
    InternalError(#[from] InternalError),
}

impl From<PasswordAttemptError> for ReverifyError {
    fn from(error: PasswordAttemptError) -> Self {
        match error {
            PasswordAttemptError::Throttled(millis) => Self::Throttled(millis),
            // The account of a live session can only just have been deleted.
            PasswordAttemptError::UnknownUser => Self::SessionEnded,
            PasswordAttemptError::WrongPassword => Self::WrongPassword,
            PasswordAttemptError::InternalError(error) => Self::InternalError(error),
        }
    }
}

impl Auth {
    /// Checks the proof of an ordinary session's user, for one call of one endpoint: its method and path.
    ///
    /// # Errors
    /// See [`ReverifyError`].
    pub async fn reverify(
        &self,
        principal: &Principal,
        proof: IdentityProof,
        endpoint: String,
    ) -> Result<Reverified, ReverifyError> {
        let user = principal.user();
        let purpose = ChallengePurpose::Reverification { session: principal.session().uuid, endpoint };
        let action = principal.action(self.clock.now());
        let password = match proof {
            IdentityProof::Password(password) => password,
            IdentityProof::SecondFactor(answer) => {
                let fits = |challenge: &_| belongs(challenge, principal, &purpose);
                let answered = self.challenge_answer(answer, fits, None, action).await?;
                let Answered { challenge, answer, charged } = answered;
                let shown = vec![
                    Authentication { method: Method::Password, at: challenge.created_at },
                    Authentication { method: answer.used.method(), at: self.clock.now() },
                ];
                return Ok(Reverified::by(Evidence::Answer(answer), shown, Some(charged)));
            }
        };
        let guesser = Guesser::Session(principal.session().uuid);
        let proof = self.password_attempt(Some(AccountName::Id(user.id)), guesser, password, action).await?;
        if proof.user.has_second_factor {
            // A password that still has its second factor pending neither counts as wrong nor clears anything.
            let budget = proof.charged.budget().clone();
            self.refund(Some(proof.charged)).await.map_err(InternalError::from)?;
            let given = self.challenge_give(user.id, proof.credential_version, purpose, budget).await?;
            return Err(ReverifyError::ChallengeRequired(Box::new(given)));
        }
        let shown = vec![Authentication { method: Method::Password, at: self.clock.now() }];
        Ok(Reverified::by(Evidence::Password(proof.credential_version), shown, Some(proof.charged)))
    }
}

/// Whether a challenge was given to this user for just this.
pub(crate) fn belongs(challenge: &Challenge, principal: &Principal, purpose: &ChallengePurpose) -> bool {
    challenge.user == principal.user().id && challenge.purpose == *purpose
}
