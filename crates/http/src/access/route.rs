//! Routes with their requirements. A row is made by one of [`any_method`], [`public`], [`guest`], [`guest_login`],
//! [`login`], [`login_begin`], [`user`] and [`staff`]; each takes a handler that wants the evidence which that
//! requirement yields, so a route without a requirement, or with one that does not fit its handler, does not compile.

use std::sync::Arc;

use actix_web::http::header::{ALLOW, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};
use thunderhead_domain::authorization::{
    Access, Authorized, Denial, Guest, LoginCaller, Principal, Requirement, ScopeRule, StaffPrincipal,
};
use thunderhead_domain::change_authorization::PreconditionFailed;
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::switch::KillSwitch;

use crate::access::authorization::{AccessError, Shared};
use crate::access::call::{Body, Call};
use crate::access::dialect::DialectError;
use crate::access::limit_class::{NamedToken, RateLimitClass, RateLimitRule, Submission};
use crate::metrics::RoutePattern;
use crate::middleware::record::RequestRecord;
use crate::openapi::doc::{Doc, Success, Tag};
use crate::request::cookie::SessionCookie;
use crate::request::credential::Credential;

/// One row of the route table.
pub(crate) struct Endpoint {
    /// `None` is any method.
    pub(crate) method: Option<Method>,
    pub(crate) path: &'static str,
    pub(crate) requirement: Requirement,
    pub(crate) limit_class: RateLimitClass,
    handler: Handler,
    hooks: DialectHooks,
    /// What the OpenAPI document says of it besides.
    pub(crate) doc: Describe,
}

/// Makes the documentation of a row: the constructors ask for one, so a row without it does not compile.
type Describe = fn() -> Doc;

type Answer = std::pin::Pin<Box<dyn Future<Output = HttpResponse>>>;
type Handler = Arc<dyn Fn(Authorized, Call) -> Answer>;

/// What a row takes from its dialect: the type of its handler's errors says which that is.
#[derive(Clone, Copy)]
struct DialectHooks {
    credential: fn(&HeaderMap, &SessionCookie) -> Credential,
    refuse: fn(AccessError, &HttpRequest) -> HttpResponse,
}

impl DialectHooks {
    fn of<E: DialectError>() -> Self {
        let refuse = |refusal, request: &HttpRequest| {
            let error = match refusal {
                AccessError::Denied(denial) => E::from(denial),
                AccessError::Storage(error) => E::from(error),
            };
            error.respond(request)
        };
        Self { credential: E::credential, refuse }
    }
}

/// Takes one kind of evidence out of what the authorization yields.
macro_rules! evidence {
    (Authorized::Public) => {
        |admitted| match admitted {
            Authorized::Public => Ok(()),
            other => Err(other),
        }
    };
    (Authorized::$kind:ident) => {
        |admitted| match admitted {
            Authorized::$kind(evidence) => Ok(evidence),
            other => Err(other),
        }
    };
}

/// For everybody.
pub(crate) fn any_method<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Public), |()| None, move |(), call| handler(call));
    Endpoint::new::<E>(None, path, Access::Public, &[], handler, doc)
}

/// For everybody, by one method.
pub(crate) fn public<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Public), |()| None, move |(), call| handler(call));
    Endpoint::new::<E>(Some(method), path, Access::Public, switches, handler, doc)
}

/// For those who carry no session.
pub(crate) fn guest<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Guest, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Guest), |_| None, handler);
    Endpoint::new::<E>(Some(method), path, Access::Guest, switches, handler, doc)
}

/// For those who log in and carry no session: counted by the limit of logins, and under a switch left to staff.
pub(crate) fn guest_login<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    submission: Submission,
    switches: &'static [KillSwitch],
    handler: impl Fn(Guest, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Guest), |_| None, handler);
    let endpoint = Endpoint::new::<E>(Some(Method::POST), path, Access::GuestLogin, switches, handler, doc);
    Endpoint { limit_class: RateLimitClass::Login(submission), ..endpoint }
}

/// For those who are about to log in, whatever session they carry.
pub(crate) fn login_begin<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    handler: impl Fn(LoginCaller, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Login), |_| None, handler);
    Endpoint::new::<E>(Some(method), path, Access::Login, &[], handler, doc)
}

/// The same as [`guest_login`] for those who may carry a session.
pub(crate) fn login<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    path: &'static str,
    submission: Submission,
    switches: &'static [KillSwitch],
    handler: impl Fn(LoginCaller, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Login), |_| None, handler);
    let endpoint = Endpoint::new::<E>(Some(Method::POST), path, Access::Login, switches, handler, doc);
    Endpoint { limit_class: RateLimitClass::Login(submission), ..endpoint }
}

