//! Raising a session by a second factor: the second step of a login of the Kratos dialect (`spec/kratos-api.md`).

use std::net::IpAddr;

use thunderhead_domain::audit::Deed;
use thunderhead_domain::failed_login::LoginFailure;
use thunderhead_domain::judgement::{Bearer, Visitor};
use thunderhead_domain::session::{Actor, Session};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::warrant::{Lapse, Refusal};

use crate::Auth;
use crate::challenge::{AnswerError, ShownFactor, kinds};
use crate::fault::Fault;
use crate::guess::GuessFault;
use crate::word::ChangeError;

/// Why a session was not raised.
#[derive(Debug, thiserror::Error)]
pub enum RaiseError {
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

impl RaiseError {
    /// Whether a switch hides this: everything but the server's faults.
    const fn is_hidden_by_a_switch(&self) -> bool {
        !matches!(self, Self::Answer(AnswerError::Fault(_)) | Self::Change(ChangeError::Fault(_)))
    }
}

impl From<GuessFault> for RaiseError {
    fn from(fault: GuessFault) -> Self {
        match fault {
            GuessFault::Throttled(millis) => AnswerError::Throttled(millis).into(),
            GuessFault::UnknownUser | GuessFault::WrongPassword => AnswerError::Wrong.into(),
            GuessFault::Fault(fault) => fault.into(),
        }
    }
}

impl<F: Into<Fault>> From<F> for RaiseError {
    fn from(fault: F) -> Self {
        Self::Change(ChangeError::Fault(fault.into()))
    }
}

impl Auth {
    /// Shows a second factor for a session that owes it, or that is to rest on one, too.
    ///
    /// # Errors
    /// See [`RaiseError`]. A wrong code counts against the failure budget. Where a switch is on, it and
    /// everything else that keeps somebody out is [`RaiseError::SwitchedOff`], and nothing is spent.
    pub async fn session_raise(
        &self,
        visitor: Visitor,
        bearer: &Bearer,
        shown: ShownFactor,
        client_ip: Option<IpAddr>,
    ) -> Result<Session, RaiseError> {
        let outcome = self.raise_unless_shut(visitor.staff_only(), bearer, shown, client_ip).await;
        if bearer.session.factor_owed {
            let failure = match &outcome {
                Err(RaiseError::Answer(AnswerError::Wrong)) => Some(LoginFailure::Factor),
                Err(RaiseError::Answer(AnswerError::Throttled(_))) => Some(LoginFailure::Throttled),
                Ok(_) | Err(_) => None,
            };
            let (agent, deed) = (bearer.session.origin.user_agent.as_deref(), self.deed(Actor::Stranger, client_ip));
            failure.into_iter().for_each(|failure| self.note_failure(Some(bearer.user.id), failure, agent, &deed));
        }
        match (visitor.staff_only(), outcome) {
            (Some(switch), Err(error)) if error.is_hidden_by_a_switch() => Err(RaiseError::SwitchedOff(switch)),
            (_, outcome) => outcome,
        }
    }

    async fn raise_unless_shut(
        &self,
        shut: Option<KillSwitch>,
        bearer: &Bearer,
        shown: ShownFactor,
        client_ip: Option<IpAddr>,
    ) -> Result<Session, RaiseError> {
        let user = bearer.user.id;
        let keys = self.storage.factor_keys(user).await?;
        if !kinds(&keys).contains(&shown.kind()) {
            return Err(AnswerError::OtherKind.into());
        }
        let deed = self.deed(Actor::User(user), client_ip);
        let budget = self.budget_of_session(&bearer.session, client_ip, deed.at).await?;
        let charged = self.charge(budget, deed.clone()).await?;
        // Another code may have been spent while this one waited for its turn.
        let keys = self.storage.factor_keys(user).await?;
        let used = self.judge_code(&shown, &keys)?.ok_or(AnswerError::Wrong)?;
        if let Some(switch) = shut
            && !bearer.user.staff
        {
            self.refund(Some(charged)).await?;
            return Err(RaiseError::SwitchedOff(switch));
        }
        let deed = Deed { at: self.clock.now(), ..deed };
        let (session, cap, clears) = (bearer.session.uuid, self.policy.caps.sessions, charged.budget());
        match self.storage.session_raise(user, session, used, cap, clears, deed).await? {
            Ok(session) => Ok(session),
            Err(Refusal::Overtaken(Lapse::AnswerSpent)) => Err(AnswerError::Wrong.into()),
            Err(refusal) => {
                self.refund(Some(charged)).await?;
                Err(ChangeError::from(refusal).into())
            }
        }
    }
}
