//! `POST /users/me/sessions`: a scoped session.

use actix_web::HttpResponse;
use thunderhead_auth::sessions::scoped::{AllowedScopes, ScopedSession};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::{Dialect, SessionName};

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::ProofForm;
use crate::api::wire::ScopedSessionCreate;
use crate::request::body::Fields;

pub(crate) async fn issue(principal: Principal, call: Call) -> ApiResult {
    let mut fields = call.fields().await?;
    let name = acceptable(&mut fields, "name", |fields, field| {
        fields.required_string(field).and_then(|text| SessionName::try_from(text).ok())
    });
    let scopes = acceptable(&mut fields, "permissionFlags", |fields, field| {
        fields.required_integer(field).and_then(|flags| ScopeSet::from_flags(flags).ok())
    });
    let long_lived = fields.optional_bool("longLived").unwrap_or(false);
    let shown = ProofForm::read(&mut fields, &principal);
    fields.finish()?;
    let (Some(name), Some(scopes)) = (name, scopes) else { return Err(ApiError::Internal) };
    let scopes = AllowedScopes::of(&principal, scopes).map_err(|_| ApiError::InsufficientPermissions)?;
    let reverified = shown.verify(&call, &principal).await?;
    let request = ScopedSession { name, long_lived, device: call.device(Dialect::Current) };
    let issued = call.auth().scoped_session_issue(&principal, reverified, scopes, request).await?;
    Ok(HttpResponse::Created().json(ScopedSessionCreate::from(&issued)))
}

/// A field whose value is missing or unacceptable is named once.
fn acceptable<T>(
    fields: &mut Fields,
    name: &'static str,
    read: impl FnOnce(&mut Fields, &'static str) -> Option<T>,
) -> Option<T> {
    let value = read(fields, name);
    if value.is_none() {
        fields.reject(name);
    }
    value
}
