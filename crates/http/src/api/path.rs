//! Reading what the path of a request names.

use thunderhead_domain::id::UserId;
use thunderhead_domain::switch::KillSwitch;

use crate::access::call::Call;
use crate::api::error::ApiError;

/// The user that the path names. A text that is no id names nobody.
pub(crate) fn user_id(call: &Call) -> Result<UserId, ApiError> {
    call.path("uid").parse().map_err(|_| ApiError::InvalidUser)
}

/// The same where that there is no such user is told last: after the proof of identity, which is then not used up.
pub(crate) fn user_or_nobody(call: &Call) -> UserId {
    user_id(call).unwrap_or(UserId::NOBODY)
}

/// The kill switch that the path names by its number: one digit, and nothing that could be taken for one.
pub(crate) fn switch(call: &Call) -> Result<KillSwitch, ApiError> {
    let text = call.path("id");
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(ApiError::InvalidEndpoint)
}
