//! `GET /forward-auth`: may this request pass? For nginx, Caddy, Traefik and HAProxy, and for Envoy below it.
//!
//! Whatever is not understood lets nobody through: a requirement, the method of the original request, what a proxy says.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod sign_in;

mod navigation;
mod original;
mod requirements;
mod unmet;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use thunderhead_auth::Auth;
use thunderhead_domain::assurance::Assurance;
use thunderhead_domain::authorization::{AuthenticatedSession, Authorized, Denial, RequestContext, authorize};
use thunderhead_domain::ports::StorageError;
use thunderhead_domain::session::Grant;
use url::Url;

use self::navigation::page_asked_for;
use self::original::{Asking, KnownMethod, allows_cookie, known_method};
use self::requirements::{NotUnderstood, Requirements};
use self::sign_in::{Door, SignIn};
use self::unmet::{UnmetRequirement, challenge};
use crate::access::authorization::Shared;
use crate::identity_headers::{IdentityHeader, IdentityHeaders};
use crate::metrics::RoutePattern;
use crate::middleware::record::RequestRecord;
use crate::middleware::request_context::AsItIs;
use crate::request::credential::{Credential, CredentialPlace};
use crate::roots::{ENVOY, RootEndpoint};
use crate::services::introspect::scope_names;
use crate::services::resource;

/// No requirements, where Envoy's prefix must name some.
const NO_REQUIREMENTS: &str = "-";

/// What the questions of proxies share.
#[derive(Debug)]
pub(crate) struct ForwardAuth {
    places: Vec<CredentialPlace>,
    headers: IdentityHeaders,
    /// Where browsers are led, if there are pages.
    sign_in: Option<SignIn>,
    /// What has been logged. It is a mistake in a proxy's configuration or ours, which each request shows again.
    logged: [AtomicBool; 5],
}

impl ForwardAuth {
    pub(crate) fn new(places: Vec<CredentialPlace>, headers: IdentityHeaders, sign_in: Option<SignIn>) -> Self {
        Self { places, headers, sign_in, logged: Default::default() }
    }

    /// Logs once what is wrong in a configuration.
    fn log_once(&self, mistake: &Mistake, request: &HttpRequest) {
        let [requirements, missing, untrusted, no_pages, not_listed] = &self.logged;
        let (logged, advice) = match mistake {
            Mistake::Requirements(_) => (requirements, "see the parameters of /forward-auth"),
            Mistake::MethodMissing => (missing, "have the proxy send X-Forwarded-Method or X-Original-Method"),
            Mistake::MethodFromUntrustedProxy => (untrusted, "if this is your proxy, add it to trusted_proxies"),
            Mistake::NoPages => (no_pages, "set public_url, and do not switch the pages off"),
            Mistake::NotListed(_) => (not_listed, "add it to redirect.origins"),
        };
        if !logged.swap(true, Ordering::Relaxed) {
            let peer = request.peer_addr().map(|peer| peer.ip().to_string());
            let error = mistake as &dyn std::error::Error;
            tracing::warn!(error, peer, advice, "forward-auth is not set up as it must be; logged once");
        }
    }
}

/// What is wrong in a configuration.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("{0}")]
    Requirements(#[from] NotUnderstood),
    #[error("a session cookie came with a question that does not tell the method of the request")]
    MethodMissing,
    #[error("a session cookie came with a question of somebody who is not among trusted_proxies")]
    MethodFromUntrustedProxy,
    #[error("a proxy wants browsers led to sign in, and there are no pages")]
    NoPages,
    #[error("a browser was led to sign in that is not led back, because it came from {0}")]
    NotListed(String),
}

pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>, state: &Arc<ForwardAuth>) {
    let (asked, asked_state) = (Arc::clone(shared), Arc::clone(state));
    let by_headers = move |request| by_headers(Arc::clone(&asked), Arc::clone(&asked_state), request);
    let resource = resource(RootEndpoint::ForwardAuth, "GET, HEAD");
    services.service(resource.route(web::get().to(by_headers.clone())).route(web::head().to(by_headers)));
    let (asked, asked_state) = (Arc::clone(shared), Arc::clone(state));
    let for_envoy = move |request| for_envoy(Arc::clone(&asked), Arc::clone(&asked_state), request);
    let envoy = web::resource(format!("{ENVOY}{{original:.*}}"));
    let pattern = RoutePattern::new(ENVOY, "{requirements}/{original}");
    services.service(envoy.app_data(pattern).default_service(web::to(for_envoy)));
}

