//! What other services ask, and proxies on their behalf (`docs/API.md`). Both stand at the server's root.
//!
//! Neither is counted by the limits or by the flood shield: a service asks once for each request of its own
//! clients, all from one address. A service shows a secret that cannot be guessed, and a proxy passes on what its
//! own clients sent.

pub(crate) mod docs;
pub(crate) mod forward_auth;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod jwks;

mod introspect;

use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Resource, web};

use crate::access::authorization::Shared;
use crate::metrics::RoutePattern;

const INTROSPECT: &str = "/introspect";
const FORWARD_AUTH: &str = "/forward-auth";
/// What Envoy's questions begin with. Behind it come the demands, and behind them what Envoy was asked for itself.
const ENVOY: &str = "/forward-auth/envoy/";

/// Whether a path is one of these.
pub(crate) fn is_service_path(path: &str) -> bool {
    matches!(path, INTROSPECT | FORWARD_AUTH) || is_of_envoy(path)
}

/// Whether a path holds another one, which a client of a client sent and which is nobody's business here.
pub(crate) fn is_of_envoy(path: &str) -> bool {
    path.starts_with(ENVOY)
}

/// A path without one that it holds.
pub(crate) fn without_original(path: &str) -> &str {
    let requirements = path.strip_prefix(ENVOY).map(|below| below.split('/').next().unwrap_or_default().len());
    requirements.and_then(|requirements| path.get(..ENVOY.len() + requirements)).unwrap_or(path)
}

pub(crate) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    let asking = Arc::clone(shared);
    let introspect = move |request, payload| introspect::introspect(Arc::clone(&asking), request, payload);
    services.service(resource(INTROSPECT, "POST").route(web::post().to(introspect)));
    let asking = Arc::clone(shared);
    let for_envoy = move |request| forward_auth::for_envoy(Arc::clone(&asking), request);
    let envoy = web::resource(format!("{ENVOY}{{original:.*}}"));
    services.service(
        envoy.app_data(RoutePattern::new(ENVOY, "{requirements}/{original}")).default_service(web::to(for_envoy)),
    );
    let asking = Arc::clone(shared);
    let forward_auth = move |request| forward_auth::forward_auth(Arc::clone(&asking), request);
    let resource = resource(FORWARD_AUTH, "GET, HEAD");
    services.service(resource.route(web::get().to(forward_auth.clone())).route(web::head().to(forward_auth)));
}

fn resource(path: &'static str, allowed: &'static str) -> Resource {
    let wrong_method = move || async move { HttpResponse::MethodNotAllowed().insert_header((ALLOW, allowed)).finish() };
    web::resource(path).default_service(web::to(wrong_method))
}
