//! What the HTTP server measures. Labels name what there is – routes of the table, methods that are known – and never
//! what a client sent, so that nobody can make their number grow, and nothing personal gets in.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Counter, SharedString, counter, gauge, histogram};
use thunderhead_metrics::InFlight;

use crate::roots::RootEndpoint;

/// The route of a request that found one: its path as the table writes it, below the base path.
#[derive(Clone)]
pub(crate) struct RoutePattern(SharedString);

impl RoutePattern {
    pub(crate) fn new(base_path: &str, path: &str) -> Self {
        Self(SharedString::from_shared(format!("{base_path}{path}").into()))
    }
}

/// Of requests, the name that no route has.
const NO_ROUTE: &str = "none";
pub(crate) const IN_FLIGHT: &str = "thunderhead_http_requests_in_flight";
pub(crate) const CONNECTIONS: &str = "thunderhead_http_connections";

/// Why a connection was closed for want of room.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// It was idle, and others need its place.
    Idle,
    /// Its client had its part already.
    Client,
}

impl Cut {
    /// Counts those that were closed for this.
    pub(crate) fn counter(self) -> Counter {
        let reason = match self {
            Self::Idle => "idle",
            Self::Client => "client",
        };
        counter!("thunderhead_http_connections_cut_total", "reason" => reason)
    }
}

/// How a route is called: `none` where a request found no route, or was refused before it could.
pub(crate) fn route(pattern: Option<&RoutePattern>, path: &str) -> SharedString {
    let at_root = || RootEndpoint::at(path).map_or(NO_ROUTE, RootEndpoint::path);
    pattern.map_or_else(|| SharedString::const_str(at_root()), |pattern| pattern.0.clone())
}

/// Any text can be a method.
pub(crate) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

pub(crate) fn answered(method: &'static str, route: SharedString, status: StatusCode, duration: Duration) {
    let labels = [("method", SharedString::const_str(method)), ("route", route)];
    histogram!("thunderhead_http_request_duration_seconds", &labels).record(duration);
    let [(_, method), (_, route)] = labels;
    requests(method, route, status).increment(1);
}

fn requests(method: SharedString, route: SharedString, status: StatusCode) -> Counter {
    let status = ("status", SharedString::from_owned(status.as_u16().to_string()));
    counter!("thunderhead_http_requests_total", &[("method", method), ("route", route), status])
}

/// Makes what is measured known before there is anything to measure, so that its first increase can be seen: each
/// of these endpoints, and those at the root, with the answer that it is there for.
pub(crate) fn register(endpoints: impl IntoIterator<Item = (Method, RoutePattern, StatusCode)>) {
    for (method, route, status) in endpoints {
        requests(SharedString::const_str(self::method(&method)), route.0, status).increment(0);
    }
    for endpoint in RootEndpoint::ALL {
        let (method, status) = endpoint.success();
        let route = SharedString::const_str(endpoint.path());
        requests(SharedString::const_str(self::method(&method)), route, status).increment(0);
    }
    let (get, nowhere) = (SharedString::const_str("GET"), SharedString::const_str(NO_ROUTE));
    let labels = [("method", get.clone()), ("route", nowhere.clone())];
    drop(histogram!("thunderhead_http_request_duration_seconds", &labels));
    requests(get, nowhere, StatusCode::NOT_FOUND).increment(0);
    for reason in [Cut::Idle, Cut::Client] {
        reason.counter().increment(0);
    }
    for gauge in [IN_FLIGHT, CONNECTIONS] {
        gauge!(gauge).set(0.0);
    }
}

/// Counts a request or a connection in its gauge.
pub(crate) fn in_flight(name: &'static str) -> InFlight {
    InFlight::new(gauge!(name))
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
