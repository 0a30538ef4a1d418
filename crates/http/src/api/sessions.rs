//! The session endpoints: one's own under `/users/me`, those of others under `/users/{uid}` for staff.

pub(crate) mod docs;
pub(crate) mod end_all;
pub(crate) mod end_one;
pub(crate) mod end_some;
pub(crate) mod issue;
pub(crate) mod list;
pub(crate) mod search;
pub(crate) mod show;

use thunderhead_domain::authorization::Principal;
use thunderhead_domain::id::SessionId;

use crate::access::call::Call;
use crate::api::error::ApiError;

/// The session that the path names: `me` is the one in use. A text that is no id names none.
fn own_session_id(call: &Call, principal: &Principal) -> Result<SessionId, ApiError> {
    match call.path("sid") {
        "me" => Ok(principal.session().id),
        text => text.parse().map_err(|_| ApiError::NoSuchSession),
    }
}
