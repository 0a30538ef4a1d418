//! Serving the rows of a dialect's table: each request is counted, checked and handed to its handler.

use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};
use thunderhead_domain::authorization::{Access, Requirement};

use crate::access::authorization::Shared;
use crate::access::call::Call;
use crate::access::dialect::{DialectError, HttpDialect};
use crate::access::endpoint::{DialectHooks, Endpoint, Handler};
use crate::access::limit_class::{Body, RateLimitClass, RateLimitRule};
use crate::metrics::RoutePattern;
use crate::middleware::record::RequestRecord;
use crate::request::credential::Credential;

/// Mounts a dialect at its place. Rows of one path become one resource, in the order of the table.
pub(crate) fn mount<D: HttpDialect>(services: &mut web::ServiceConfig, shared: &Arc<Shared>, place: &str) {
    let table = D::table();
    let mount_rows = |services: &mut web::ServiceConfig, path: &'static str| {
        let rows = table.iter().filter(|endpoint| endpoint.path == path);
        let pattern = RoutePattern::new(place, path);
        services.service(resource::<D>(path, pattern, shared, rows.collect()));
    };
    let mut paths: Vec<&'static str> = Vec::new();
    for endpoint in &table {
        if !paths.contains(&endpoint.path) {
            paths.push(endpoint.path);
        }
    }
    let (first, rest): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| D::ASKED_MOST.contains(path));
    first.into_iter().for_each(|path| mount_rows(services, path));
    for path in D::LEFT_OUT {
        services.service(web::resource(*path).default_service(nowhere::<D>(shared, None)));
    }
    rest.into_iter().for_each(|path| mount_rows(services, path));
    for first in D::FIRST_SEGMENTS {
        for path in [format!("/{first}"), format!("/{first}/{{rest}}*")] {
            services.service(web::resource(path).default_service(nowhere::<D>(shared, None)));
        }
    }
}

fn resource<D: HttpDialect>(
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
        resource.route(serve_row(route, shared, endpoint))
    });
    resource.default_service(nowhere::<D>(shared, Some(allowed)))
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
pub(crate) fn nowhere<D: HttpDialect>(shared: &Arc<Shared>, allowed: Option<String>) -> Route {
    let handler: Handler = Arc::new(move |_authorized, call| {
        let allowed = allowed.clone();
        Box::pin(async move {
            let Some(allowed) = allowed else { return D::Error::nothing_here().respond(call.request()) };
            let mut response = D::Error::wrong_method().respond(call.request());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            if let Ok(value) = allowed.parse() {
                response.headers_mut().insert(ALLOW, value);
            }
            response
        })
    });
    let requirement = Requirement { access: Access::Public, switches: &[], reverify: false };
    let hooks = DialectHooks::of::<D>();
    serve(web::route(), shared, Served { requirement, limit_class: RateLimitClass::General, hooks, handler })
}

/// Has a row answer what comes by a route.
pub(crate) fn serve_row(route: Route, shared: &Arc<Shared>, endpoint: &Endpoint) -> Route {
    let served = Served {
        requirement: endpoint.requirement,
        limit_class: endpoint.limit_class,
        hooks: endpoint.hooks,
        handler: Arc::clone(&endpoint.handler),
    };
    serve(route, shared, served)
}

fn serve(route: Route, shared: &Arc<Shared>, served: Served) -> Route {
    let shared = Arc::clone(shared);
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
    let Served { requirement, limit_class, hooks, handler } = served;
    if let Some(response) = (hooks.turned_away)(&request) {
        return response;
    }
    if limit_class.is_revocation() {
        RequestRecord::note_change(&request);
    }
    let client = shared.client_of(&request);
    let credential = Credential::first_in(hooks.credentials, request.headers(), &shared.cookie);
    let by_cookie = credential.is_cookie();
    let (rule, body) = match limit_class {
        RateLimitClass::General => (RateLimitRule::General, Body::Unread(payload)),
        // In a box: what is seldom needed must not make every request's future larger.
        limit_class => Box::pin(limit_class.count(&request, payload)).await,
    };
    let decision = shared.check(&requirement, rule, client, credential, &request).await;
    let mut response = match decision.outcome {
        Ok(authorized) => handler(authorized, Call::new(shared, request, body, client, hooks.origin)).await,
        Err(refusal) => {
            let is_dead = by_cookie && refusal.is_of_a_dead_session();
            let mut response = (hooks.refuse)(refusal, &request);
            if is_dead
                && (hooks.is_for_people || response.status() == StatusCode::UNAUTHORIZED)
                && !Box::pin(may_be_another_tab(&shared, hooks, &request)).await
            {
                // It would be shown for ever: browsers know of its end from us alone.
                shared.clear_session(&mut response);
            }
            response
        }
    };
    if let Some(verdict) = decision.verdict {
        verdict.write_headers(response.headers_mut());
    }
    response
}

/// Whether the token that the cookie shows was replaced a moment ago, or nobody can tell: the browser may have the cookie
/// with the new one by now.
async fn may_be_another_tab(shared: &Shared, hooks: DialectHooks, request: &HttpRequest) -> bool {
    match Credential::first_in(hooks.credentials, request.headers(), &shared.cookie).into_token() {
        Some(token) => shared.auth.confirmations.was_just_replaced(token.expose()).await.unwrap_or(true),
        None => false,
    }
}
