//! From spans of `tracing` to spans of a trace: a trace begins with a request, and has what is opened in its course.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::time::Timestamp;
use thunderhead_http::middleware::request_span::REQUEST_SPAN;
use tokio::sync::mpsc::Sender;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// How much of a trace's id is taken for a random number, as consistent sampling has it (OpenTelemetry, *TraceState:
/// Probability Sampling*), so that others who send one trace in so many send the same.
const RANDOM_BITS: u32 = 56;

/// A span that is over.
#[derive(Debug)]
pub(super) struct FinishedSpan {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    /// The span that it stands in, here or at the caller's.
    pub(super) parent: Option<SpanId>,
    pub(super) began: UnixNanos,
    pub(super) ended: UnixNanos,
    pub(super) what: Traced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) u128);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnixNanos(pub(super) u128);

/// What a span is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Traced {
    Request { method: String, route: Option<String>, status: Option<u16> },
    UseCase { module: &'static str, function: &'static str },
    DatabaseOperation { system: &'static str, module: &'static str, function: &'static str },
}

impl Traced {
    /// By where in the program it is, all of which is known when that is built.
    fn of(metadata: &Metadata<'static>) -> Self {
        Self::at(metadata.target(), metadata.name())
    }

    fn at(module: &'static str, function: &'static str) -> Self {
        let Some(inside) = module.strip_prefix("thunderhead_storage") else {
            return Self::UseCase { module, function };
        };
        let system = if inside.starts_with("::on_postgres") { "postgresql" } else { "sqlite" };
        Self::DatabaseOperation { system, module, function }
    }
}

/// A moment by which the others of a trace are told, so that they are in order whatever is done to the clock.
#[derive(Clone, Copy)]
struct Start {
    at: Timestamp,
    instant: Instant,
}

impl Start {
    fn now(self) -> UnixNanos {
        let millis = u128::try_from(self.at.unix_millis()).unwrap_or_default();
        UnixNanos(millis.saturating_mul(1_000_000).saturating_add(self.instant.elapsed().as_nanos()))
    }
}

/// A span that is kept with `tracing`'s own as long as it lasts.
struct OpenSpan {
    trace_id: TraceId,
    span_id: SpanId,
    parent: Option<SpanId>,
    start: Start,
    began: UnixNanos,
    what: Traced,
}

/// Has spans sent.
pub(crate) struct SpanLayer {
    queue: Sender<FinishedSpan>,
    lost: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Of how many traces one is sent.
    one_in: u32,
}

impl SpanLayer {
    /// Puts what is over into a queue, and counts what finds no room there.
    pub(super) fn new(
        queue: Sender<FinishedSpan>,
        lost: Arc<AtomicU64>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        one_in: u32,
    ) -> Self {
        Self { queue, lost, clock, random, one_in }
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// The first span of a trace here, where that is to be sent. Who says that it does not record its own part wants none
    /// of ours; who says that it does has no more of us than others.
    fn request(&self, attributes: &Attributes<'_>) -> Option<OpenSpan> {
        let mut asked = RequestFields::default();
        attributes.record(&mut asked);
        let RequestFields { method, trace_id, parent, sampled, .. } = asked;
        let trace_id = trace_id.unwrap_or_else(|| TraceId(u128::from_be_bytes(self.draw())));
        if sampled == Some(false) || !is_sampled(trace_id, self.one_in) {
            return None;
        }
        let start = Start { at: self.clock.now(), instant: Instant::now() };
        let what = Traced::Request { method, route: None, status: None };
        Some(self.open(trace_id, parent, start, what))
    }

    fn open(&self, trace_id: TraceId, parent: Option<SpanId>, start: Start, what: Traced) -> OpenSpan {
        let span_id = SpanId(u64::from_be_bytes(self.draw()));
        OpenSpan { trace_id, span_id, parent, start, began: start.now(), what }
    }
}

/// Whether a trace is among those that are sent.
fn is_sampled(TraceId(trace_id): TraceId, one_in: u32) -> bool {
    let all = 1 << RANDOM_BITS;
    trace_id % all >= all - all / u128::from(one_in.max(1))
}

impl<S> Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let open = if attributes.metadata().target() == REQUEST_SPAN {
            self.request(attributes)
        } else {
            // Without a request above it, it is of what is done regularly, which nobody asked for.
            span.parent().and_then(|parent| {
                let extensions = parent.extensions();
                let OpenSpan { trace_id, span_id, start, .. } = extensions.get()?;
                Some(self.open(*trace_id, Some(*span_id), *start, Traced::of(attributes.metadata())))
            })
        };
        if let Some(open) = open {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(OpenSpan { what: Traced::Request { route, status, .. }, .. }) = extensions.get_mut() {
            let mut answered = RequestFields::default();
            values.record(&mut answered);
            *route = answered.route.or(route.take());
            *status = answered.status.or(*status);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<OpenSpan>() else { return };
        let OpenSpan { trace_id, span_id, parent, start, began, what } = open;
        let finished = FinishedSpan { trace_id, span_id, parent, began, ended: start.now(), what };
        if self.queue.try_send(finished).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the span of a request holds.
#[derive(Default)]
struct RequestFields {
    method: String,
    trace_id: Option<TraceId>,
    parent: Option<SpanId>,
    sampled: Option<bool>,
    route: Option<String>,
    status: Option<u16>,
}

impl Visit for RequestFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "http.request.method" => value.clone_into(&mut self.method),
            "http.route" => self.route = Some(value.to_owned()),
            "trace_id" => self.trace_id = u128::from_str_radix(value, 16).ok().map(TraceId),
            "parent_id" => self.parent = u64::from_str_radix(value, 16).ok().map(SpanId),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "http.response.status_code" {
            self.status = u16::try_from(value).ok();
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "sampled" {
            self.sampled = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_so_many_traces_one_is_sent_and_the_same_ones_whoever_asks() {
        let last = (1 << RANDOM_BITS) - 1;
        for (trace_id, one_in, sampled) in [
            (1, 1, true),
            (last, 1, true),
            (1, 2, false),
            (1 << (RANDOM_BITS - 1), 2, true),
            ((1 << (RANDOM_BITS - 1)) - 1, 2, false),
            (last, 1_000_000, true),
            (last - last / 1_000_000 - 2, 1_000_000, false),
            // What lies above the random part does not count.
            (1 | (0xff << 120), 2, false),
        ] {
            assert_eq!(is_sampled(TraceId(trace_id), one_in), sampled, "{trace_id:x} of {one_in}");
        }
    }

    #[test]
    fn a_span_is_told_by_where_it_is_in_the_program() {
        let operation = |module, function| match Traced::at(module, function) {
            Traced::DatabaseOperation { system, .. } => Some(system),
            Traced::UseCase { .. } | Traced::Request { .. } => None,
        };
        assert_eq!(operation("thunderhead_storage::on_postgres::operations::keys", "key_list"), Some("postgresql"));
        assert_eq!(operation("thunderhead_storage::on_sqlite::operations::keys", "key_list"), Some("sqlite"));
        assert_eq!(operation("thunderhead_auth::sessions::login", "log_in"), None);
    }
}
