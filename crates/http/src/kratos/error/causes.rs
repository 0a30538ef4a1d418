//! What every refusal and fault of the layers below becomes in the Kratos dialect.

use thunderhead_auth::fault::Fault;
use thunderhead_auth::flow::FlowFault;
use thunderhead_domain::judgement::Denial;
use thunderhead_domain::ports::StorageFault;

use super::KratosError;
use crate::body::BodyError;
use crate::dialect::Trouble;

impl From<Trouble> for KratosError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable => Self::Unavailable,
            Trouble::Internal => Self::Internal,
        }
    }
}

impl From<StorageFault> for KratosError {
    fn from(fault: StorageFault) -> Self {
        Trouble::from(fault).into()
    }
}

impl From<Fault> for KratosError {
    fn from(fault: Fault) -> Self {
        Trouble::from(fault).into()
    }
}

impl From<Denial> for KratosError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            // A banned user's session is no session here (`spec/model.md`, *User*).
            Denial::Unauthenticated | Denial::Banned => Self::Unauthenticated,
            Denial::FactorOwed => Self::FactorOwed,
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

impl From<FlowFault> for KratosError {
    fn from(fault: FlowFault) -> Self {
        match fault {
            FlowFault::Unknown => Self::UnknownFlow,
            FlowFault::Expired => Self::FlowExpired,
        }
    }
}
