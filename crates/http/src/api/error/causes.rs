//! What every refusal and fault of the layers below becomes in the current dialect.

use thunderhead_auth::accounts::register::RegisterError;
use thunderhead_auth::changes::ChangeError;
use thunderhead_auth::changes::target::SelfAction;
use thunderhead_auth::credentials::challenge::AnswerError;
use thunderhead_auth::credentials::reverify::ReverifyError;
use thunderhead_auth::error::InternalError;
use thunderhead_auth::factors::enrolment::ConfirmError;
use thunderhead_auth::feed::wait::WaitError;
use thunderhead_auth::sessions::StaffSessionError;
use thunderhead_auth::sessions::login::LoginError;
use thunderhead_auth::work::WorkError;
use thunderhead_domain::authorization::Denial;
use thunderhead_domain::change_authorization::{PreconditionFailed, Refusal};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::switch::KillSwitch;

use crate::access::dialect::ServerError;
use crate::api::error::ApiError;
use crate::request::body::{BodyError, Rejection};

impl From<ServerError> for ApiError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Unavailable => Self::Unavailable,
            ServerError::Internal => Self::Internal,
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<WaitError> for ApiError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TooMany => Self::Unavailable,
            WaitError::Storage(error) => error.into(),
        }
    }
}

impl From<InternalError> for ApiError {
    fn from(error: InternalError) -> Self {
        ServerError::from(error).into()
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::RateLimited => Self::RateLimited,
            Denial::SwitchedOff(switch) => Self::SwitchedOff(switch),
            Denial::Unauthenticated | Denial::SecondFactorPending | Denial::AlreadyAuthenticated => {
                Self::NotAuthenticated
            }
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

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::TooLarge => Self::BodyTooLarge,
            Rejection::TooManyIds => Self::TooManyIds,
            Rejection::Fields(fields) => Self::MissingFields(fields),
        }
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Malformed => Self::MalformedSecondFactor,
            AnswerError::Closed | AnswerError::Wrong => Self::RefusedSecondFactor,
            AnswerError::OtherKind => Self::InvalidSecondFactorMethod,
            AnswerError::Throttled(millis) => Self::Throttled(millis),
            AnswerError::Internal(error) => error.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::UnknownUser => Self::InvalidUser,
            LoginError::WrongPassword => Self::InvalidPassword,
            LoginError::Banned => Self::Banned,
            LoginError::TooManySessions => Self::TooManySessions,
            LoginError::Throttled(millis) => Self::Throttled(millis),
            LoginError::SwitchedOff(switch) => Self::SwitchedOff(switch),
            LoginError::ChallengeRequired(given) => Self::SecondFactorChallengeRequired(Box::new((*given).into())),
            LoginError::Answer(error) => error.into(),
            LoginError::Internal(error) => error.into(),
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::SwitchedOff(KillSwitch::AccountCreate),
            RegisterError::Taken => Self::UserExists,
            RegisterError::Internal(error) => error.into(),
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
            ReverifyError::Internal(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Internal(error) => error.into(),
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
            Refusal::FactorMissing | Refusal::PasskeysMissing => Self::UserRequiresSecondFactor,
            Refusal::TooManySessions => Self::TooManySessions,
            Refusal::Stale(failed) => failed.into(),
        }
    }
}

/// What was good when the request was checked, and is not any more, gets the answer that a request begun now gets.
impl From<PreconditionFailed> for ApiError {
    fn from(failed: PreconditionFailed) -> Self {
        match failed {
            PreconditionFailed::SessionEnded => Self::NotAuthenticated,
            PreconditionFailed::Banned => Self::Banned,
            PreconditionFailed::NotStaff => Self::InsufficientPermissions,
            PreconditionFailed::StaffFactorMissing => Self::EndpointRequiresSecondFactor,
            PreconditionFailed::PasswordChanged | PreconditionFailed::ConfirmationOver => Self::InvalidPassword,
            PreconditionFailed::AnswerSpent => Self::RefusedSecondFactor,
        }
    }
}

impl From<StaffSessionError> for ApiError {
    fn from(error: StaffSessionError) -> Self {
        match error {
            StaffSessionError::UnknownUser => Self::InvalidUser,
            StaffSessionError::Storage(error) => error.into(),
        }
    }
}

impl From<SelfAction> for ApiError {
    fn from(SelfAction: SelfAction) -> Self {
        Self::InsufficientPermissions
    }
}

impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        ServerError::from(error).into()
    }
}
