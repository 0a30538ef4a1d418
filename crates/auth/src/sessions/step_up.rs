//! Stepping up a session by a second factor: the second step of a login of the Kratos dialect (`docs/API-KRATOS.md`).

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::{AuthenticatedSession, Guest};
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::ports::StepUp;
use thunderhead_domain::session::{Actor, Grant, Session};
use thunderhead_domain::switch::KillSwitch;
use tracing::instrument;

use crate::changes::ChangeError;
use crate::credentials::challenge::{AnswerError, ShownFactor, kinds};
use crate::error::InternalError;
use crate::sessions::login::Logins;

/// Why a session was not stepped up.
#[derive(Debug, thiserror::Error)]
pub enum StepUpError {
    /// What was shown is no good.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The session is over, or its user is gone or banned.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A kill switch is on, and this is not a staff member with the right factor.
    #[error("switched off by {0}")]
    SwitchedOff(KillSwitch),
}

impl StepUpError {
    /// Whether a switch hides this: everything but the server's faults.
    const fn is_hidden_by_a_switch(&self) -> bool {
        !matches!(self, Self::Answer(AnswerError::Internal(_)) | Self::Change(ChangeError::Internal(_)))
    }
}

impl<F: Into<InternalError>> From<F> for StepUpError {
    fn from(error: F) -> Self {
        Self::Change(ChangeError::Internal(error.into()))
    }
}

impl Logins {
    /// Shows a second factor for a session that has it pending, or that is to rest on one, too.
    ///
    /// # Errors
    /// See [`StepUpError`]. A wrong code counts against the failure budget. Where a switch is on, it and
    /// everything else that keeps somebody out is [`StepUpError::SwitchedOff`], and nothing is spent.
    #[instrument(level = "debug", skip_all)]
    pub async fn step_up(
        &self,
        guest: Guest,
        authenticated: &AuthenticatedSession,
        shown: ShownFactor,
    ) -> Result<Session, StepUpError> {
        let outcome = self.step_up_unless_shut(guest, authenticated, shown).await;
        if authenticated.session.second_factor_pending {
            let failure = match &outcome {
                Err(StepUpError::Answer(AnswerError::Wrong)) => Some(LoginFailure::Factor),
                Err(StepUpError::Answer(AnswerError::Throttled(_))) => Some(LoginFailure::Throttled),
                Ok(_) | Err(_) => None,
            };
            let (agent, action) =
                (authenticated.session.origin.user_agent.as_deref(), guest.action(self.environment.now()));
            failure.into_iter().for_each(|failure| {
                self.throttle.failed_logins.note(Some(authenticated.user.id), failure, agent, &action)
            });
        }
        match (guest.staff_only(), outcome) {
            (Some(switch), Err(error)) if error.is_hidden_by_a_switch() => Err(StepUpError::SwitchedOff(switch)),
            (_, outcome) => outcome,
        }
    }

    async fn step_up_unless_shut(
        &self,
        guest: Guest,
        authenticated: &AuthenticatedSession,
        shown: ShownFactor,
    ) -> Result<Session, StepUpError> {
        let user = authenticated.user.id;
        let keys = self.environment.storage.factor_keys(user).await?;
        if !kinds(&keys).contains(&shown.kind()) {
            return Err(AnswerError::OtherKind.into());
        }
        let action = ActionContext { by: Actor::User(user), ..guest.action(self.environment.now()) };
        let budget = self.throttle.budget_of_session(&authenticated.session, guest.client_ip(), action.at).await?;
        let turn = self.throttle.turn(budget).await.map_err(AnswerError::from)?;
        let charged = self.throttle.charge(turn, action.clone()).await.map_err(AnswerError::from)?;
        // Another code may have been spent while this one waited for its turn.
        let keys = self.environment.storage.factor_keys(user).await?;
        let used = self.checks.challenges.check_code(&shown, &keys)?.ok_or(AnswerError::Wrong)?;
        if let Some(switch) = guest.staff_only()
            && !authenticated.user.staff
        {
            charged.refund(&self.environment).await?;
            return Err(StepUpError::SwitchedOff(switch));
        }
        let step_up = StepUp {
            used,
            agent: self.sessions.agent_of(&authenticated.session).await,
            cap: self.policy.sessions.of(authenticated.user.staff).cap(Grant::Full),
            clears: charged.budget().clone(),
        };
        let action = ActionContext { at: self.environment.now(), ..action };
        match self.environment.storage.session_step_up(user, authenticated.session.uuid, step_up, action).await? {
            Ok(session) => Ok(session),
            Err(Refusal::Stale(PreconditionFailed::AnswerSpent)) => Err(AnswerError::Wrong.into()),
            Err(refusal) => {
                charged.refund(&self.environment).await?;
                Err(ChangeError::from(refusal).into())
            }
        }
    }
}
