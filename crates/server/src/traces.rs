//! Traces for whoever collects them: requests, the use cases that they need and the operations of the database, sent by
//! OTLP over HTTP in JSON (feature `otlp`). What is sent says where time went, and nothing of whose request it was: no
//! path, no query, no header, no name, no address.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod layer;
#[cfg(feature = "otlp")]
mod message;

#[cfg(not(feature = "otlp"))]
pub(crate) use self::absent::{
    NoSpanExporter as SpanExporter, NoSpanLayer as SpanLayer, NoSpanQueue as SpanQueue, set_up,
};
#[cfg(feature = "otlp")]
pub(crate) use self::export::{SpanExporter, SpanQueue, set_up};
#[cfg(feature = "otlp")]
pub(crate) use self::layer::SpanLayer;

use thunderhead_http::middleware::request_span::REQUEST_SPAN;
use tracing::Metadata;

/// Crates whose spans are use cases and ports. What libraries put into theirs, nobody knows.
const OURS: [&str; 2] = ["thunderhead_auth", "thunderhead_storage"];

/// Whether a span is part of traces.
pub(crate) fn is_traced(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    metadata.is_span() && (target == REQUEST_SPAN || OURS.iter().any(|ours| target.starts_with(ours)))
}
