//! Proving one's identity again before a sensitive change (`docs/MODEL.md`, *Identity reverification*).

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::challenge::ChallengePurpose;
use thunderhead_domain::change_authorization::Evidence;
use thunderhead_domain::ports::{AccountName, StorageError};
use thunderhead_domain::session::{Authentication, Method};
use tracing::instrument;

use crate::changes::Reverified;
use crate::credentials::challenge::{AnswerError, Answered, ChallengeGiven, FactorAnswer, belongs};
use crate::credentials::checks::ProofChecks;
use crate::credentials::passkey::{PasskeyChallenge, ShownPasskey};
use crate::credentials::password::Password;
use crate::credentials::password_attempt::PasswordAttemptError;
use crate::environment::Environment;
use crate::error::InternalError;
use crate::throttle::budgets::AttemptBy;

/// What a client shows to prove its user's identity again.
#[derive(Debug)]
pub enum IdentityProof {
    /// The password.
    Password(Password),
    /// The answer to a second-factor challenge.
    SecondFactor(FactorAnswer),
    /// A passkey, in place of both.
    Passkey(ShownPasskey),
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
    /// The password is right, and the second factor is pending.
    #[error("second factor required")]
    ChallengeRequired(Box<ChallengeGiven>),
    /// The answer to a second-factor challenge is no good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server is at fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<PasswordAttemptError> for ReverifyError {
    fn from(error: PasswordAttemptError) -> Self {
        match error {
            PasswordAttemptError::Throttled(millis) => Self::Throttled(millis),
            // The account of a live session can only just have been deleted.
            PasswordAttemptError::UnknownUser => Self::SessionEnded,
            PasswordAttemptError::WrongPassword => Self::WrongPassword,
            PasswordAttemptError::Internal(error) => Self::Internal(error),
        }
    }
}

/// Proves callers' identities again.
pub struct Reverification {
    environment: Environment,
    checks: ProofChecks,
}

impl Reverification {
    pub(crate) const fn new(environment: Environment, checks: ProofChecks) -> Self {
        Self { environment, checks }
    }

    /// Asks an ordinary session's user for a passkey, for one call of one endpoint: its method and path. `None` where they
    /// have none.
    ///
    /// # Errors
    /// A defect, or where the database is away.
    pub async fn ask_for_passkey(
        &self,
        caller: &Principal,
        endpoint: String,
    ) -> Result<Option<PasskeyChallenge>, InternalError> {
        let purpose = ChallengePurpose::Reverification { session: caller.session().uuid, endpoint };
        self.checks.passkeys.ask_for_own(caller, &purpose).await
    }

    /// Checks the proof of an ordinary session's user, for one call of one endpoint: its method and path.
    ///
    /// # Errors
    /// See [`ReverifyError`].
    pub async fn reverify<C: AsRef<Principal>>(
        &self,
        caller: C,
        proof: IdentityProof,
        endpoint: String,
    ) -> Result<Reverified<C>, ReverifyError> {
        let session = caller.as_ref().session().uuid;
        self.prove(caller, proof, ChallengePurpose::Reverification { session, endpoint }).await
    }

    /// The same for any purpose: a challenge is good for it alone.
    ///
    /// # Errors
    /// See [`ReverifyError`].
    #[instrument(level = "debug", skip_all)]
    pub(crate) async fn prove<C: AsRef<Principal>>(
        &self,
        caller: C,
        proof: IdentityProof,
        purpose: ChallengePurpose,
    ) -> Result<Reverified<C>, ReverifyError> {
        let principal = caller.as_ref();
        let user = principal.user().id;
        let action = principal.action(self.environment.now());
        let password = match proof {
            IdentityProof::Password(password) => password,
            IdentityProof::SecondFactor(answer) => {
                let fits = |challenge: &_| belongs(challenge, principal, &purpose);
                let answered = self.checks.challenges.answer(answer, fits, None, action).await?;
                let Answered { challenge, answer, charged } = answered;
                let shown = vec![
                    Authentication { method: Method::Password, at: challenge.created_at },
                    Authentication { method: answer.used.method(), at: self.environment.now() },
                ];
                return Ok(Reverified::by(caller, Evidence::Answer(answer), shown, Some(charged)));
            }
            // What nobody can guess is charged to nothing.
            IdentityProof::Passkey(shown) => {
                let proof = self.checks.passkeys.check_own(principal, &shown, &purpose).await?;
                let shown = vec![Authentication { method: Method::Passkey, at: self.environment.now() }];
                return Ok(Reverified::by(caller, Evidence::Passkey(proof.answer), shown, None));
            }
        };
        let by = AttemptBy::Session(principal.session().uuid);
        let proof = self.checks.attempts.attempt(Some(AccountName::Id(user)), by, password, action).await?;
        self.checks.attempts.renew_hash(user, proof.credential_version, proof.renewal).await;
        if proof.user.has_second_factor {
            // A password that still has its second factor pending neither counts as wrong nor clears anything.
            let budget = proof.charged.budget().clone();
            proof.charged.refund(&self.environment).await.map_err(InternalError::from)?;
            let given = self.checks.challenges.give(user, proof.credential_version, purpose, budget).await?;
            return Err(ReverifyError::ChallengeRequired(Box::new(given)));
        }
        let shown = vec![Authentication { method: Method::Password, at: self.environment.now() }];
        Ok(Reverified::by(caller, Evidence::Password(proof.credential_version), shown, Some(proof.charged)))
    }

    /// For a proof that turned out not to be needed: nothing that was shown is used up.
    ///
    /// # Errors
    /// Where the database is away.
    #[instrument(level = "debug", skip_all)]
    pub async fn withdraw<C: AsRef<Principal>>(&self, reverified: Reverified<C>) -> Result<(), StorageError> {
        match reverified.into_charged() {
            Some(charged) => charged.complete(&self.environment).await,
            None => Ok(()),
        }
    }
}
