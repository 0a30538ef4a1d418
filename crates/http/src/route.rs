//! Routes with their demands. A route is made by one of [`open`], [`visitor`], [`login`], [`user`] and [`staff`];
//! each takes a handler that wants the evidence which that demand yields, so a route without a demand, or with
//! one that does not fit its handler, does not compile.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::ALLOW;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};
use thunderhead_domain::judgement::{Admitted, Demand, Principal, ScopeDemand, StaffPrincipal, Visitor, Who};
use thunderhead_domain::switch::KillSwitch;

use crate::api::error::{ApiError, ApiResult};
use crate::body::discard;
use crate::call::{Call, UnreadBody};
use crate::gate::{Counted, Shared};
use crate::meter::RoutePattern;
use crate::openapi::doc::Doc;

/// How long a response waits for the rest of a body that nobody wants.
const DISCARD_DEADLINE: Duration = Duration::from_millis(500);

/// One row of the route table.
pub(crate) struct Endpoint {
    /// `None` is any method.
    pub(crate) method: Option<Method>,
    pub(crate) path: &'static str,
    pub(crate) demand: Demand,
    pub(crate) counted: Counted,
    handler: Handler,
    /// What the OpenAPI document says of it besides.
    pub(crate) doc: Describe,
}

/// Makes the documentation of a row: the constructors ask for one, so a row without it does not compile.
type Describe = fn() -> Doc;

type Answer = std::pin::Pin<Box<dyn Future<Output = ApiResult>>>;
type Handler = Arc<dyn Fn(Admitted, Call) -> Answer>;

/// For everybody.
pub(crate) fn open<F: Future<Output = ApiResult> + 'static>(
    path: &'static str,
    handler: impl Fn(Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler: Handler = Arc::new(move |admitted, call| match admitted {
        Admitted::Anyone => Box::pin(handler(call)),
        other => mismatch(&other),
    });
    Endpoint { method: None, path, demand: demand(Who::Anyone, &[]), counted: Counted::General, handler, doc }
}

/// For those who carry no session.
pub(crate) fn visitor<F: Future<Output = ApiResult> + 'static>(
    method: Method,
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Visitor, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = for_visitor(handler);
    let demand = demand(Who::Visitor, switches);
    Endpoint { method: Some(method), path, demand, counted: Counted::General, handler, doc }
}

/// For those who log in: counted by the limit of logins, and under a switch left to staff.
pub(crate) fn login<F: Future<Output = ApiResult> + 'static>(
    path: &'static str,
    switches: &'static [KillSwitch],
    handler: impl Fn(Visitor, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler = for_visitor(handler);
    let demand = demand(Who::LoginVisitor, switches);
    Endpoint { method: Some(Method::POST), path, demand, counted: Counted::Login, handler, doc }
}

/// For users.
pub(crate) fn user<F: Future<Output = ApiResult> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeDemand,
    switches: &'static [KillSwitch],
    handler: impl Fn(Principal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler: Handler = Arc::new(move |admitted, call| match admitted {
        Admitted::User(principal) => Box::pin(handler(principal, call)),
        other => mismatch(&other),
    });
    let demand = demand(Who::User(scope), switches);
    Endpoint { method: Some(method), path, demand, counted: Counted::General, handler, doc }
}

/// For staff.
pub(crate) fn staff<F: Future<Output = ApiResult> + 'static>(
    method: Method,
    path: &'static str,
    scope: ScopeDemand,
    handler: impl Fn(StaffPrincipal, Call) -> F + 'static,
    doc: Describe,
) -> Endpoint {
    let handler: Handler = Arc::new(move |admitted, call| match admitted {
        Admitted::Staff(principal) => Box::pin(handler(principal, call)),
        other => mismatch(&other),
    });
    let demand = demand(Who::Staff(scope), &[]);
    Endpoint { method: Some(method), path, demand, counted: Counted::General, handler, doc }
}

impl Endpoint {
    /// The same, shut by these switches.
    pub(crate) const fn under(mut self, switches: &'static [KillSwitch]) -> Self {
        self.demand.switches = switches;
        self
    }

