//! What the HTTP server measures. Labels name what there is – routes of the table, methods that are known – and never
//! what a client sent, so that nobody can make their number grow, and nothing personal gets in.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};
use thunderhead_metrics::InFlight;

use crate::roots::RootEndpoint;

/// The route of a request that found one: its path as the table writes it, below the base path.
#[derive(Clone)]
pub(crate) struct RoutePattern {
    path: SharedString,
    answers: Rc<AnswerHandles>,
}

impl RoutePattern {
    pub(crate) fn new(base_path: &str, path: &str) -> Self {
        let path = SharedString::from_shared(format!("{base_path}{path}").into());
        Self { path, answers: Rc::default() }
    }
}

/// Of requests, the name that no route has.
const NO_ROUTE: &str = "none";
const IN_FLIGHT: &str = "thunderhead_http_requests_in_flight";
const CONNECTIONS: &str = "thunderhead_http_connections";

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

/// Any text can be a method.
pub(crate) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// What the answers to requests for one route are measured by. Handles are kept, for to look one up takes many times as
/// long as to count: they are few, because so are methods and statuses.
#[derive(Default)]
struct AnswerHandles(RefCell<Vec<AnswerHandle>>);

struct AnswerHandle {
    method: &'static str,
    status: StatusCode,
    durations: Histogram,
    requests: Counter,
}

impl AnswerHandles {
    fn count(&self, method: &'static str, route: &SharedString, status: StatusCode, duration: Duration) {
        let mut handles = self.0.borrow_mut();
        let is_this = |handle: &AnswerHandle| handle.status == status && handle.method == method;
        let at = handles.iter().position(is_this).unwrap_or_else(|| {
            handles.push(AnswerHandle::new(method, route.clone(), status));
            handles.len() - 1
        });
        if let Some(AnswerHandle { durations, requests, .. }) = handles.get(at) {
            durations.record(duration);
            requests.increment(1);
        }
    }
}

impl AnswerHandle {
    fn new(method: &'static str, route: SharedString, status: StatusCode) -> Self {
        let labels = [("method", SharedString::const_str(method)), ("route", route.clone())];
        let durations = histogram!("thunderhead_http_request_duration_seconds", &labels);
        Self { method, status, durations, requests: requests(SharedString::const_str(method), route, status) }
    }
}

/// What the answers of one worker are measured by.
pub(crate) struct Answers {
    in_flight: Gauge,
    at_root: [AnswerHandles; RootEndpoint::ALL.len()],
    nowhere: AnswerHandles,
}

impl Default for Answers {
    fn default() -> Self {
        Self { in_flight: gauge!(IN_FLIGHT), at_root: Default::default(), nowhere: AnswerHandles::default() }
    }
}

impl Answers {
    /// Counts a request that is being answered.
    pub(crate) fn in_flight(&self) -> InFlight {
        InFlight::new(self.in_flight.clone())
    }

    /// Measures an answer. Without its request, that was refused before it could find a route.
    pub(crate) fn count(
        &self,
        request: Option<&HttpRequest>,
        method: &'static str,
        status: StatusCode,
        duration: Duration,
    ) {
        if let Some(RoutePattern { path, answers }) = request.and_then(HttpRequest::app_data) {
            return answers.count(method, path, status, duration);
        }
        let at_root = request.and_then(|request| RootEndpoint::at(request.path()));
        let handles = at_root.and_then(|endpoint| self.at_root.get(endpoint as usize)).unwrap_or(&self.nowhere);
        let route = SharedString::const_str(at_root.map_or(NO_ROUTE, RootEndpoint::path));
        handles.count(method, &route, status, duration);
    }
}

/// The route of a request, as the table writes it, if it found one.
pub(crate) fn route(request: &HttpRequest) -> Option<&str> {
    let of_the_table = request.app_data::<RoutePattern>().map(|pattern| &*pattern.path);
    of_the_table.or_else(|| RootEndpoint::at(request.path()).map(RootEndpoint::path))
}

fn requests(method: SharedString, route: SharedString, status: StatusCode) -> Counter {
    let status = ("status", SharedString::from_owned(status.as_u16().to_string()));
    counter!("thunderhead_http_requests_total", &[("method", method), ("route", route), status])
}

/// Makes what is measured known before there is anything to measure, so that its first increase can be seen: each
/// of these endpoints, and those at the root, with the answer that it is there for.
pub(crate) fn register(endpoints: impl IntoIterator<Item = (Method, RoutePattern, StatusCode)>) {
    for (method, route, status) in endpoints {
        requests(SharedString::const_str(self::method(&method)), route.path, status).increment(0);
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

/// Counts a connection that is open.
pub(crate) fn open_connection() -> InFlight {
    InFlight::new(gauge!(CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_called_as_the_table_writes_them() {
        assert_eq!(&*RoutePattern::new("/api", "/users/{uid}").path, "/api/users/{uid}");
    }

    #[test]
    fn each_endpoint_at_the_root_has_its_place() {
        assert!((0..).zip(RootEndpoint::ALL).all(|(at, endpoint)| endpoint as usize == at));
    }

    #[test]
    fn handles_are_kept_for_each_method_and_status() {
        let (answers, route) = (AnswerHandles::default(), SharedString::const_str("/x"));
        for (method, status) in [("GET", 200), ("GET", 404), ("HEAD", 200), ("GET", 200), ("HEAD", 200)] {
            answers.count(method, &route, StatusCode::from_u16(status).unwrap(), Duration::ZERO);
        }
        let kept: Vec<_> = answers.0.borrow().iter().map(|kept| (kept.method, kept.status.as_u16())).collect();
        assert_eq!(kept, [("GET", 200), ("GET", 404), ("HEAD", 200)]);
    }

    #[test]
    fn what_clients_make_up_is_no_label() {
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), "other");
        assert_eq!(method(&Method::DELETE), "DELETE");
    }
}
