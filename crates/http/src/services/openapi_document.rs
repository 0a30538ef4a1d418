//! `/openapi.json` and `/docs`: the OpenAPI document of all dialects and of what is at the root, and a page to read it
//! on.

mod errors;
mod events;
mod headers;
mod oauth;
mod outside;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, oneshot};
use tracing::{debug, warn};

use crate::api::error::ApiError;
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

/// The document and the page, made once for the whole process, when somebody first asks for either: no server that is
/// starting waits for them.
#[derive(Clone)]
pub(crate) struct Documentation(Arc<Source>);

/// What they are made from, and what came of it.
struct Source {
    base_path: String,
    license: &'static str,
    texts: OnceCell<Texts>,
}

struct Texts {
    document: Bytes,
    page: Bytes,
}

impl Documentation {
    /// For an API with this base path, in a program of this licence.
    pub(crate) fn new(base_path: &str, license: &'static str) -> Self {
        Self(Arc::new(Source { base_path: base_path.to_owned(), license, texts: OnceCell::new() }))
    }

    /// As a tree, the document takes 6 MiB: it is made on a thread of its own, since what one has freed goes back to the
    /// system with it. A worker would keep it for ever, and answer nobody else meanwhile. Where the
    /// system has no thread for it, whoever asks next tries again.
    async fn texts(&self) -> io::Result<&Texts> {
        let make = || async {
            let (made, texts) = oneshot::channel();
            let source = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("documentation".to_owned());
            // Nobody waits any more if this fails: the texts have no reader.
            thread.spawn(move || drop(made.send(source.make())))?;
            texts.await.map_err(io::Error::other)
        };
        self.0.texts.get_or_try_init(make).await
    }
}

impl Source {
    fn make(&self) -> Texts {
        let begun = Instant::now();
        let tree = document(&self.base_path, self.license);
        let texts = [tree.to_string(), page::render(&tree, PATHS)];
        let [document, page] = texts.map(|mut text| {
            text.shrink_to_fit();
            Bytes::from(text)
        });
        let (document_bytes, page_bytes, took) = (document.len(), page.len(), begun.elapsed());
        debug!(document_bytes, page_bytes, ?took, "made the OpenAPI document and its page");
        Texts { document, page }
    }
}

pub(super) fn mount(services: &mut web::ServiceConfig, documentation: &Documentation) {
    let show = |kind: ContentType, policy: Option<&'static str>, text: fn(&Texts) -> &Bytes| {
        let documentation = documentation.clone();
        move || {
            let (documentation, kind) = (documentation.clone(), kind.clone());
            async move {
                let texts = match documentation.texts().await {
                    Ok(texts) => texts,
                    Err(error) => {
                        warn!(error = &error as &dyn std::error::Error, "the OpenAPI document cannot be made");
                        return ApiError::Unavailable.into_response();
                    }
                };
                let mut response = HttpResponse::Ok();
                response.content_type(kind);
                if let Some(policy) = policy {
                    response.insert_header((CONTENT_SECURITY_POLICY, policy));
                }
                cacheable(response, text(texts).clone())
            }
        }
    };
    let show_text = |kind: &'static str, text: &'static str| {
        move || async move {
            let mut response = HttpResponse::Ok();
            response.content_type(kind);
            cacheable(response, Bytes::from_static(text.as_bytes()))
        }
    };
    let show_document = show(ContentType::json(), None, |texts| &texts.document);
    let show_page = show(ContentType::html(), Some(POLICY), |texts| &texts.page);
    services.service(readable(RootEndpoint::Document, show_document));
    services.service(readable(RootEndpoint::DocumentPage, show_page));
    services.service(readable(RootEndpoint::DocumentStyle, show_text("text/css; charset=utf-8", page::STYLE)));
    services.service(readable(RootEndpoint::DocumentScript, show_text("text/javascript; charset=utf-8", page::SCRIPT)));
}

fn cacheable(mut response: HttpResponseBuilder, body: Bytes) -> HttpResponse {
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
