//! `/`: for people who open the server's address in a browser, the start of the pages, or where things are if there are
//! none. Programs are told that there is no endpoint, as anywhere else, and in a header where to look.

use std::sync::Arc;

use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HeaderMap, HeaderValue, LINK, VARY,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, guard};
use maud::{DOCTYPE, html};

use crate::access::authorization::Shared;
use crate::access::dialect::HttpDialect;
use crate::access::mount::{nowhere, serve_row};
use crate::api::Api;
use crate::kratos::Kratos;
use crate::pages;
use crate::roots::RootEndpoint;
use crate::services::PAGE_POLICY;

/// RFC 8631.
const LINKS: &str = "</docs>; rel=\"service-doc\", </openapi.json>; rel=\"service-desc\"";

/// Mounts `/`. Where the API itself is mounted there, it stays the API's.
pub(super) fn mount(services: &mut web::ServiceConfig, shared: &Arc<Shared>, base_path: &str, has_pages: bool) {
    if base_path.is_empty() {
        return;
    }
    let page = Bytes::from(page(base_path));
    let show = move || {
        let page = page.clone();
        async move {
            let mut response = HttpResponse::Ok();
            response.content_type(ContentType::html());
            response.insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY));
            response.insert_header((CACHE_CONTROL, "public, max-age=60")).body(page)
        }
    };
    let browser = guard::fn_guard(|context| takes_html(&context.head().headers));
    let for_browsers = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).guard(browser);
    let for_browsers = if has_pages { serve_row(for_browsers, shared, &pages::start()) } else { for_browsers.to(show) };
    let headers = DefaultHeaders::new().add((VARY, "Accept")).add((LINK, LINKS));
    let resource =
        web::resource(RootEndpoint::Index.path()).route(for_browsers).default_service(nowhere::<Api>(shared, None));
    services.service(resource.wrap(headers));
}

/// Whether a client asks for HTML by name, as browsers do: `*/*` does not.
pub(super) fn takes_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).filter_map(|value: &HeaderValue| value.to_str().ok());
    ranges.flat_map(|text| text.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
        let refused = |part: &str| {
            let quality = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            quality.is_some_and(|number| number.parse() == Ok(0.0_f32))
        };
        named && !parts.any(refused)
    })
}

fn page(base_path: &str) -> String {
    let places = [
        (RootEndpoint::DocumentPage, "the API, to be read"),
        (RootEndpoint::Document, "the same for programs (OpenAPI 3.1)"),
        (RootEndpoint::Jwks, "the public signing keys"),
        (RootEndpoint::HealthReady, "whether the server can work"),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Thunderhead" }
                style { "body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }" }
            }
            body {
                main {
                    h1 { "Thunderhead" }
                    p {
                        "A session server. Its API is below " code { (base_path) "/" } ", and in the words of Ory Kratos below "
                        code { (Kratos::PREFIX.unwrap_or_default()) "/" } "."
                    }
                    ul { @for (place, what) in places { li { a href=(place.path()) { code { (place.path()) } } ": " (what) } } }
                }
            }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        takes_html(&headers)
    }

    #[test]
    fn browsers_ask_for_html_by_name() {
        for values in [
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"][..],
            &["application/json", "Text/HTML; q=0.1"],
        ] {
            assert!(accepting(values), "{values:?}");
        }
        for values in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["text/*"],
            &["text/html;q=0, */*"],
            &["text/html; level=1; q=0.0"],
        ] {
            assert!(!accepting(values), "{values:?}");
        }
    }
}
