//! The span of a request, with which its trace begins. Where nobody collects spans it is none, and costs a look at a flag.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use tracing::{Level, Span, field};

use crate::metrics;
use crate::middleware::record::RequestName;
use crate::request::traceparent::TraceParent;

/// The target of the span, by which whoever collects spans asks for it. The log has a line for each request, and leaves it
/// out.
pub const REQUEST_SPAN: &str = "thunderhead_request";

/// Begins it. Nothing that a client made up goes in, but for the ids of its trace.
pub(crate) fn begin(method: &'static str, name: &RequestName) -> Span {
    let trace = name.trace();
    tracing::span!(
        target: REQUEST_SPAN,
        parent: None,
        Level::DEBUG,
        "request",
        http.request.method = method,
        http.route = field::Empty,
        http.response.status_code = field::Empty,
        trace_id = trace.map(TraceParent::trace_id),
        parent_id = trace.map(TraceParent::parent_id),
        sampled = trace.map(TraceParent::is_sampled),
    )
}

/// Notes the answer. A request that was refused in front of the routes has none to show.
pub(crate) fn end(span: &Span, request: Option<&HttpRequest>, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    if let Some(route) = request.and_then(metrics::route) {
        span.record("http.route", route);
    }
    span.record("http.response.status_code", status.as_u16());
}
