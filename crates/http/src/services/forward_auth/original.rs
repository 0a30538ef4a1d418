//! The request that a proxy asks about, as far as the proxy tells of it and is trusted. It decides what a session
//! cookie may do: browsers send it along whichever site made them ask.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE};

use crate::request::client_ip::TrustedProxies;
use crate::request::origin::{Origins, RequestSite, is_safe, request_site};

pub(super) const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
pub(super) const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const SEC_WEBSOCKET_VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");

/// How a proxy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// By a GET of its own, with headers that tell of the original request.
    ByHeaders,
    /// With the original request's own method and host, and with those of its headers that the operator lists.
    AsItself,
}

/// What is known of the original method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownMethod {
    /// It changes nothing.
    Safe,
    /// It may change something.
    Unsafe,
    /// The proxy does not say.
    Missing,
    /// Who says it is not among the trusted proxies.
    Untrusted,
}

/// What the question tells of the original method.
pub(super) fn known_method(request: &HttpRequest, asking: Asking, proxies: &TrustedProxies) -> KnownMethod {
    let headers = request.headers();
    let names = [X_FORWARDED_METHOD, X_ORIGINAL_METHOD];
    // A client may have sent the one that the proxy does not set: the worse of them counts.
    let mut values = names.iter().flat_map(|name| headers.get_all(name)).peekable();
    if asking == Asking::ByHeaders && values.peek().is_none() {
        return KnownMethod::Missing;
    }
    if !is_trusted(request, proxies) {
        return KnownMethod::Untrusted;
    }
    let safe_itself = asking == Asking::ByHeaders || is_safe(request.method());
    let all_safe = values.all(|value| Method::from_bytes(value.as_bytes()).is_ok_and(|method| is_safe(&method)));
    if safe_itself && all_safe && !opens_a_websocket(headers) { KnownMethod::Safe } else { KnownMethod::Unsafe }
}

/// Whether what the browser says, or the address that was asked for, allows the use of a cookie.
pub(super) fn allows_cookie(
    method: KnownMethod,
    request: &HttpRequest,
    asking: Asking,
    proxies: &TrustedProxies,
    origins: &Origins,
) -> bool {
    match (method, request_site(request.headers(), origins)) {
        (KnownMethod::Safe, _) | (_, RequestSite::Same) => true,
        (_, RequestSite::OriginAlone) => {
            is_trusted(request, proxies) && is_of_its_own_origin(request.headers(), asking)
        }
        // No browser asks, as in the API. Where the proxy hands on the headers of a list alone, that cannot be known.
        (KnownMethod::Unsafe, RequestSite::Nothing) => asking == Asking::ByHeaders,
        (KnownMethod::Missing | KnownMethod::Untrusted, RequestSite::Nothing) | (_, RequestSite::Other) => false,
    }
}

fn is_trusted(request: &HttpRequest, proxies: &TrustedProxies) -> bool {
    proxies.trust(request.peer_addr().map(|peer| peer.ip()))
}

/// A handshake is a GET that a page of any site can make, and no CORS stands before it. Proxies that take `Upgrade`
/// away from their question leave the other headers of a handshake (RFC 6455, section 4.1).
fn opens_a_websocket(headers: &HeaderMap) -> bool {
    let is_websocket = |protocol: &[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"websocket")
    };
    let mut upgrades = headers.get_all(UPGRADE).flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    upgrades.any(is_websocket) || headers.contains_key(SEC_WEBSOCKET_KEY) || headers.contains_key(SEC_WEBSOCKET_VERSION)
}

/// Whether `Origin` names the origin of the address that was asked for. Browsers that say no more than that are old, or
/// are on plain HTTP, or open a WebSocket.
fn is_of_its_own_origin(headers: &HeaderMap, asking: Asking) -> bool {
    let (Some(origin), Some(own)) = (only(headers, &ORIGIN), own_origin(headers, asking)) else { return false };
    origin.as_bytes() == own.as_bytes()
}