/// For users.
pub(crate) fn user<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeRule,
    switches: &'static [KillSwitch],
    handler: impl Fn(Principal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::User), |principal| Some(Own::of(principal)), handler);
    Endpoint::new::<E>(Some(method), path, Access::User(scope), switches, handler, doc)
}

/// For staff.
pub(crate) fn staff<E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeRule,
    handler: impl Fn(StaffPrincipal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = taking(evidence!(Authorized::Staff), |staff| Some(Own::of(staff.principal())), handler);
    Endpoint::new::<E>(Some(method), path, Access::Staff(scope), &[], handler, doc)
}

/// The caller's own session.
#[derive(Clone, Copy)]
struct Own {
    session: SessionUuid,
    user: UserId,
}

impl Own {
    fn of(principal: &Principal) -> Self {
        Self { session: principal.session().uuid, user: principal.user().id }
    }
}

/// Wraps a handler that takes one kind of evidence.
fn taking<T: 'static, E: DialectError, F: Future<Output = Result<HttpResponse, E>> + 'static>(
    evidence: fn(Authorized) -> Result<T, Authorized>,
    own: fn(&T) -> Option<Own>,
    handler: impl Fn(T, Call) -> F + 'static,
) -> Handler {
    Arc::new(move |admitted, call| {
        let (request, shared) = (call.request().clone(), call.shared());
        match evidence(admitted) {
            Ok(evidence) => {
                let own = own(&evidence);
                let answer = handler(evidence, call);
                Box::pin(async move {
                    match answer.await {
                        Ok(response) => response,
                        Err(error) => Box::pin(or_overtaken(error, own, &shared)).await.respond(&request),
                    }
                })
            }
            // The authorization yields the evidence of the demand that it was given, as a test in `domain` shows.
            Err(other) => {
                tracing::error!(admitted = ?other, "the authorization yielded evidence of another demand");
                Box::pin(async { HttpResponse::InternalServerError().finish() })
            }
        }
    })
}

/// The error of a request whose own session may have ended while it was under way. Then that is what the client is
/// told: what it asked for is not there because of it, or is no longer its business.
async fn or_overtaken<E: DialectError>(error: E, own: Option<Own>, shared: &Shared) -> E {
    let Some(Own { session, user }) = own.filter(|_| error.may_be_overtaken()) else { return error };
    match shared.auth.session_ended_since(session, user).await {
        Ok(None) => error,
        Ok(Some(PreconditionFailed::Banned)) => Denial::Banned.into(),
        Ok(Some(_)) => Denial::Unauthenticated.into(),
        Err(error) => error.into(),
    }
}

impl Endpoint {
    fn new<E: DialectError>(
        method: Option<Method>,
        path: &'static str,
        access: Access,
        switches: &'static [KillSwitch],
        handler: Handler,
        doc: Describe,
    ) -> Self {
        let requirement = Requirement { access, switches, reverify: false };
        Self {
            method,
            path,
            requirement,
            limit_class: RateLimitClass::General,
            handler,
            hooks: DialectHooks::of::<E>(),
            doc,
        }
    }

    /// The same, shut by these switches.
    pub(crate) const fn under(mut self, switches: &'static [KillSwitch]) -> Self {
        self.requirement.switches = switches;
        self
    }

    /// The same with another place to look for the credential in.
    pub(crate) const fn showing(mut self, credential: fn(&HeaderMap, &SessionCookie) -> Credential) -> Self {
        self.hooks.credential = credential;
        self
    }

    /// The same, counted by the limit of revocations.
    pub(crate) const fn revoking(mut self) -> Self {
        self.limit_class = RateLimitClass::Revocation;
        self
    }

    /// The same, counted by the limit of revocations for the session of a token.
    pub(crate) const fn revoking_by(mut self, token: NamedToken) -> Self {
        self.limit_class = RateLimitClass::RevocationByToken(token);
        self
    }

    /// The same with reverification of identity.
    pub(crate) fn reverified(mut self) -> Self {
        self.requirement.reverify = true;
        self
    }
}

