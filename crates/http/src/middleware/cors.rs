//! CORS for the configured origins: which pages may call the API from a browser (Fetch standard, *CORS
//! protocol*).

use actix_cors::Cors;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::ACCESS_CONTROL_REQUEST_METHOD;
use actix_web::middleware::Condition;

use crate::request::origin::Origins;
use crate::roots::is_below_envoy;

/// The headers that pages may read besides the ones that browsers always show.
const EXPOSED: [&str; 14] = [
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
    "Link",
    "X-Total-Count",
    "X-Kratos-Authenticated-Identity-Id",
    "Allow",
    "Deprecation",
    "WWW-Authenticate",
];
/// How long browsers may remember the answer to a preflight, in seconds.
const MAX_AGE: usize = 3_600;

/// A preflight that Envoy asks about is not ours to answer: a grant would let it through.
pub(crate) fn hide_preflights_of_envoy(request: &mut ServiceRequest) {
    if is_below_envoy(request.path()) {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
    }
}

/// The middleware for one worker. Without origins it does nothing at all.
pub(crate) fn cors(origins: &Origins) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allow_any_header()
        .expose_headers(EXPOSED)
        .supports_credentials()
        .max_age(MAX_AGE);
    let cors = origins.texts().iter().fold(cors, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.texts().is_empty(), cors)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::http::Method;
    use actix_web::http::header::{HeaderMap, VARY};
    use actix_web::rt::System;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};

    use super::*;
    use crate::dialects::error_format;
    use crate::middleware::request_context::RequestContextLayer;
    use crate::middleware::request_context::tests::Zeros;
    use crate::server::shutdown::Draining;

    fn answer(origins: &[&str], request: TestRequest) -> (u16, HeaderMap, String) {
        System::new().block_on(async {
            let origins = Origins::new(origins.iter().map(|origin| (*origin).to_owned()).collect()).unwrap();
            let resource = web::resource("/x").route(web::get().to(HttpResponse::Ok));
            let app = App::new()
                .wrap(cors(&origins))
                .wrap(RequestContextLayer::new(Arc::new(Zeros), Draining::default(), error_format))
                .service(resource);
            let response = call_service(&init_service(app).await, request.uri("/x").to_request()).await;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, String::from_utf8(read_body(response).await.to_vec()).unwrap())
        })
    }

    fn preflight(origin: &'static str, method: &'static str) -> TestRequest {
        TestRequest::default()
            .method(Method::OPTIONS)
            .insert_header(("Origin", origin))
            .insert_header(("Access-Control-Request-Method", method))
            .insert_header(("Access-Control-Request-Headers", "authorization,x-token-name"))
    }

    fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).unwrap().to_str().unwrap()
    }

    fn grants_anything(headers: &HeaderMap) -> bool {
        headers.contains_key("access-control-allow-origin")
    }

    #[test]
    fn a_preflight_of_a_configured_origin_is_granted() {
        let (status, headers, _) = answer(&["https://app.example"], preflight("https://app.example", "DELETE"));
        assert_eq!(status, 200);
        assert_eq!(text(&headers, "access-control-allow-origin"), "https://app.example");
        assert_eq!(text(&headers, "access-control-allow-credentials"), "true");
        assert_eq!(text(&headers, "access-control-allow-headers"), "authorization,x-token-name");
        assert_eq!(text(&headers, "access-control-max-age"), "3600");
        let methods = text(&headers, "access-control-allow-methods");
        assert!(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].iter().all(|method| methods.contains(method)));
        assert!(text(&headers, VARY.as_str()).contains("Origin"));
    }

    #[test]
    fn a_preflight_of_another_origin_gets_json_without_a_grant() {
        for (origin, method) in [
            ("https://evil.example", "GET"),
            ("null", "GET"),
            ("https://app.example", "TRACE"),
            ("https://app.example", "@"),
        ] {
            let (status, headers, body) = answer(&["https://app.example"], preflight(origin, method));
            assert!((400..500).contains(&status), "{origin} {method}");
            assert_eq!(text(&headers, "content-type"), "application/json");
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
            let granted = grants_anything(&headers);
            assert!(!granted || origin == "https://app.example", "{origin} {method}");
        }
    }

    #[test]
    fn answers_to_configured_origins_are_readable_and_others_are_not() {
        let get = |origin: &'static str| TestRequest::get().insert_header(("Origin", origin));
        let (status, headers, _) = answer(&["https://app.example"], get("https://app.example"));
        assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, "https://app.example"));
        let exposed = text(&headers, "access-control-expose-headers").to_ascii_lowercase();
        assert!(EXPOSED.iter().all(|name| exposed.contains(&name.to_ascii_lowercase())));
        let (status, headers, _) = answer(&["https://app.example"], get("https://evil.example"));
        assert!(status == 200 && !grants_anything(&headers));
        assert!(text(&headers, VARY.as_str()).contains("Origin"));
    }

    #[test]
    fn without_origins_options_is_a_method_like_others() {
        let (status, headers, _) = answer(&[], preflight("https://app.example", "GET"));
        assert_eq!(status, 405);
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control-") && name != VARY));
    }

    #[test]
    fn origins_are_those_of_browsers_however_they_were_written() {
        for written in ["https://app.example", "https://app.example:443", "https://APP.example/"] {
            let (status, headers, _) = answer(&[written], preflight("https://app.example", "DELETE"));
            assert_eq!((status, text(&headers, "access-control-allow-origin")), (200, "https://app.example"));
        }
        assert!(Origins::new(vec!["https://app.example/x".to_owned()]).is_err());
    }
}
