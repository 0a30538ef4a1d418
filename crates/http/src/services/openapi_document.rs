//! `/openapi.json` and `/docs`: the OpenAPI document of all dialects and of what is at the root, and a page to read it
//! on.

mod errors;
mod headers;
mod oauth;
mod outside;
#[cfg(test)]
mod tests;

use std::panic::resume_unwind;
use std::thread;
use std::time::Instant;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};
use tracing::debug;

use crate::dialects;
use crate::openapi::document::Head;
use crate::openapi::{self, page};
use crate::request::cookie::SessionCookie;
use crate::request::pass_cookie;
use crate::roots::RootEndpoint;
use crate::services::readable;

const INTRODUCTION: &str = "\
Sessions that can be seen and ended, tokens that can do only some things, and doors that can be shut.

Requests and answers are JSON. A path with a slash at its end is the same path. `Authorization` carries the token, \
bare or behind `Bearer`; where it is absent, the session cookie counts, for changes only from this site or a \
configured origin. Every answer carries `X-Request-ID`; every error is an object with `code` and `message`; \
what is said here is said of the current dialect, and the Kratos dialect has rules of its own. A method \
that a path does not have is answered with 405, `Allow` and `InvalidEndpoint`; a path that does not exist with 404 and \
`InvalidEndpoint`.

A request with several faults is answered with the first of: its limit (429), a kill switch (503), the session (401), \
a ban (403), staff and its second factor (403, 401), the scope (403), the body (400, 413), the proof of identity (400, \
401), and the thing itself (404). HEAD is answered as GET is, without a body. In a body, null is the same as nothing, and \
a field that is not told here is left aside.";

/// What the page may load: its style and its script.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const PATHS: page::Paths = page::Paths {
    document: RootEndpoint::Document.path(),
    style: RootEndpoint::DocumentStyle.path(),
    script: RootEndpoint::DocumentScript.path(),
};

/// The document and the page, made once for the whole process.
#[derive(Clone)]
pub(crate) struct Documentation {
    document: Bytes,
    page: Bytes,
}

impl Documentation {
    /// For an API with this base path, in a program of this licence. As a tree, the document takes 6 MiB: it is made on a thread of its own, since
    /// what one has freed goes back to the system with it. On the main thread it would be kept for ever.
    pub(crate) fn new(base_path: &str, license: &'static str) -> Self {
        let made = thread::scope(|scope| scope.spawn(|| Self::make(base_path, license)).join());
        made.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn make(base_path: &str, license: &'static str) -> Self {
        let begun = Instant::now();
        let tree = document(base_path, license);
        let texts = [tree.to_string(), page::render(&tree, PATHS)];
        let [document, page] = texts.map(|mut text| {
            text.shrink_to_fit();
            Bytes::from(text)
        });
        let (document_bytes, page_bytes, took) = (document.len(), page.len(), begun.elapsed());
        debug!(document_bytes, page_bytes, ?took, "made the OpenAPI document and its page");
        Self { document, page }
    }
}

pub(super) fn mount(services: &mut web::ServiceConfig, documentation: &Documentation) {
    let Documentation { document, page } = documentation.clone();
    let show_document = move || {
        let mut response = HttpResponse::Ok();
        response.content_type(ContentType::json());
        cacheable(response, document.clone())
    };
    let show_page = move || {
        let mut response = HttpResponse::Ok();
        response.content_type(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, POLICY));
        cacheable(response, page.clone())
    };
    let show_text = |kind: &'static str, text: &'static str| {
        move || {
            let mut response = HttpResponse::Ok();
            response.content_type(kind);
            cacheable(response, Bytes::from_static(text.as_bytes()))
        }
    };
    services.service(readable(RootEndpoint::Document, show_document));
    services.service(readable(RootEndpoint::DocumentPage, show_page));
    services.service(readable(RootEndpoint::DocumentStyle, show_text("text/css; charset=utf-8", page::STYLE)));
    services.service(readable(RootEndpoint::DocumentScript, show_text("text/javascript; charset=utf-8", page::SCRIPT)));
}

async fn cacheable(mut response: HttpResponseBuilder, body: Bytes) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "public, max-age=60")).body(body)
}

fn document(base_path: &str, license: &'static str) -> Value {
    let mut generator = openapi::schema::generator();
    let dialects = dialects::ALL.map(|dialect| dialect.part(base_path, &mut generator));
    let outside = outside::part(&mut generator);
    let head = Head {
        title: "Thunderhead",
        description: INTRODUCTION,
        version: env!("CARGO_PKG_VERSION"),
        license,
        headers: headers::components(),
        security_schemes: security_schemes(),
    };
    openapi::document::document(head, dialects.into_iter().chain([outside]).collect(), &mut generator)
}

fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The bare token.",
        },
        "sessionToken": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Session-Token",
            "description": "The token, for the endpoints of the Kratos dialect.",
        },
        "service": {
            "type": "http",
            "scheme": "basic",
            "description": "The id and the secret of a service.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": SessionCookie::Secure.name(),
            "description": "Read where there is no `Authorization`.",
        },
        "pass": {
            "type": "apiKey",
            "in": "cookie",
            "name": pass_cookie::NAME,
            "description": "What a browser that has signed in on the pages shows to the applications of a domain.",
        },
    })
}