/// Mounts a table. Rows of one path become one resource, in the order of the table: a path that is spelt out
/// stands above one with a parameter in its place.
pub(crate) fn mount<E: DialectError>(
    services: &mut web::ServiceConfig,
    shared: &Arc<Shared>,
    base_path: &str,
    table: Vec<Endpoint>,
) {
    let mut paths: Vec<&'static str> = Vec::new();
    for endpoint in &table {
        if !paths.contains(&endpoint.path) {
            paths.push(endpoint.path);
        }
    }
    for path in paths {
        let rows = table.iter().filter(|endpoint| endpoint.path == path);
        let pattern = RoutePattern::new(base_path, path);
        services.service(resource::<E>(path, pattern, shared, rows.collect()));
    }
}

fn resource<E: DialectError>(
    path: &'static str,
    pattern: RoutePattern,
    shared: &Arc<Shared>,
    rows: Vec<&Endpoint>,
) -> Resource {
    let allowed = allowed(&rows);
    // The measurements read the pattern off the answered request.
    let resource = web::resource(path).app_data(pattern);
    let resource = rows.into_iter().fold(resource, |resource, endpoint| {
        let route = match endpoint.method.clone() {
            None => web::route(),
            Some(Method::GET) => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            Some(method) => web::method(method),
        };
        resource.route(serve(route, shared, endpoint))
    });
    resource.default_service(nowhere::<E>(shared, Some(allowed)))
}

fn allowed(rows: &[&Endpoint]) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for method in rows.iter().filter_map(|endpoint| endpoint.method.as_ref()) {
        methods.push(method.as_str());
        if *method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.join(", ")
}

/// The answer where there is no endpoint: 405 with the methods that there are, or 404. It is counted and
/// checked like every other.
pub(crate) fn nowhere<E: DialectError>(shared: &Arc<Shared>, allowed: Option<String>) -> Route {
    let handler: Handler = Arc::new(move |_admitted, call| {
        let allowed = allowed.clone();
        Box::pin(async move {
            let Some(allowed) = allowed else { return E::nothing_here().respond(call.request()) };
            let mut response = E::wrong_method().respond(call.request());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            if let Ok(value) = allowed.parse() {
                response.headers_mut().insert(ALLOW, value);
            }
            response
        })
    });
    let doc = || Doc::new(Tag::Server, "", Success::ok("", ""));
    serve(web::route(), shared, &Endpoint::new::<E>(None, "", Access::Public, &[], handler, doc))
}

fn serve(route: Route, shared: &Arc<Shared>, endpoint: &Endpoint) -> Route {
    let shared = Arc::clone(shared);
    let served = Served {
        requirement: endpoint.requirement,
        limit_class: endpoint.limit_class,
        hooks: endpoint.hooks,
        handler: Arc::clone(&endpoint.handler),
    };
    route.to(move |request: HttpRequest, payload: web::Payload| {
        let (shared, served) = (Arc::clone(&shared), served.clone());
        answer(shared, served, request, payload)
    })
}

/// What of a row is needed to serve it.
#[derive(Clone)]
struct Served {
    requirement: Requirement,
    limit_class: RateLimitClass,
    hooks: DialectHooks,
    handler: Handler,
}

async fn answer(shared: Arc<Shared>, served: Served, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let cookie = shared.cookie;
    let client = RequestRecord::client(&request)
        .unwrap_or_else(|| shared.proxies.client_of(request.peer_addr().map(|peer| peer.ip()), request.headers()));
    let shown = (served.hooks.credential)(request.headers(), &shared.cookie);
    let by_cookie = shown.is_cookie();
    let (count, body) = match served.limit_class {
        RateLimitClass::General => (RateLimitRule::General, Body::Unread(payload)),
        // In a box: what is seldom needed must not make every request's future larger.
        limit_class => Box::pin(limit_class.count(&request, payload)).await,
    };
    let decision = shared.pass(&served.requirement, count, client, shown, &request).await;
    let mut response = match decision.outcome {
        Ok(admitted) => (served.handler)(admitted, Call::new(shared, request, body, client)).await,
        Err(refusal) => {
            let is_dead = by_cookie && refusal.is_of_a_dead_session();
            let mut response = (served.hooks.refuse)(refusal, &request);
            if is_dead && response.status() == StatusCode::UNAUTHORIZED {
                clear(cookie, &mut response);
            }
            response
        }
    };
    if let Some(verdict) = decision.verdict {
        verdict.write_headers(response.headers_mut());
    }
    response
}

/// A cookie that is worth nothing any more would be shown for ever: browsers know of its end from us alone.
fn clear(cookie: SessionCookie, response: &mut HttpResponse) {
    if let Ok(value) = HeaderValue::from_str(&cookie.clearing().to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}
