//! What other services ask, and proxies on their behalf (`spec/services.md`). Both stand at the server's root.
//!
//! Neither is counted by the limits or by the flood shield: a service asks once for each request of its own
//! clients, all from one address. A service shows a secret that cannot be guessed, and a proxy passes on what its
//! own clients sent.

mod forward_auth;
mod introspect;

use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Resource, web};

use crate::gate::Shared;

const INTROSPECT: &str = "/introspect";
const FORWARD_AUTH: &str = "/forward-auth";

/// Whether a path is one of these.
pub(crate) fn is_service_path(path: &str) -> bool {
    matches!(path, INTROSPECT | FORWARD_AUTH)
}

pub(crate) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>) {
    let asking = Arc::clone(shared);
    let introspect = move |request, payload| introspect::introspect(Arc::clone(&asking), request, payload);
    services.service(resource(INTROSPECT, "POST").route(web::post().to(introspect)));
    let asking = Arc::clone(shared);
    let forward_auth = move |request| forward_auth::forward_auth(Arc::clone(&asking), request);
    let resource = resource(FORWARD_AUTH, "GET, HEAD");
    services.service(resource.route(web::get().to(forward_auth.clone())).route(web::head().to(forward_auth)));
}

fn resource(path: &'static str, allowed: &'static str) -> Resource {
    let wrong_method = move || async move { HttpResponse::MethodNotAllowed().insert_header((ALLOW, allowed)).finish() };
    web::resource(path).default_service(web::to(wrong_method))
}
