//! `POST /users/me/sessions`: a scoped session.

use actix_web::HttpResponse;
use thunderhead_auth::sessions::scoped::{AllowedScopes, ScopedSession};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::SessionName;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::body_and_proof;
use crate::api::wire::ScopedSessionCreate;
use crate::request::body::body;

body! {
    pub(crate) struct Issue {
        name: SessionName,
        scopes as "permissionFlags": ScopeSet,
        /// Whether the session is to last for years.
        long_lived as "longLived": bool,
    }
}

pub(crate) async fn issue(principal: Principal, call: Call) -> ApiResult {
    let (Issue { name, scopes, long_lived }, proof) = body_and_proof(&call, &principal).await?;
    let scopes = AllowedScopes::of(&principal, scopes).map_err(|_| ApiError::InsufficientPermissions)?;
    let reverified = proof.verify(&call, &principal).await?;
    let request = ScopedSession { name, long_lived, device: call.device() };
    let issued = call.auth().scoped_sessions.issue(reverified, scopes, request).await?;
    Ok(HttpResponse::Created().json(ScopedSessionCreate::from(&issued)))
}
