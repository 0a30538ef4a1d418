//! `POST /introspect`: whose token is this, and what may it do? (RFC 7662)

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;
use thunderhead_auth::Auth;
use thunderhead_domain::assurance::Assurance;
use thunderhead_domain::authorization::AuthenticatedSession;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::session::Grant;

use crate::access::authorization::Shared;
use crate::api::error::ApiResult;
use crate::api::fields::PermissionFlags;
use crate::roots::RootEndpoint;
use crate::services::oauth::{self, ClientCredentials, OauthError};
use crate::wire::{Expiry, SessionNumber, UsernameText, Wire, constants, value_schemas};

constants! {
    True = true;
    False = false;
    OfSession = "session";
}

value_schemas! {
    UnixSeconds: {"type": "integer", "description": "In Unix seconds.", "examples": [1_767_225_600]};
    MethodReference: {"enum": ["pwd", "otp", "hwk", "mfa"], "examples": ["pwd"]};
    LevelName: {"enum": ["aal1", "aal2"], "examples": ["aal1"]};
}

/// No session, or one that has ended.
#[derive(JsonSchema, Serialize)]
pub(super) struct InactiveToken {
    active: False,
}

/// Whose session it is, and what it may do.
#[derive(JsonSchema, Serialize)]
pub(super) struct ActiveToken<'a> {
    active: True,
    /// The user's id.
    sub: Wire<UserId>,
    #[schemars(with = "UsernameText")]
    username: &'a str,
    /// Names of scopes, separated by spaces, or `FULL`; staff's are left out where the session lacks their power.
    #[schemars(example = "FULL".to_owned())]
    scope: String,
    /// The scopes of a scoped session; null for an ordinary one.
    #[schemars(with = "Option<PermissionFlags>", example = ())]
    permission_flags: Option<i64>,
    /// Whether the user is staff and has shown a second factor in this session.
    #[schemars(example = false)]
    staff: bool,
    /// The session's id.
    #[schemars(with = "SessionNumber")]
    sid: i64,
    /// The session's uuid.
    jti: Wire<SessionUuid>,
    #[schemars(with = "UnixSeconds")]
    iat: i64,
    #[schemars(with = "Expiry")]
    exp: i64,
    #[schemars(example = "thunderhead".to_owned())]
    iss: &'a str,
    token_type: OfSession,
    #[serde(flatten)]
    assurance: Option<Proved>,
}

/// When and how the session was proved (OpenID Connect Core, section 2; RFC 8176; RFC 9470).
#[derive(JsonSchema, Serialize)]
struct Proved {
    /// When the session had last been proved.
    #[schemars(with = "UnixSeconds")]
    auth_time: i64,
    /// How it was proved (RFC 8176).
    #[schemars(with = "Vec<MethodReference>")]
    amr: Vec<&'static str>,
    /// How well: `aal2` is by two factors.
    #[schemars(with = "LevelName")]
    acr: &'static str,
}

impl From<Assurance> for Proved {
    fn from(Assurance { proved_at, methods, level }: Assurance) -> Self {
        Self { auth_time: proved_at.unix_seconds(), amr: methods.iter().collect(), acr: level.name() }
    }
}

pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    services.service(oauth::resource(RootEndpoint::Introspect, shared, answer));
}

async fn answer(shared: Arc<Shared>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let form = oauth::read(&request, payload).await?;
    let service = match ClientCredentials::shown(request.headers(), &form) {
        Some(shown) => shared.auth.services.authenticate(&shown.id, &shown.secret).await?,
        None => None,
    };
    let Some(service) = service else { return Ok(oauth::unknown_client()) };
    let Some(token) = form.get("token") else {
        return Ok(HttpResponse::BadRequest().json(OauthError::INVALID_REQUEST));
    };
    Ok(match shared.auth.services.introspect(&service, token).await? {
        Some(authenticated) => HttpResponse::Ok().json(active(&authenticated, &shared.auth)),
        None => HttpResponse::Ok().json(InactiveToken { active: False }),
    })
}

fn active<'a>(authenticated: &'a AuthenticatedSession, auth: &'a Auth) -> ActiveToken<'a> {
    let AuthenticatedSession { session, user } = authenticated;
    ActiveToken {
        active: True,
        sub: Wire(user.id),
        username: user.username.as_str(),
        scope: scope_names(authenticated, auth),
        permission_flags: match session.grant {
            Grant::Full => None,
            Grant::Scoped(scopes) => Some(scopes.flags()),
        },
        staff: authenticated.has_staff_power(auth.policy().staff_factor),
        sid: session.id.number(),
        jti: Wire(session.uuid),
        iat: session.id.number(),
        exp: session.expires_at.unix_seconds(),
        iss: auth.tokens.issuer(),
        token_type: OfSession,
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
