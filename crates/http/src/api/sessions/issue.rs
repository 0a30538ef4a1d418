//! `POST /users/me/sessions`: a scoped session.

use actix_web::HttpResponse;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use thunderhead_auth::sessions::scoped::{AllowedScopes, ScopedLifetime, ScopedSession};
use thunderhead_domain::authorization::Principal;
use thunderhead_domain::scope::ScopeSet;
use thunderhead_domain::session::SessionName;

use crate::access::call::Call;
use crate::api::error::{ApiError, ApiResult};
use crate::api::identity::read_with_proof;
use crate::api::wire::ScopedSessionCreate;
use crate::request::body::{Field, Notes, body, integer};

body! {
    pub(crate) struct NewScopedSession {
        name: SessionName,
        scopes as "permissionFlags": ScopeSet,
        /// Whether the session is to last for years.
        long_lived as "longLived": LongLived,
        expires_in as "expiresIn": Option<ExpiresIn>,
    }
}

/// Whether a long life is asked for.
pub(crate) struct LongLived(bool);

/// A life of so many seconds.
pub(crate) struct ExpiresIn(ScopedLifetime);

impl Field for LongLived {
    fn absent() -> Option<Self> {
        Some(Self(false))
    }

    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        notes.long_lived = bool::read(value, notes)?;
        Some(Self(notes.long_lived))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        bool::schema(generator)
    }
}

impl Field for ExpiresIn {
    fn read(value: Value, notes: &mut Notes) -> Option<Self> {
        if notes.long_lived {
            return None;
        }
        ScopedLifetime::of_seconds(integer(&value)?, notes.lifetimes.as_ref()?).ok().map(Self)
    }

    /// Without an example, because that of the body has `longLived`.
    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "description": "In how many seconds the session expires, up to what `policy.token_max` allows. It may not \
                            stand beside `longLived`.",
            "minimum": ScopedLifetime::SHORTEST,
        })
    }
}

pub(crate) async fn issue(principal: Principal, call: Call) -> ApiResult {
    let lifetimes = call.auth().policy().scoped_lifetimes(principal.user());
    let fields = call.fields().await?.of_session(lifetimes);
    let (NewScopedSession { name, scopes, long_lived, expires_in }, proof) = read_with_proof(fields, &principal)?;
    let scopes = AllowedScopes::of(&principal, scopes).map_err(|_| ApiError::InsufficientPermissions)?;
    let reverified = proof.verify(&call, &principal).await?;
    let lifetime = match (expires_in, long_lived) {
        (Some(ExpiresIn(lifetime)), _) => lifetime,
        (None, LongLived(true)) => ScopedLifetime::long(&lifetimes),
        (None, LongLived(false)) => ScopedLifetime::ordinary(&lifetimes),
    };
    let request = ScopedSession { name, lifetime, device: call.device(), form: None };
    let issued = call.auth().scoped_sessions.issue(reverified, scopes, request).await?;
    Ok(HttpResponse::Created().json(ScopedSessionCreate::from(&issued)))
}