/// The origin of the address that was asked for; nothing where what is told of it is not clear.
fn own_origin(headers: &HeaderMap, asking: Asking) -> Option<String> {
    let host = match asking {
        Asking::ByHeaders => X_FORWARDED_HOST,
        Asking::AsItself => HOST,
    };
    let by_url = headers.contains_key(X_ORIGINAL_URL).then(|| {
        let (scheme, rest) = only(headers, &X_ORIGINAL_URL)?.to_str().ok()?.split_once("://")?;
        origin(scheme, rest.split(['/', '?', '#']).next()?)
    });
    let by_parts = (headers.contains_key(X_FORWARDED_PROTO) && headers.contains_key(&host)).then(|| {
        let text = |name| only(headers, name)?.to_str().ok();
        origin(text(&X_FORWARDED_PROTO)?, text(&host)?)
    });
    match (by_url, by_parts) {
        (Some(told), None) | (None, Some(told)) => told,
        (Some(one), Some(other)) if one == other => one,
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// As browsers spell it: in lower case, and without the scheme's own port.
fn origin(scheme: &str, authority: &str) -> Option<String> {
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => ("https", ":443"),
        "http" | "ws" => ("http", ":80"),
        _ => return None,
    };
    let host = authority.to_ascii_lowercase();
    Some(format!("{scheme}://{}", host.strip_suffix(port).unwrap_or(&host)))
}

/// The value of a header that is there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name);
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    const PROXY: &str = "10.0.0.1:1";
    const GET: (&str, &str) = ("x-forwarded-method", "GET");
    const POST: (&str, &str) = ("x-forwarded-method", "POST");
    const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    const OWN: (&str, &str) = ("origin", "https://app.example");
    const PROTO: (&str, &str) = ("x-forwarded-proto", "https");
    const HOST: (&str, &str) = ("x-forwarded-host", "app.example");

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn request(peer: &str, lines: &[(&str, &str)]) -> HttpRequest {
        let request = TestRequest::default().peer_addr(peer.parse::<SocketAddr>().unwrap());
        lines.iter().fold(request, |request, line| request.append_header(*line)).to_http_request()
    }

    fn told_by(lines: &[(&str, &str)]) -> KnownMethod {
        known_method(&request(PROXY, lines), Asking::ByHeaders, &proxies())
    }

    fn allows(lines: &[(&str, &str)]) -> bool {
        let origins = Origins::new(vec!["https://other.example".to_owned()]).unwrap();
        let request = request(PROXY, lines);
        let method = known_method(&request, Asking::ByHeaders, &proxies());
        allows_cookie(method, &request, Asking::ByHeaders, &proxies(), &origins)
    }

    #[test]
    fn the_method_is_what_either_header_says_and_the_worse_of_both() {
        for lines in
            [&[GET][..], &[("x-original-method", "HEAD")], &[("x-original-method", "OPTIONS"), GET], &[GET, GET]]
        {
            assert_eq!(told_by(lines), KnownMethod::Safe, "{lines:?}");
        }
        for lines in [
            &[POST][..],
            &[GET, POST],
            &[GET, ("x-original-method", "DELETE")],
            &[("x-original-method", "POST"), GET],
            &[("x-forwarded-method", "get")],
            &[("x-forwarded-method", "GET, GET")],
            &[("x-forwarded-method", "")],
            &[("x-forwarded-method", "not a method")],
        ] {
            assert_eq!(told_by(lines), KnownMethod::Unsafe, "{lines:?}");
        }
        assert_eq!(told_by(&[("x-http-method", "GET"), CROSS]), KnownMethod::Missing);
    }

    #[test]
    fn strangers_tell_nothing() {
        let told = |peer, lines: &[_], asking| known_method(&request(peer, lines), asking, &proxies());
        assert_eq!(told("192.0.2.1:1", &[GET], Asking::ByHeaders), KnownMethod::Untrusted);
        assert_eq!(told("192.0.2.1:1", &[], Asking::ByHeaders), KnownMethod::Missing);
        assert_eq!(told("192.0.2.1:1", &[], Asking::AsItself), KnownMethod::Untrusted);
        assert_eq!(told("[::ffff:10.0.0.1]:1", &[GET], Asking::ByHeaders), KnownMethod::Safe);
        let nowhere = TestRequest::default().append_header(GET).to_http_request();
        assert_eq!(
            crate::services::forward_auth::original::known_method(&nowhere, Asking::ByHeaders, &proxies()),
            KnownMethod::Untrusted
        );
    }

    #[test]
    fn who_asks_with_the_original_method_tells_it_by_that() {
        let told = |method, lines: &[(&str, &str)]| {
            let request = TestRequest::default().method(method).peer_addr(PROXY.parse().unwrap());
            let request = lines.iter().fold(request, |request, line| request.append_header(*line)).to_http_request();
            known_method(&request, Asking::AsItself, &proxies())
        };
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(told(method.clone(), &[]), KnownMethod::Safe);
            assert_eq!(told(method, &[POST]), KnownMethod::Unsafe);
        }
        for method in [Method::POST, Method::PUT, Method::CONNECT, Method::from_bytes(b"get").unwrap()] {
            assert_eq!(told(method, &[GET]), KnownMethod::Unsafe);
        }
    }

    #[test]
    fn a_websocket_is_opened_by_any_header_of_its_handshake() {
        for line in [
            ("upgrade", "websocket"),
            ("upgrade", "WebSocket"),
            ("upgrade", "h2c, websocket/13"),
            ("sec-websocket-key", "x"),
            ("sec-websocket-version", "13"),
        ] {
            assert_eq!(told_by(&[GET, line]), KnownMethod::Unsafe, "{line:?}");
        }
        assert_eq!(told_by(&[GET, ("upgrade", "h2c")]), KnownMethod::Safe);
    }

    #[test]
    fn what_is_not_known_to_change_nothing_needs_a_sign_of_the_same_origin() {
        assert!(allows(&[GET, CROSS]) && allows(&[GET]));
        for lines in [&[SAME][..], &[("sec-fetch-site", "none")], &[("origin", "https://other.example"), CROSS]] {
            assert!(allows(lines), "{lines:?}");
            assert!(allows(&[lines, &[POST]].concat()), "{lines:?}");
        }
        assert!(allows(&[POST]), "a server that passes the cookie on");
        for lines in [&[][..], &[POST, CROSS], &[CROSS], &[POST, OWN], &[OWN], &[SAME, SAME]] {
            assert!(!allows(lines), "{lines:?}");
        }
    }

    #[test]
    fn the_origin_of_the_address_that_was_asked_for_is_the_same() {
        let url = |url| ("x-original-url", url);
        for told in [
            &[PROTO, HOST][..],
            &[("x-forwarded-proto", "wss"), HOST],
            &[PROTO, ("x-forwarded-host", "APP.example:443")],
            &[url("https://app.example/x?y=https://evil.example")],
            &[url("HTTPS://app.example:443")],
            &[url("https://app.example/"), PROTO, HOST],
        ] {
            assert!(allows(&[told, &[POST, OWN]].concat()), "{told:?}");
            assert!(allows(&[told, &[OWN]].concat()), "{told:?}");
            assert!(!allows(&[told, &[POST, OWN, CROSS]].concat()), "{told:?}");
            assert!(!allows(&[told, &[POST, ("origin", "https://evil.example")]].concat()), "{told:?}");
            assert!(!allows(&[told, &[POST, ("origin", "null")]].concat()), "{told:?}");
        }
        for told in [
            &[PROTO][..],
            &[HOST],
            &[("x-forwarded-proto", "http"), HOST],
            &[PROTO, PROTO, HOST],
            &[PROTO, HOST, HOST],
            &[PROTO, ("x-forwarded-host", "app.example, app.example")],
            &[PROTO, ("x-forwarded-host", "app.example:444")],
            &[url("https://evil.example/"), PROTO, HOST],
            &[url("app.example")],
            &[url("https://evil.example?https://app.example")],
            &[url("https://app.example"), url("https://app.example")],
        ] {
            assert!(!allows(&[told, &[POST, OWN]].concat()), "{told:?}");
        }
        let stranger = request("192.0.2.1:1", &[GET, OWN, PROTO, HOST]);
        let method = known_method(&stranger, Asking::ByHeaders, &proxies());
        assert!(!allows_cookie(method, &stranger, Asking::ByHeaders, &proxies(), &Origins::default()));
    }

    #[test]
    fn where_headers_are_handed_on_by_a_list_none_is_no_word() {
        let allows = |lines: &[(&str, &str)]| {
            let request = TestRequest::default().method(Method::POST).peer_addr(PROXY.parse().unwrap());
            let request = lines.iter().fold(request, |request, line| request.append_header(*line)).to_http_request();
            let method = known_method(&request, Asking::AsItself, &proxies());
            allows_cookie(method, &request, Asking::AsItself, &proxies(), &Origins::default())
        };
        assert!(!allows(&[]) && !allows(&[CROSS]) && !allows(&[OWN]) && allows(&[SAME]));
        assert!(allows(&[OWN, PROTO, ("host", "app.example")]));
        assert!(!allows(&[OWN, PROTO, ("host", "evil.example"), HOST]));
    }
}
