//! The OpenAPI 3.1 document of the dialects, made from their route tables, and a page to read it on.
//!
//! It is built with `serde_json::json!` and, where it speaks of structures, from their types by `schemars`. utoipa's
//! types know no `const` and no list of types, which are in every error and every nullable field here, and its macros
//! would say a second time what the table already says.

pub(crate) mod doc;
pub(crate) mod errors;
pub(crate) mod headers;
pub(crate) mod parameters;
pub(crate) mod schema;

mod document;
mod operation;
mod page;
#[cfg(test)]
mod tests;

use std::panic::resume_unwind;
use std::thread;

use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::access::route::Endpoint;

pub(crate) const DOCUMENT_PATH: &str = "/openapi.json";
pub(crate) const PAGE_PATH: &str = "/docs";

/// The page loads nothing and runs nothing.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A dialect at its place.
pub(crate) struct Mount<'a> {
    /// Where it is mounted.
    pub(crate) base_path: &'a str,
    pub(crate) table: Vec<Endpoint>,
    pub(crate) dialect: Dialect,
}

/// What a dialect decides of how its rows are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Current,
    Kratos,
}

/// The document and the page, made once for the whole process.
#[derive(Clone)]
pub(crate) struct Documentation {
    document: Bytes,
    page: Bytes,
}

impl Documentation {
    /// For a server with these dialects. As a tree, the document takes 6 MiB: it is made on a thread of its own, since
    /// what one has freed goes back to the system with it. On the main thread it would be kept for ever.
    pub(crate) fn new<'a, const DIALECTS: usize>(mounts: impl FnOnce() -> [Mount<'a>; DIALECTS] + Send) -> Self {
        let made = thread::scope(|scope| scope.spawn(|| Self::make(&mounts())).join());
        made.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn make(mounts: &[Mount<'_>]) -> Self {
        let tree = document::document(mounts);
        let texts = [tree.to_string(), page::render(&tree)];
        let [document, page] = texts.map(|mut text| {
            text.shrink_to_fit();
            Bytes::from(text)
        });
        Self { document, page }
    }
}

/// Mounts `/openapi.json` and `/docs`.
pub(crate) fn mount(services: &mut web::ServiceConfig, documentation: &Documentation) {
    let Documentation { document, page } = documentation.clone();
    services.service(resource(DOCUMENT_PATH, move || {
        let mut response = HttpResponse::Ok();
        response.content_type(ContentType::json());
        (response, document.clone())
    }));
    services.service(resource(PAGE_PATH, move || {
        let mut response = HttpResponse::Ok();
        response.content_type(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, POLICY));
        (response, page.clone())
    }));
}

fn resource(path: &str, answer: impl Fn() -> (HttpResponseBuilder, Bytes) + Clone + 'static) -> actix_web::Resource {
    let show = move || {
        let (mut response, body) = answer();
        async move { response.insert_header((CACHE_CONTROL, "public, max-age=60")).body(body) }
    };
    let wrong_method = || async { HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).finish() };
    let resource = web::resource(path).route(web::get().to(show.clone())).route(web::head().to(show));
    resource.default_service(web::to(wrong_method))
}
