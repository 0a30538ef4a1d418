//! The page that a browser was about to show: it can be led back to it. Programs are told a status, and led nowhere.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderName};
use url::Url;

use crate::request::client_ip::TrustedProxies;
use crate::request::credential::{Sole, sole};
use crate::roots::ENVOY;
use crate::services::forward_auth::original::{
    Asking, KnownMethod, X_FORWARDED_HOST, X_FORWARDED_METHOD, X_FORWARDED_PROTO, X_ORIGINAL_METHOD, X_ORIGINAL_URL,
    known_method, only,
};
use crate::services::index::takes_html;

const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The address of the page that a browser asked for. Nothing where a program asked, where a change was asked for, or where
/// no trusted proxy tells clearly what was.
pub(super) fn page_asked_for(request: &HttpRequest, asking: Asking, proxies: &TrustedProxies) -> Option<Url> {
    let is_told = known_method(request, asking, proxies) == KnownMethod::Safe;
    (is_told && is_navigation(request, asking)).then(|| address(request, asking)).flatten()
}

/// Whether a browser is about to show what it gets. Older ones do not say so, and take HTML.
fn is_navigation(request: &HttpRequest, asking: Asking) -> bool {
    let headers = request.headers();
    let mut told = [X_FORWARDED_METHOD, X_ORIGINAL_METHOD].into_iter().flat_map(|name| headers.get_all(name));
    let shows = asking == Asking::ByHeaders || matches!(*request.method(), Method::GET | Method::HEAD);
    let mode = match sole(headers.get_all(SEC_FETCH_MODE)) {
        Sole::Nothing => takes_html(headers),
        Sole::One(mode) => mode.as_bytes() == b"navigate",
        Sole::Several => false,
    };
    mode && shows && told.all(|method| matches!(method.as_bytes(), b"GET" | b"HEAD"))
}

