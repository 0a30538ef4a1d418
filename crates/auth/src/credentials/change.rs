//! Having something done on a principal's word. What they showed to prove their identity is used up together with the
//! change that it allows, or not at all (`docs/MODEL.md`, *Identity reverification*).

use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::ports::{ChangeResult, StorageError};
use thunderhead_domain::session::Authentication;

use crate::Auth;
use crate::credentials::password_attempt::Charged;
use crate::error::InternalError;

/// Evidence that a principal's identity was proved again, or need not be. It is good for one change.
#[derive(Debug)]
pub struct Reverified {
    evidence: Evidence,
    shown: Vec<Authentication>,
    charged: Option<Charged>,
}

impl Reverified {
    /// For a principal who owes no reverification: a scoped session, or an endpoint that asks for none.
    pub const fn excused(principal: &Principal) -> Option<Self> {
        if principal.needs_reverification() {
            return None;
        }
        Some(Self { evidence: Evidence::Nothing, shown: Vec::new(), charged: None })
    }

    pub(crate) const fn by(evidence: Evidence, shown: Vec<Authentication>, charged: Option<Charged>) -> Self {
        Self { evidence, shown, charged }
    }

    /// What was shown, and when: what a session may rest on that is opened on this.
    pub(crate) fn shown(&self) -> Vec<Authentication> {
        self.shown.clone()
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It was refused; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server is at fault.
    #[error(transparent)]
    InternalError(#[from] InternalError),
}

impl From<StorageError> for ChangeError {
    fn from(error: StorageError) -> Self {
        Self::InternalError(error.into())
    }
}

impl Auth {
    /// Has something done on a user's word.
    pub(crate) async fn change_as<T, F: Future<Output = ChangeResult<T>>>(
        &self,
        user: &Principal,
        reverified: Reverified,
        act: impl FnOnce(ChangeAuthorization) -> F,
    ) -> Result<T, ChangeError> {
        let preconditions = Preconditions {
            user: user.user().id,
            session: user.session().uuid,
            staff: None,
            evidence: reverified.evidence,
        };
        let authorization =
            ChangeAuthorization { action: user.action(self.clock.now()), preconditions: Some(preconditions) };
        self.settle(act(authorization).await?, reverified.charged).await
    }

    /// Has something done on a staff member's word.
    pub(crate) async fn change_as_staff<T, F: Future<Output = ChangeResult<T>>>(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        act: impl FnOnce(ChangeAuthorization) -> F,
    ) -> Result<T, ChangeError> {
        let staff_factor = Some(staff.factor());
        let act = |mut authorization: ChangeAuthorization| {
            if let Some(preconditions) = &mut authorization.preconditions {
                preconditions.staff = staff_factor;
            }
            act(authorization)
        };
        self.change_as(staff.principal(), reverified, act).await
    }

    /// For a proof that turned out not to be needed: nothing that was shown is used up.
    pub async fn withdraw(&self, reverified: Reverified) -> Result<(), StorageError> {
        match reverified.charged {
            Some(charged) => self.complete(charged).await,
            None => Ok(()),
        }
    }

    /// What was shown is used up by a success; after a refusal it is not, unless it was no good itself.
    async fn settle<T>(&self, ruling: Result<T, Refusal>, charged: Option<Charged>) -> Result<T, ChangeError> {
        let refusal = match ruling {
            Ok(done) => return Ok(done),
            Err(refusal) => refusal,
        };
        match (refusal, charged) {
            (_, None) | (Refusal::Stale(PreconditionFailed::AnswerSpent | PreconditionFailed::PasswordChanged), _) => {}
            (Refusal::Stale(_), charged) => self.refund(charged).await?,
            (_, Some(charged)) => self.complete(charged).await?,
        }
        Err(refusal.into())
    }
}