/// `GET /forward-auth?REQUIREMENTS`.
async fn by_headers(shared: Arc<Shared>, state: Arc<ForwardAuth>, request: HttpRequest) -> HttpResponse {
    let requirements = Requirements::parse(request.query_string());
    respond(&shared, &state, &request, requirements, Asking::ByHeaders, StatusCode::NO_CONTENT).await
}

/// Any method on `/forward-auth/envoy/REQUIREMENTS/ORIGINAL`. Envoy puts the operator's prefix before the path and query
/// that the client sent, and allows on 200 alone. The requirements end with the first slash after them: what follows is
/// the client's, its query too.
async fn for_envoy(shared: Arc<Shared>, state: Arc<ForwardAuth>, request: HttpRequest) -> HttpResponse {
    let below = request.uri().path().strip_prefix(ENVOY);
    let requirements = match below.and_then(|below| below.split_once('/')) {
        Some((NO_REQUIREMENTS, _)) => Ok(Requirements::default()),
        Some(("", _)) | None => Err(NotUnderstood::Nothing),
        Some((requirements, _)) => Requirements::parse(requirements),
    };
    respond(&shared, &state, &request, requirements, Asking::AsItself, StatusCode::OK).await
}

async fn respond(
    shared: &Shared,
    state: &ForwardAuth,
    request: &HttpRequest,
    requirements: Result<Requirements, NotUnderstood>,
    asking: Asking,
    success: StatusCode,
) -> HttpResponse {
    let mut response = match requirements {
        Ok(requirements) => match verdict(shared, state, request, &requirements, asking).await {
            Ok(Ok(authenticated)) => allowed(&authenticated, &state.headers, &shared.auth, success),
            Ok(Err(refused)) => {
                let page = || page_asked_for(request, asking, &shared.proxies);
                refuse(&refused, &requirements, state, request, page)
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a proxy's question was not answered");
                HttpResponse::new(StatusCode::SERVICE_UNAVAILABLE)
            }
        },
        Err(reason) => {
            state.log_once(&reason.into(), request);
            HttpResponse::new(StatusCode::FORBIDDEN)
        }
    };
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response.extensions_mut().insert(AsItIs);
    response
}

/// A request that does not pass.
struct Refused {
    why: UnmetRequirement,
    /// Whether a browser can show something better at its next try: it showed nothing, or a cookie of ours.
    by_browser: bool,
}

async fn verdict(
    shared: &Shared,
    state: &ForwardAuth,
    request: &HttpRequest,
    requirements: &Requirements,
    asking: Asking,
) -> Result<Result<AuthenticatedSession, Refused>, StorageError> {
    let credential = Credential::first_in(&state.places, request.headers(), &shared.cookie);
    let by_browser = credential.is_cookie() || credential == Credential::Nothing;
    let refused = |why| Ok(Err(Refused { why, by_browser }));
    let method = credential.is_cookie().then(|| known_method(request, asking, &shared.proxies));
    let may_use = |method| allows_cookie(method, request, asking, &shared.proxies, &shared.origins);
    let cross_site = method.is_some_and(|method| !may_use(method));
    let lookup = shared.look_up(credential).await?;
    RequestRecord::note_caller(request, &lookup.caller);
    let factor = shared.auth.policy().staff_factor;
    let context = RequestContext {
        client_ip: None,
        over_limit: false,
        switches: lookup.switches,
        staff_factor: factor,
        cross_site,
    };
    let leads_on = requirements.login.is_some() || requirements.proof.factor;
    let live = lookup.caller.live().filter(|_| leads_on).cloned();
    let principal = match authorize(&requirements.to_requirement(), lookup.caller, context) {
        Ok(Authorized::User(principal)) => principal,
        Ok(Authorized::Staff(staff)) => staff.principal().clone(),
        Ok(Authorized::Public | Authorized::Guest(_) | Authorized::Login(_)) => {
            return refused(UnmetRequirement::Final(StatusCode::FORBIDDEN));
        }
        Err(denial) => {
            let mistake = method.filter(|_| denial == Denial::CrossSite).and_then(mistake);
            if let Some(mistake) = mistake {
                state.log_once(&mistake, request);
            }
            return refused(UnmetRequirement::of(denial, live.as_deref(), requirements));
        }
    };
    let authenticated = principal.authenticated();
    let AuthenticatedSession { session, user } = authenticated;
    if !requirements.scopes.iter().all(|scope| authenticated.may(*scope, factor)) {
        return refused(UnmetRequirement::Final(StatusCode::FORBIDDEN));
    }
    let now = shared.auth.clock().now();
    match requirements.proof.check(&session.authentications, user.has_second_factor, now) {
        Ok(()) => Ok(Ok(authenticated.clone())),
        Err(denial) => {
            // No page takes a scoped session.
            let by_browser = by_browser && session.grant == Grant::Full;
            Ok(Err(Refused { why: denial.into(), by_browser }))
        }
    }
}

