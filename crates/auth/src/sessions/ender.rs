//! Who ends sessions, and what the sessions are then said to have ended by.

use std::net::IpAddr;

use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::authorization::{Principal, StaffPrincipal};
use thunderhead_domain::session::{Actor, EndReason};

use crate::environment::Environment;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ender {
    by: Actor,
    client_ip: Option<IpAddr>,
    pub(crate) why: EndReason,
}

impl Ender {
    /// Whoever holds a token of this actor's, which is all that they need.
    pub(crate) const fn holder(by: Actor, client_ip: Option<IpAddr>) -> Self {
        Self { by, client_ip, why: EndReason::Revoked }
    }

    pub(crate) fn user(caller: &Principal) -> Self {
        Self::holder(Actor::User(caller.user().id), caller.client_ip())
    }

    pub(crate) fn staff(staff: &StaffPrincipal) -> Self {
        Self { why: EndReason::RevokedByStaff, ..Self::user(staff.principal()) }
    }

    pub(crate) const fn operator() -> Self {
        Self { by: Actor::CommandLine, client_ip: None, why: EndReason::Operator }
    }

    pub(crate) fn action(&self, environment: &Environment) -> ActionContext {
        ActionContext { at: environment.now(), by: self.by, client_ip: self.client_ip }
    }
}
