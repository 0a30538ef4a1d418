//! `POST /introspect`: whose token is this, and what may it do? (RFC 7662)

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use thunderhead_auth::Auth;
use thunderhead_domain::assurance::Assurance;
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::session::Grant;

use crate::access::authorization::Shared;
use crate::api::error::{ApiError, ApiResult};
use crate::request::body::{BODY_DEADLINE, BodyError, read_form};
use crate::roots::RootEndpoint;
use crate::services::resource;

#[derive(Serialize)]
struct Inactive {
    active: bool,
}

#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    sub: String,
    username: &'a str,
    scope: String,
    permission_flags: Option<i64>,
    staff: bool,
    sid: i64,
    jti: String,
    iat: i64,
    exp: i64,
    iss: &'a str,
    token_type: &'static str,
    #[serde(flatten)]
    assurance: Option<Proved>,
}

/// When and how the session was proved (OpenID Connect Core, section 2; RFC 8176; RFC 9470).
#[derive(Serialize)]
struct Proved {
    auth_time: i64,
    amr: Vec<&'static str>,
    acr: &'static str,
}

impl From<Assurance> for Proved {
    fn from(Assurance { proved_at, methods, level }: Assurance) -> Self {
        Self { auth_time: proved_at.unix_seconds(), amr: methods.iter().collect(), acr: level.name() }
    }
}

/// RFC 6749 §5.2.
#[derive(Serialize)]
struct OauthError {
    error: &'static str,
}

/// An id and a secret, as the service sent them.
struct ClientCredentials {
    id: String,
    secret: String,
}

pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let introspect = move |request: HttpRequest, payload: web::Payload| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, &request, payload).await.unwrap_or_else(ApiError::into_response) }
    };
    services.service(resource(RootEndpoint::Introspect, "POST").route(web::post().to(introspect)));
}

async fn answer(shared: &Shared, request: &HttpRequest, payload: web::Payload) -> ApiResult {
    let form = match read_form(request, payload, BODY_DEADLINE).await {
        Ok(form) => form,
        Err(BodyError::TooLarge) => return Err(ApiError::BodyTooLarge),
        Err(BodyError::NotAnObject) => HashMap::new(),
    };
    let service = match credentials(request.headers(), &form) {
        Some(shown) => shared.auth.services.authenticate(&shown.id, &shown.secret).await?,
        None => None,
    };
    let Some(service) = service else {
        let mut response = HttpResponse::Unauthorized();
        response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"thunderhead\""));
        return Ok(response.json(OauthError { error: "invalid_client" }));
    };
    let Some(token) = form.get("token") else {
        return Ok(HttpResponse::BadRequest().json(OauthError { error: "invalid_request" }));
    };
    Ok(match shared.auth.services.introspect(&service, token).await? {
        Some(authenticated) => HttpResponse::Ok().json(active(&authenticated, &shared.auth)),
        None => HttpResponse::Ok().json(Inactive { active: false }),
    })
}

fn active<'a>(authenticated: &'a AuthenticatedSession, auth: &'a Auth) -> Active<'a> {
    let AuthenticatedSession { session, user } = authenticated;
    Active {
        active: true,
        sub: user.id.to_string(),
        username: user.username.as_str(),
        scope: scope_names(authenticated, auth),
        permission_flags: match session.grant {
            Grant::Full => None,
            Grant::Scoped(scopes) => Some(scopes.flags()),
        },
        staff: authenticated.has_staff_power(auth.policy().staff_factor),
        sid: session.id.number(),
        jti: session.uuid.to_string(),
        iat: session.id.number(),
        exp: session.expires_at.unix_seconds(),
        iss: auth.tokens.issuer(),
        token_type: "session",
        assurance: Assurance::of(&session.authentications).map(Proved::from),
    }
}

/// What the session may do, as a list of scope names, or `FULL`. Staff scopes are left out where the session does not
/// carry staff power.
pub(super) fn scope_names(authenticated: &AuthenticatedSession, auth: &Auth) -> String {
    match authenticated.session.grant {
        Grant::Full => "FULL".to_owned(),
        Grant::Scoped(scopes) => {
            let factor = auth.policy().staff_factor;
            let held = scopes.iter().filter(|scope| authenticated.may(*scope, factor));
            held.map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
        }
    }
}

/// HTTP Basic, else `client_id` and `client_secret` in the body (RFC 6749 §2.3.1).
fn credentials(headers: &HeaderMap, form: &HashMap<String, String>) -> Option<ClientCredentials> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        let field = |name| form.get(name).cloned();
        return Some(ClientCredentials { id: field("client_id")?, secret: field("client_secret")? });
    };
    let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some(ClientCredentials { id: id.to_owned(), secret: secret.to_owned() })
}