    /// The same with reverification of identity.
    pub(crate) fn reverified(mut self) -> Self {
        self.demand.reverify = true;
        self
    }
}

const fn demand(who: Who, switches: &'static [KillSwitch]) -> Demand {
    Demand { who, switches, reverify: false }
}

fn for_visitor<F: Future<Output = ApiResult> + 'static>(handler: impl Fn(Visitor, Call) -> F + 'static) -> Handler {
    Arc::new(move |admitted, call| match admitted {
        Admitted::Visitor(visitor) => Box::pin(handler(visitor, call)),
        other => mismatch(&other),
    })
}

/// The judgement yields the evidence of the demand that it was given, as a test in `domain` shows.
fn mismatch(admitted: &Admitted) -> Answer {
    tracing::error!(?admitted, "the judgement yielded evidence of another demand");
    Box::pin(async { Err(ApiError::Internal) })
}

/// Mounts a table. Rows of one path become one resource, in the order of the table: a path that is spelt out
/// stands above one with a parameter in its place.
pub(crate) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>, base_path: &str, table: Vec<Endpoint>) {
    let mut paths: Vec<&'static str> = Vec::new();
    for endpoint in &table {
        if !paths.contains(&endpoint.path) {
            paths.push(endpoint.path);
        }
    }
    for path in paths {
        let rows = table.iter().filter(|endpoint| endpoint.path == path);
        let pattern = RoutePattern::new(base_path, path);
        services.service(resource(path, pattern, shared, rows.collect()));
    }
}

fn resource(path: &'static str, pattern: RoutePattern, shared: &Arc<Shared>, rows: Vec<&Endpoint>) -> Resource {
    let allowed = allowed(&rows);
    // The measurements read the pattern off the answered request.
    let resource = web::resource(path).app_data(pattern);
    let resource = rows.into_iter().fold(resource, |resource, endpoint| {
        let route = match endpoint.method.clone() {
            None => web::route(),
            Some(Method::GET) => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            Some(method) => web::method(method),
        };
        resource.route(serve(route, shared, endpoint.demand, endpoint.counted, Arc::clone(&endpoint.handler)))
    });
    resource.default_service(nowhere(shared, Some(allowed)))
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
/// judged like every other.
pub(crate) fn nowhere(shared: &Arc<Shared>, allowed: Option<String>) -> Route {
    let handler: Handler = Arc::new(move |_admitted, _call| {
        let allowed = allowed.clone();
        Box::pin(async move {
            let error = ApiError::InvalidEndpoint;
            let Some(allowed) = allowed else { return Err(error) };
            let mut response = error.into_response();
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            if let Ok(value) = allowed.parse() {
                response.headers_mut().insert(ALLOW, value);
            }
            Ok(response)
        })
    });
    serve(web::route(), shared, demand(Who::Anyone, &[]), Counted::General, handler)
}

fn serve(route: Route, shared: &Arc<Shared>, demand: Demand, counted: Counted, handler: Handler) -> Route {
    let shared = Arc::clone(shared);
    route.to(move |request: HttpRequest, payload: web::Payload| {
        let (shared, handler) = (Arc::clone(&shared), Arc::clone(&handler));
        async move { answer(shared, demand, counted, handler, request, payload).await }
    })
}

async fn answer(
    shared: Arc<Shared>,
    demand: Demand,
    counted: Counted,
    handler: Handler,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let client = shared.proxies.client_of(request.peer_addr().map(|peer| peer.ip()), request.headers());
    let passage = shared.pass(&demand, counted, client, &request).await;
    let body: UnreadBody = Rc::new(Cell::new(Some(payload)));
    let outcome = match passage.outcome {
        Ok(admitted) => handler(admitted, Call::new(shared, request, Rc::clone(&body), client)).await,
        Err(refusal) => Err(refusal.into()),
    };
    // With its body read to the end the connection can be used again.
    if let Some(unread) = body.take() {
        discard(unread, DISCARD_DEADLINE).await;
    }
    let mut response = outcome.unwrap_or_else(ApiError::into_response);
    if let Some(verdict) = passage.verdict {
        verdict.write_headers(response.headers_mut());
    }
    response
}
