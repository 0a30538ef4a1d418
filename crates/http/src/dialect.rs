//! What the dialects have of their own at the gate – where they look for a credential, and how they say no – and what is
//! the same in all of them.

use std::error::Error;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_auth::fault::Fault;
use thunderhead_auth::work::WorkFault;
use thunderhead_domain::judgement::Denial;
use thunderhead_domain::ports::StorageFault;

use crate::cookie::SessionCookie;
use crate::credential::Credential;

/// The errors of a dialect. Handlers of its endpoints fail with them, and every refusal of the gate becomes one.
pub(crate) trait DialectError: From<Denial> + From<StorageFault> + 'static {
    /// The credential of a request in this dialect.
    fn credential(headers: &HeaderMap, cookie: &SessionCookie) -> Credential;

    /// The error of a path that there is not.
    fn nothing_here() -> Self;

    /// The error of a method that a path does not have; the status is 405 whatever it says.
    fn wrong_method() -> Self {
        Self::nothing_here()
    }

    /// Whether it says that something is not there, or is in the way: that may be so because the caller's own session
    /// has ended.
    fn may_be_overtaken(&self) -> bool;

    /// The response in this dialect's words.
    fn respond(self, request: &HttpRequest) -> HttpResponse;
}

/// What a fault of the layers below comes to. It is logged where it becomes this, once, with its causes; the client
/// learns nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Worth another try later.
    Unavailable,
    /// A defect.
    Internal,
}

impl Trouble {
    fn internal(fault: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = fault, "a request failed");
        Self::Internal
    }
}

impl From<StorageFault> for Trouble {
    fn from(fault: StorageFault) -> Self {
        match &fault {
            StorageFault::Outage(_) => {
                tracing::warn!(error = &fault as &(dyn Error + 'static), "the database is away");
                Self::Unavailable
            }
            // The storage has logged the row, once.
            StorageFault::Unreadable(_) => Self::Unavailable,
            StorageFault::Defect(_) => Self::internal(&fault),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy => Self::Unavailable,
            Fault::Storage(fault) => fault.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<WorkFault> for Trouble {
    fn from(fault: WorkFault) -> Self {
        match fault {
            WorkFault::Busy => Self::Unavailable,
            WorkFault::Abandoned => Self::internal(&fault),
        }
    }
}
