//! Raising a session by a second factor: the second step of a login of the Kratos dialect (`spec/kratos-api.md`).

use thunderhead_domain::audit::Deed;
use thunderhead_domain::budget::Charge;
use thunderhead_domain::judgement::Bearer;
use thunderhead_domain::ports::BudgetKey;
use thunderhead_domain::session::{Actor, Session};
use thunderhead_domain::warrant::{Lapse, Refusal};

use crate::Auth;
use crate::challenge::{AnswerError, ShownFactor, kinds};
use crate::fault::Fault;
use crate::guess::Charged;
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
    /// See [`RaiseError`]. A wrong code counts against the account's failure budget.
    pub async fn session_raise(
        &self,
        bearer: &Bearer,
        shown: ShownFactor,
        client_ip: Option<String>,
    ) -> Result<Session, RaiseError> {
        let user = bearer.user.id;
        let turn = self.turnstile.enter(&BudgetKey::Account(user)).await?;
        let keys = self.storage.factor_keys(user).await?;
        if !kinds(&keys).contains(&shown.kind()) {
            return Err(AnswerError::OtherKind.into());
        }
        let deed = self.deed(Actor::User(user), client_ip);
        let receipt = match self.storage.budget_charge(&BudgetKey::Account(user), deed.clone()).await? {
            Charge::Wait(millis) => return Err(AnswerError::Throttled(millis).into()),
            Charge::Admitted(receipt) => receipt,
        };
        let charged = Charged::to_account(user, receipt, turn);
        let used = self.judge_code(&shown, &keys)?.ok_or(AnswerError::Wrong)?;
        let deed = Deed { at: self.clock.now(), ..deed };
        match self.storage.session_raise(user, bearer.session.uuid, used, deed).await? {
            Ok(session) => Ok(session),
            Err(Refusal::Overtaken(Lapse::AnswerSpent)) => Err(AnswerError::Wrong.into()),
            Err(refusal) => {
                self.refund(Some(charged)).await?;
                Err(ChangeError::from(refusal).into())
            }
        }
    }
}
