//! What every refusal and fault of the layers below becomes in the current dialect.

use thunderhead_auth::challenge::AnswerError;
use thunderhead_auth::factors::ConfirmError;
use thunderhead_auth::fault::Fault;
use thunderhead_auth::login::LoginError;
use thunderhead_auth::register::RegisterError;
use thunderhead_auth::reverify::ReverifyError;
use thunderhead_auth::sessions::StaffSessionError;
use thunderhead_auth::staff_account::Oneself;
use thunderhead_auth::word::ChangeError;
use thunderhead_auth::work::WorkFault;
use thunderhead_domain::judgement::Denial;
use thunderhead_domain::ports::StorageFault;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::warrant::{Lapse, Refusal};

use super::ApiError;
use crate::body::{BodyError, MissingFields};
use crate::dialect::Trouble;

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable => Self::Unavailable,
            Trouble::Internal => Self::Internal,
        }
    }
}

impl From<StorageFault> for ApiError {
    fn from(fault: StorageFault) -> Self {
        Trouble::from(fault).into()
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Trouble::from(fault).into()
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            Denial::Unauthenticated | Denial::FactorOwed | Denial::AlreadyAuthenticated => Self::NotAuthenticated,
            Denial::Banned => Self::Banned,
            Denial::StaffFactorMissing => Self::EndpointRequiresSecondFactor,
            Denial::CrossSite | Denial::NotStaff | Denial::ScopeMissing => Self::InsufficientPermissions,
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::NotAnObject => Self::MissingFields(vec![]),
        }
    }
}

impl From<MissingFields> for ApiError {
    fn from(MissingFields(fields): MissingFields) -> Self {
        Self::MissingFields(fields)
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Malformed => Self::MalformedSecondFactor,
            AnswerError::Closed | AnswerError::Wrong => Self::RefusedSecondFactor,
            AnswerError::OtherKind => Self::InvalidSecondFactorMethod,
            AnswerError::Throttled(millis) => Self::Throttled(millis),
            AnswerError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::UnknownUser => Self::InvalidUser,
            LoginError::WrongPassword => Self::InvalidPassword,
            LoginError::Banned => Self::Banned,
            LoginError::Throttled(millis) => Self::Throttled(millis),
            LoginError::SwitchedOff(switch) => Self::SwitchedOff(switch),
            LoginError::ChallengeRequired(given) => Self::SecondFactorChallengeRequired(Box::new((*given).into())),
            LoginError::Answer(error) => error.into(),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::SwitchedOff(KillSwitch::AccountCreate),
            RegisterError::Taken => Self::UserExists,
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ReverifyError> for ApiError {
    fn from(error: ReverifyError) -> Self {
        match error {
            ReverifyError::WrongPassword => Self::InvalidPassword,
            ReverifyError::SessionEnded => Self::NotAuthenticated,
            ReverifyError::Throttled(millis) => Self::Throttled(millis),
            ReverifyError::ChallengeRequired(given) => Self::SecondFactorChallengeRequired(Box::new((*given).into())),
            ReverifyError::Answer(error) => error.into(),
            ReverifyError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ConfirmError> for ApiError {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::Answer(error) => error.into(),
            ConfirmError::Change(error) => error.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone => Self::InvalidUser,
            Refusal::Taken => Self::UserExists,
            Refusal::UnknownFactor => Self::InvalidSecondFactor,
            Refusal::FactorTaken => Self::RefusedSecondFactor,
            Refusal::FactorsFull => Self::InvalidSecondFactorMethod,
            Refusal::FactorMissing => Self::UserRequiresSecondFactor,
            Refusal::TooManySessions => Self::TooManySessions,
            Refusal::Overtaken(lapse) => lapse.into(),
        }
    }
}

/// What was good when the request was judged, and is not any more, gets the answer that a request begun now gets.
impl From<Lapse> for ApiError {
    fn from(lapse: Lapse) -> Self {
        match lapse {
            Lapse::SessionEnded => Self::NotAuthenticated,
            Lapse::Banned => Self::Banned,
            Lapse::NotStaff => Self::InsufficientPermissions,
            Lapse::StaffFactorMissing => Self::EndpointRequiresSecondFactor,
            Lapse::PasswordChanged => Self::InvalidPassword,
            Lapse::AnswerSpent => Self::RefusedSecondFactor,
        }
    }
}

impl From<StaffSessionError> for ApiError {
    fn from(error: StaffSessionError) -> Self {
        match error {
            StaffSessionError::UnknownUser => Self::InvalidUser,
            StaffSessionError::Storage(fault) => fault.into(),
        }
    }
}

impl From<Oneself> for ApiError {
    fn from(Oneself: Oneself) -> Self {
        Self::InsufficientPermissions
    }
}

impl From<WorkFault> for ApiError {
    fn from(fault: WorkFault) -> Self {
        Trouble::from(fault).into()
    }
}
