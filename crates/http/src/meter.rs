//! What the edge measures. Labels name what there is – routes of the table, methods that are known – and never
//! what a client sent, so that nobody can make their number grow, and nothing personal gets in.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Gauge, SharedString, counter, gauge, histogram};

/// The route of a request that found one: its path as the table writes it, below the base path.
#[derive(Clone)]
pub(crate) struct RoutePattern(SharedString);

impl RoutePattern {
    pub(crate) fn new(base_path: &str, path: &str) -> Self {
        Self(SharedString::from_shared(format!("{base_path}{path}").into()))
    }
}

/// The endpoints outside of the tables.
pub(crate) const PAGES: [&str; 7] = [
    "/health/live",
    "/health/ready",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs",
    "/introspect",
    "/forward-auth",
];

/// How a route is called: `none` where a request found no route, or was refused before it could.
pub(crate) fn route(pattern: Option<&RoutePattern>, path: &str) -> SharedString {
    let page = || PAGES.into_iter().find(|page| *page == path).unwrap_or("none");
    pattern.map_or_else(|| SharedString::const_str(page()), |pattern| pattern.0.clone())
}

/// Any text can be a method.
pub(crate) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Counts an answered request.
pub(crate) fn answered(method: &'static str, route: SharedString, status: StatusCode, duration: Duration) {
    let labels = [("method", SharedString::const_str(method)), ("route", route)];
    histogram!("thunderhead_http_request_duration_seconds", &labels).record(duration);
    let [method, route] = labels;
    let status = ("status", SharedString::from_owned(status.as_u16().to_string()));
    counter!("thunderhead_http_requests_total", &[method, route, status]).increment(1);
}

/// Counted in a gauge as long as it lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(name: &'static str) -> Self {
        let gauge = gauge!(name);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_called_as_the_table_writes_them() {
        let pattern = RoutePattern::new("/api", "/users/{uid}");
        assert_eq!(&*route(Some(&pattern), "/api/users/7"), "/api/users/{uid}");
        assert_eq!(&*route(None, "/health/live"), "/health/live");
    }

    #[test]
    fn what_clients_make_up_is_no_label() {
        assert_eq!(&*route(None, "/api/users/7/made-up"), "none");
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), "other");
        assert_eq!(method(&Method::DELETE), "DELETE");
    }
}
