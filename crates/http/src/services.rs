//! The endpoints at the server's root, which are of no dialect: what other services ask, and proxies on their behalf,
//! what load balancers ask, and what people and programs read (`docs/API.md`).
//!
//! None but `/revoke` is counted by the limits, and those that services ask not by the flood shield either: a service
//! asks once for each request of its own clients, all from one address. It shows a secret that cannot be guessed, and a
//! proxy passes on what its own clients sent.

pub(crate) mod forward_auth;
pub(crate) mod openapi_document;

mod events;
mod health;
mod index;
mod introspect;
mod jwks;
pub(crate) mod metadata;
mod oauth;
mod revoke;

use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::{HttpResponse, Resource, web};
use thunderhead_domain::ports::Storage;

use crate::access::authorization::Shared;
use crate::roots::RootEndpoint;
use crate::server::shutdown::Draining;
use crate::services::forward_auth::ForwardAuth;
use crate::services::metadata::Metadata;
use crate::services::openapi_document::Documentation;

/// Pages load nothing and run nothing.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What they need.
#[derive(Clone)]
pub(crate) struct RootServices {
    pub(crate) shared: Arc<Shared>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) draining: Draining,
    pub(crate) ready_needs_writes: bool,
    pub(crate) forward_auth: Arc<ForwardAuth>,
    pub(crate) documentation: Documentation,
    /// What there is to look up, if anybody can.
    pub(crate) metadata: Option<Metadata>,
    pub(crate) has_pages: bool,
}

impl RootServices {
    /// Mounts all of them, for an API with this base path.
    pub(crate) fn mount(&self, services: &mut web::ServiceConfig, base_path: &str) {
        index::mount(services, &self.shared, base_path, self.has_pages);
        health::mount(services, self);
        jwks::mount(services, &self.shared.auth);
        openapi_document::mount(services, &self.documentation);
        if let Some(metadata) = &self.metadata {
            metadata.mount(services);
        }
        introspect::mount(services, &self.shared);
        revoke::mount(services, &self.shared);
        events::mount(services, &self.shared, &self.draining);
        forward_auth::mount(services, &self.shared, &self.forward_auth);
    }
}

/// The resource of an endpoint, which tells other methods what there is.
fn resource(endpoint: RootEndpoint, allowed: &'static str) -> Resource {
    resource_at(endpoint.path(), allowed)
}

fn resource_at(path: &str, allowed: &'static str) -> Resource {
    let wrong_method = move || async move { HttpResponse::MethodNotAllowed().insert_header((ALLOW, allowed)).finish() };
    web::resource(path).default_service(web::to(wrong_method))
}

/// The same for one that is read.
fn readable<A, F>(endpoint: RootEndpoint, answer: A) -> Resource
where
    A: Fn() -> F + Clone + 'static,
    F: Future<Output = HttpResponse> + 'static,
{
    readable_at(endpoint.path(), answer)
}

fn readable_at<A, F>(path: &str, answer: A) -> Resource
where
    A: Fn() -> F + Clone + 'static,
    F: Future<Output = HttpResponse> + 'static,
{
    resource_at(path, "GET, HEAD").route(web::get().to(answer.clone())).route(web::head().to(answer))
}
