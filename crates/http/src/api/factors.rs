//! The endpoints of second factors: one's own under `/users/me/2fa`, those of others under `/users/{uid}/2fa` for
//! staff.

pub(crate) mod backup;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod show;
pub(crate) mod totp;
pub(crate) mod webauthn;

use thunderhead_auth::factors::Confirmation;
use thunderhead_domain::factor::{FactorId, FactorName};

use super::error::ApiError;
use crate::body::Fields;
use crate::call::Call;

/// The factor that the path names.
fn factor_id(call: &Call) -> Option<FactorId> {
    call.path("fid").parse().ok()
}

/// Reads what every confirmation brings.
fn confirmation(call: &Call, fields: &mut Fields) -> impl FnOnce() -> Result<Confirmation, ApiError> {
    let token = fields.required_string("token");
    let name = fields.required_string("name").and_then(|text| FactorName::try_from(text).ok());
    if name.is_none() {
        fields.reject("name");
    }
    let client_ip = call.client_ip();
    // What is missing is told when the fields have been finished; until then there is nothing to make it of.
    move || match (token, name) {
        (Some(token), Some(name)) => Ok(Confirmation { token, name, client_ip }),
        _ => Err(ApiError::Internal),
    }
}