/// The address that was asked for.
fn address(request: &HttpRequest, asking: Asking) -> Option<Url> {
    let headers = request.headers();
    let text = |name: &HeaderName| only(headers, name)?.to_str().ok();
    let of_parts = |host: &HeaderName, path: &str| {
        let (scheme, host) = (text(&X_FORWARDED_PROTO)?, text(host)?);
        path.starts_with('/').then(|| parsed(&format!("{scheme}://{host}{path}"))).flatten()
    };
    if asking == Asking::AsItself {
        let asked = request.uri().path_and_query()?.as_str().strip_prefix(ENVOY)?;
        return of_parts(&HOST, asked.get(asked.find('/')?..)?);
    }
    let by_url = headers.contains_key(X_ORIGINAL_URL).then(|| parsed(text(&X_ORIGINAL_URL)?));
    let parts = [X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_URI];
    let by_parts = parts.iter().all(|name| headers.contains_key(name));
    let by_parts = by_parts.then(|| of_parts(&X_FORWARDED_HOST, text(&X_FORWARDED_URI)?));
    match (by_url, by_parts) {
        (Some(told), None) | (None, Some(told)) => told,
        // A client may have sent what the proxy does not set.
        (Some(one), Some(other)) if one == other => one,
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// An address that is written as plainly as it is read.
fn parsed(text: &str) -> Option<Url> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let url = Url::parse(text).ok().filter(|_| !authority.contains(['@', '\\']) && !authority.is_empty())?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    const PROXY: &str = "10.0.0.1:1";
    const GET: (&str, &str) = ("x-forwarded-method", "GET");
    const PROTO: (&str, &str) = ("x-forwarded-proto", "https");
    const FOR: (&str, &str) = ("x-forwarded-host", "app.example");
    const URI: (&str, &str) = ("x-forwarded-uri", "/x?y=%20z");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const HTML: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

    fn request(peer: &str, request: TestRequest, lines: &[(&str, &str)]) -> HttpRequest {
        let request = request.peer_addr(peer.parse::<SocketAddr>().unwrap());
        lines.iter().fold(request, |request, line| request.append_header(*line)).to_http_request()
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn asked_for(lines: &[(&str, &str)]) -> Option<String> {
        let request = request(PROXY, TestRequest::default(), lines);
        page_asked_for(&request, Asking::ByHeaders, &proxies()).map(String::from)
    }

    fn asked_of_envoy(method: Method, path: &str, lines: &[(&str, &str)]) -> Option<String> {
        let request = request(PROXY, TestRequest::with_uri(path).method(method), lines);
        page_asked_for(&request, Asking::AsItself, &proxies()).map(String::from)
    }

    #[test]
    fn a_browser_that_shows_a_page_is_known_by_its_mode_or_by_what_it_takes() {
        let page = Some("https://app.example/x?y=%20z".to_owned());
        let asked = |lines: &[(&str, &str)]| asked_for(&[&[PROTO, FOR, URI], lines].concat());
        for lines in [
            &[GET, NAVIGATE][..],
            &[GET, HTML],
            &[GET, NAVIGATE, ("accept", "*/*")],
            &[("x-original-method", "HEAD"), NAVIGATE],
            &[GET, ("x-original-method", "GET"), HTML],
        ] {
            assert_eq!(asked(lines), page, "{lines:?}");
        }
        for lines in [
            &[][..],
            &[NAVIGATE],
            &[GET],
            &[GET, ("accept", "*/*")],
            &[GET, ("accept", "application/json")],
            &[GET, HTML, ("sec-fetch-mode", "cors")],
            &[GET, HTML, ("sec-fetch-mode", "Navigate")],
            &[GET, NAVIGATE, NAVIGATE],
            &[("x-forwarded-method", "POST"), NAVIGATE],
            &[("x-forwarded-method", "OPTIONS"), NAVIGATE],
            &[GET, ("x-original-method", "DELETE"), NAVIGATE],
            &[GET, NAVIGATE, ("upgrade", "websocket")],
        ] {
            assert_eq!(asked(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn strangers_tell_no_address() {
        let lines = [GET, NAVIGATE, PROTO, FOR, URI];
        for (peer, expected) in [(PROXY, true), ("192.0.2.1:1", false)] {
            let request = request(peer, TestRequest::default(), &lines);
            assert_eq!(page_asked_for(&request, Asking::ByHeaders, &proxies()).is_some(), expected);
        }
    }

    #[test]
    fn an_address_is_told_by_either_way_and_by_both_only_where_they_agree() {
        let url = |url| ("x-original-url", url);
        let asked = |lines: &[(&str, &str)]| asked_for(&[&[GET, NAVIGATE], lines].concat());
        for (lines, address) in [
            (&[PROTO, FOR, URI][..], "https://app.example/x?y=%20z"),
            (&[url("https://App.example:443/x?y=%20z")], "https://app.example/x?y=%20z"),
            (&[url("https://app.example/x?y=%20z"), PROTO, FOR, URI], "https://app.example/x?y=%20z"),
            (&[url("http://app.example"), PROTO], "http://app.example/"),
            (&[PROTO, ("x-forwarded-host", "app.example:8443"), URI], "https://app.example:8443/x?y=%20z"),
            (&[PROTO, FOR, ("x-forwarded-uri", "//evil/x")], "https://app.example//evil/x"),
        ] {
            assert_eq!(asked(lines).as_deref(), Some(address), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[PROTO, FOR],
            &[FOR, URI],
            &[PROTO, URI],
            &[PROTO, PROTO, FOR, URI],
            &[PROTO, FOR, FOR, URI],
            &[PROTO, FOR, URI, URI],
            &[PROTO, ("x-forwarded-host", "a, b"), URI],
            &[PROTO, ("x-forwarded-host", "me@app.example"), URI],
            &[PROTO, ("x-forwarded-host", ""), URI],
            &[PROTO, FOR, ("x-forwarded-uri", "x")],
            &[PROTO, FOR, ("x-forwarded-uri", "@evil/")],
            &[("x-forwarded-proto", "https,http"), FOR, URI],
            &[("x-forwarded-proto", "javascript"), FOR, URI],
            &[url("https://evil/"), PROTO, FOR, URI],
            &[url("https://app.example/"), PROTO, FOR, URI],
            &[url("https://app.example/"), url("https://app.example/")],
            &[url("app.example/x")],
            &[url("https:app.example/x")],
        ] {
            assert_eq!(asked(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn envoy_tells_it_by_its_own_path_and_query() {
        let host = ("host", "app.example");
        let asked = |method: Method, path: &str| asked_of_envoy(method, path, &[PROTO, host, NAVIGATE]);
        for (path, address) in [
            ("/forward-auth/envoy/login=302/x?y=z", "https://app.example/x?y=z"),
            ("/forward-auth/envoy/-/", "https://app.example/"),
            ("/forward-auth/envoy/-//evil/?scope=x", "https://app.example//evil/?scope=x"),
        ] {
            assert_eq!(asked(Method::GET, path).as_deref(), Some(address), "{path}");
            assert_eq!(asked(Method::HEAD, path).as_deref(), Some(address), "{path}");
            assert_eq!(asked(Method::POST, path), None, "{path}");
        }
        assert_eq!(asked(Method::GET, "/forward-auth/envoy/-"), None);
        let path = "/forward-auth/envoy/-/x";
        assert_eq!(asked_of_envoy(Method::GET, path, &[host, NAVIGATE]), None);
        assert_eq!(asked_of_envoy(Method::GET, path, &[PROTO, FOR, NAVIGATE]), None);
    }
}