/// The answer to a request that does not pass. A browser that was about to show a page is led to the pages, where the
/// operator wants that and what it gets there would reach us.
fn refuse(
    refused: &Refused,
    requirements: &Requirements,
    state: &ForwardAuth,
    request: &HttpRequest,
    page: impl Fn() -> Option<Url>,
) -> HttpResponse {
    let (door, bare) = match refused.why {
        UnmetRequirement::Final(status) => return HttpResponse::new(status),
        UnmetRequirement::Unauthenticated => (Door::Login, StatusCode::UNAUTHORIZED),
        UnmetRequirement::Unproved(bare) => (Door::Confirm(requirements.proof.max_age), bare),
    };
    let led = requirements.login.filter(|_| refused.by_browser).and_then(|status| {
        let Some(sign_in) = &state.sign_in else {
            state.log_once(&Mistake::NoPages, request);
            return None;
        };
        let page = page().filter(|page| sign_in.reaches(page))?;
        if !sign_in.leads_back_to(&page) {
            state.log_once(&Mistake::NotListed(page.origin().ascii_serialization()), request);
        }
        Some((status, sign_in.location(door, &page)?))
    });
    let mut response = HttpResponse::new(led.as_ref().map_or(bare, |(status, _)| *status));
    let status = response.status();
    if let Some((_, location)) = led {
        response.headers_mut().insert(LOCATION, location);
    }
    if status == StatusCode::UNAUTHORIZED && door != Door::Login {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge(requirements));
    }
    response
}

/// What the proxy did not say, where that is why a cookie was refused.
const fn mistake(method: KnownMethod) -> Option<Mistake> {
    match method {
        KnownMethod::Safe | KnownMethod::Unsafe => None,
        KnownMethod::Missing => Some(Mistake::MethodMissing),
        KnownMethod::Untrusted => Some(Mistake::MethodFromUntrustedProxy),
    }
}

fn allowed(
    authenticated: &AuthenticatedSession,
    names: &IdentityHeaders,
    auth: &Auth,
    success: StatusCode,
) -> HttpResponse {
    let AuthenticatedSession { session, user } = authenticated;
    let staff = if authenticated.has_staff_power(auth.policy().staff_factor) { "true" } else { "false" };
    let mut response = HttpResponse::build(success);
    response
        .insert_header((names.name(IdentityHeader::UserId), user.id.to_string()))
        .insert_header((names.name(IdentityHeader::UserName), user.username.as_str()))
        .insert_header((names.name(IdentityHeader::UserStaff), HeaderValue::from_static(staff)))
        .insert_header((names.name(IdentityHeader::SessionId), session.id.to_string()))
        .insert_header((names.name(IdentityHeader::SessionScopes), scope_names(authenticated, auth)));
    if let Some(Assurance { proved_at, methods, level }) = Assurance::of(&session.authentications) {
        response
            .insert_header((names.name(IdentityHeader::AuthTime), HeaderValue::from(proved_at.unix_seconds())))
            .insert_header((names.name(IdentityHeader::AuthMethods), HeaderValue::from_static(methods.as_str())))
            .insert_header((names.name(IdentityHeader::AuthLevel), HeaderValue::from_static(level.name())));
    }
    response.finish()
}
