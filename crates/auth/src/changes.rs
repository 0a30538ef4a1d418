//! Changes that somebody may make: who makes them, whose account they are made to, and what was proved. What somebody
//! showed to prove their identity is used up together with the change that it allows, or not at all (`docs/MODEL.md`,
//! *Identity reverification*).

pub mod target;

use std::net::IpAddr;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::{Principal, StaffFactor, StaffPrincipal};
use thunderhead_domain::change_authorization::{
    ChangeAuthorization, Evidence, PreconditionFailed, Preconditions, Refusal,
};
use thunderhead_domain::ports::{ChangeResult, StorageError};
use thunderhead_domain::session::{Actor, Authentication};

use crate::changes::target::OwnAccount;
use crate::environment::Environment;
use crate::error::InternalError;
use crate::throttle::budgets::Charged;

/// A caller who has proved their identity again, or need not. It is good for one change.
#[derive(Debug)]
pub struct Reverified<C = Principal> {
    caller: C,
    evidence: Evidence,
    shown: Vec<Authentication>,
    charged: Option<Charged>,
}

/// A change that is allowed: who makes it, and what it is made to.
#[derive(Debug)]
pub struct Change<T> {
    pub(crate) target: T,
    pub(crate) author: ChangeAuthor,
}

/// Who makes a change, from where, and on what evidence.
#[derive(Debug)]
pub(crate) struct ChangeAuthor {
    by: Actor,
    client_ip: Option<IpAddr>,
    /// `None` is the operator.
    preconditions: Option<Preconditions>,
    charged: Option<Charged>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It was refused; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server is at fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

impl From<StorageError> for ChangeError {
    fn from(error: StorageError) -> Self {
        Self::Internal(error.into())
    }
}

impl<C: AsRef<Principal>> Reverified<C> {
    /// For a caller who needs no reverification: with a scoped session, or at an endpoint that asks for none.
    pub fn excused(caller: C) -> Option<Self> {
        let needs_reverification = caller.as_ref().needs_reverification();
        (!needs_reverification).then(|| Self::by(caller, Evidence::Nothing, Vec::new(), None))
    }

    pub(crate) const fn by(
        caller: C,
        evidence: Evidence,
        shown: Vec<Authentication>,
        charged: Option<Charged>,
    ) -> Self {
        Self { caller, evidence, shown, charged }
    }

    /// Whose identity was proved.
    pub const fn caller(&self) -> &C {
        &self.caller
    }

    /// What was shown, and when: what a session may rest on that is opened on this.
    pub(crate) fn shown(&self) -> Vec<Authentication> {
        self.shown.clone()
    }

    fn author(self, staff: Option<StaffFactor>) -> ChangeAuthor {
        let principal = self.caller.as_ref();
        let (user, session) = (principal.user().id, principal.session().uuid);
        ChangeAuthor {
            by: Actor::User(user),
            client_ip: principal.client_ip(),
            preconditions: Some(Preconditions { user, session, staff, evidence: self.evidence }),
            charged: self.charged,
        }
    }

    pub(crate) fn into_charged(self) -> Option<Charged> {
        self.charged
    }
}

impl Reverified {
    /// A change to the caller's own account.
    pub fn own(self) -> Change<OwnAccount> {
        Change { target: OwnAccount(self.caller.user().id), author: self.author(None) }
    }
}

impl Reverified<StaffPrincipal> {
    /// A change by staff: to an account, or to whatever else the change is made to.
    pub fn of<T>(self, target: T) -> Change<T> {
        let factor = self.caller.factor();
        Change { target, author: self.author(Some(factor)) }
    }
}

impl<T> Change<T> {
    /// A change by the operator, on the command line.
    pub(crate) const fn by_operator(target: T) -> Self {
        let author = ChangeAuthor { by: Actor::CommandLine, client_ip: None, preconditions: None, charged: None };
        Self { target, author }
    }
}

impl ChangeAuthor {
    /// Has the change made. What was shown is used up by a success; after a refusal it is not, unless it was no good
    /// itself.
    pub(crate) async fn make<T, F: Future<Output = ChangeResult<T>>>(
        self,
        environment: &Environment,
        change: impl FnOnce(ChangeAuthorization) -> F,
    ) -> Result<T, ChangeError> {
        let action = ActionContext { at: environment.now(), by: self.by, client_ip: self.client_ip };
        let refusal = match change(ChangeAuthorization { action, preconditions: self.preconditions }).await? {
            Ok(done) => return Ok(done),
            Err(refusal) => refusal,
        };
        match (refusal, self.charged) {
            (_, None) | (Refusal::Stale(PreconditionFailed::AnswerSpent | PreconditionFailed::PasswordChanged), _) => {}
            (Refusal::Stale(_), Some(charged)) => charged.refund(environment).await?,
            (_, Some(charged)) => charged.complete(environment).await?,
        }
        Err(refusal.into())
    }

    /// For a proof that turned out not to be needed: nothing that was shown is used up.
    pub(crate) async fn withdraw(self, environment: &Environment) -> Result<(), StorageError> {
        match self.charged {
            Some(charged) => charged.complete(environment).await,
            None => Ok(()),
        }
    }
}
