//! What the dialects have of their own at the access check – where they look for a credential, and how they say no –
//! and what is the same in all of them.

use std::error::Error;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse};
use thunderhead_auth::error::InternalError;
use thunderhead_auth::work::WorkError;
use thunderhead_domain::authorization::Denial;
use thunderhead_domain::ports::StorageError;

use crate::request::cookie::SessionCookie;
use crate::request::credential::Credential;

/// The errors of a dialect. Handlers of its endpoints fail with them, and every refusal of the access check becomes
/// one.
pub(crate) trait DialectError: From<Denial> + From<StorageError> + 'static {
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
pub(crate) enum ServerFault {
    /// Worth another try later.
    Unavailable,
    /// A defect.
    Internal,
}

impl ServerFault {
    fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = error, "a request failed");
        Self::Internal
    }
}

impl From<StorageError> for ServerFault {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Outage(_) => {
                tracing::warn!(error = &error as &(dyn Error + 'static), "the database is away");
                Self::Unavailable
            }
            // The storage has logged the row, once.
            StorageError::Unreadable(_) => Self::Unavailable,
            StorageError::Defect(_) => Self::internal(&error),
        }
    }
}

impl From<InternalError> for ServerFault {
    fn from(error: InternalError) -> Self {
        match error {
            InternalError::Busy => Self::Unavailable,
            InternalError::Storage(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<WorkError> for ServerFault {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy => Self::Unavailable,
            WorkError::Abandoned => Self::internal(&error),
        }
    }
}
