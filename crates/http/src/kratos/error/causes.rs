//! What every refusal and fault of the layers below becomes in the Kratos dialect.

use thunderhead_auth::error::InternalError;
use thunderhead_auth::tokens::flow::FlowError;
use thunderhead_domain::authorization::Denial;
use thunderhead_domain::ports::StorageError;

use crate::access::dialect::ServerError;
use crate::kratos::error::KratosError;
use crate::request::body::{BodyError, Rejection};

impl From<ServerError> for KratosError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Unavailable => Self::Unavailable,
            ServerError::Internal => Self::Internal,
        }
    }
}

impl From<StorageError> for KratosError {
    fn from(error: StorageError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<InternalError> for KratosError {
    fn from(error: InternalError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<Denial> for KratosError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            // A banned user's session is no session here (`docs/MODEL.md`, *User*).
            Denial::Unauthenticated | Denial::Banned => Self::Unauthenticated,
            Denial::SecondFactorPending => Self::SecondFactorPending,
            Denial::AlreadyAuthenticated => Self::AlreadyLoggedIn,
            Denial::CrossSite => Self::CrossSite,
            Denial::NotStaff => Self::NotStaff,
            Denial::StaffFactorMissing => Self::StaffFactorMissing,
            Denial::ScopeMissing => Self::ScopeMissing,
        }
    }
}

impl From<BodyError> for KratosError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::NotAnObject => Self::Malformed("the body", "a JSON object"),
        }
    }
}

impl KratosError {
    /// A body that is none, where each field should have been as `expected`: the first that is not is told.
    pub(crate) fn of_body(rejection: Rejection, expected: fn(&str) -> &'static str) -> Self {
        match rejection {
            Rejection::TooLarge => Self::BodyTooLarge,
            Rejection::Fields(names) => names
                .first()
                .map_or_else(|| BodyError::NotAnObject.into(), |name| Self::Malformed(name, expected(name))),
            // No body of this dialect has such ids.
            Rejection::TooManyIds => BodyError::NotAnObject.into(),
        }
    }
}

impl From<FlowError> for KratosError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Unknown => Self::UnknownFlow,
            FlowError::Expired => Self::FlowExpired,
        }
    }
}
