//! The endpoints of second factors: one's own under `/users/me/2fa`, those of others under `/users/{uid}/2fa` for
//! staff.

pub(crate) mod backup;
pub(crate) mod docs;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod schemas;
pub(crate) mod show;
pub(crate) mod totp;
pub(crate) mod webauthn;

use thunderhead_auth::factors::enrolment::Confirmation;
use thunderhead_domain::factor::{FactorId, FactorName};

use crate::access::call::Call;
use crate::api::error::ApiError;
use crate::request::body::Fields;

/// The factor that the path names.
fn factor_id(call: &Call) -> Option<FactorId> {
    call.path("fid").parse().ok()
}

/// Reads what every confirmation brings, and the field that shows the factor.
async fn confirmation<T>(
    call: &Call,
    shown: impl FnOnce(&mut Fields) -> Option<T>,
) -> Result<(Confirmation, T), ApiError> {
    let mut fields = call.fields().await?;
    let token = fields.required_string("token");
    let name = fields.required_string("name").and_then(|text| FactorName::try_from(text).ok());
    if name.is_none() {
        fields.reject("name");
    }
    let shown = shown(&mut fields);
    fields.finish()?;
    match (token, name, shown) {
        (Some(token), Some(name), Some(shown)) => Ok((Confirmation { token, name }, shown)),
        // What is missing has been told.
        _ => Err(ApiError::Internal),
    }
}
