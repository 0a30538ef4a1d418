//! Having something done on a principal's word. What they showed to prove their identity is used up together with the
//! change that it allows, or not at all (`spec/model.md`, *Identity reverification*).

use std::net::IpAddr;

use thunderhead_domain::judgement::{Principal, StaffPrincipal};
use thunderhead_domain::ports::{StorageFault, Warranted};
use thunderhead_domain::session::Authentication;
use thunderhead_domain::warrant::{Evidence, Lapse, Refusal, Terms, Warrant};

use crate::Auth;
use crate::fault::Fault;
use crate::guess::Charged;

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
        if principal.owes_reverification() {
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
    Fault(#[from] Fault),
}

impl From<StorageFault> for ChangeError {
    fn from(fault: StorageFault) -> Self {
        Self::Fault(fault.into())
    }
}

impl Auth {
    /// Has something done on a user's word.
    pub(crate) async fn on_word_of<T, F: Future<Output = Warranted<T>>>(
        &self,
        user: &Principal,
        reverified: Reverified,
        client_ip: Option<IpAddr>,
        act: impl FnOnce(Warrant) -> F,
    ) -> Result<T, ChangeError> {
        let terms =
            Terms { user: user.user().id, session: user.session().uuid, staff: None, evidence: reverified.evidence };
        let warrant = Warrant { deed: self.deed_of(user, client_ip), terms: Some(terms) };
        self.settle(act(warrant).await?, reverified.charged).await
    }

    /// Has something done on a staff member's word.
    pub(crate) async fn on_word_of_staff<T, F: Future<Output = Warranted<T>>>(
        &self,
        staff: &StaffPrincipal,
        reverified: Reverified,
        client_ip: Option<IpAddr>,
        act: impl FnOnce(Warrant) -> F,
    ) -> Result<T, ChangeError> {
        let staff_factor = Some(self.policy.staff_factor);
        let act = |mut warrant: Warrant| {
            if let Some(terms) = &mut warrant.terms {
                terms.staff = staff_factor;
            }
            act(warrant)
        };
        self.on_word_of(staff.principal(), reverified, client_ip, act).await
    }

    /// For a proof that turned out not to be needed: nothing that was shown is used up.
    pub async fn withdraw(&self, reverified: Reverified) -> Result<(), StorageFault> {
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
            (_, None) | (Refusal::Overtaken(Lapse::AnswerSpent | Lapse::PasswordChanged), _) => {}
            (Refusal::Overtaken(_), charged) => self.refund(charged).await?,
            (_, Some(charged)) => self.complete(charged).await?,
        }
        Err(refusal.into())
    }
}
