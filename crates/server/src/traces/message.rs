//! Spans as OTLP has them in JSON (OpenTelemetry protocol 1, *JSON Protobuf Encoding*), with the names of the semantic
//! conventions.

use serde_json::{Value, json};

use super::layer::{FinishedSpan, SpanId, Traced};

const NAME: &str = "thunderhead";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kinds of spans.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// The status of a span that failed.
const FAILED: u8 = 2;

/// Which server spans come from.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// This process, apart from others of its kind.
    pub(super) instance: String,
    /// Where browsers find it, if that is known.
    pub(super) address: Option<String>,
}

/// The body of a request to a collector.
pub(super) fn body(resource: &Resource, spans: &[FinishedSpan]) -> Vec<u8> {
    let attributes =
        [text("service.name", NAME), text("service.version", VERSION), text("service.instance.id", &resource.instance)];
    let spans: Vec<_> = spans.iter().map(|finished| span(resource, finished)).collect();
    let scope_spans = [json!({ "scope": { "name": NAME, "version": VERSION }, "spans": spans })];
    json!({ "resourceSpans": [{ "resource": { "attributes": attributes }, "scopeSpans": scope_spans }] })
        .to_string()
        .into_bytes()
}

fn span(resource: &Resource, finished: &FinishedSpan) -> Value {
    let FinishedSpan { trace_id, span_id, parent, began, ended, what } = finished;
    let (name, kind, attributes) = described(resource, what);
    let mut span = json!({
        "traceId": format!("{:032x}", trace_id.0),
        "spanId": hexadecimal(*span_id),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": began.0.to_string(),
        "endTimeUnixNano": ended.0.to_string(),
        "attributes": attributes,
    });
    if let Some(parent) = parent {
        span["parentSpanId"] = hexadecimal(*parent).into();
    }
    if matches!(what, Traced::Request { status: Some(500..), .. }) {
        span["status"] = json!({ "code": FAILED });
    }
    span
}

fn described(resource: &Resource, what: &Traced) -> (String, u8, Vec<Value>) {
    match what {
        Traced::Request { method, route, status } => {
            // What the conventions call a method that nobody knows.
            let method = if method == "other" { "_OTHER" } else { method.as_str() };
            let shown = if method == "_OTHER" { "HTTP" } else { method };
            let name = route.as_ref().map_or_else(|| shown.to_owned(), |route| format!("{shown} {route}"));
            let error = status.filter(|status| *status >= 500).map(|status| text("error.type", &status.to_string()));
            let rest = [
                route.as_ref().map(|route| text("http.route", route)),
                status.map(|status| number("http.response.status_code", status)),
                resource.address.as_ref().map(|address| text("server.address", address)),
                error,
            ];
            let first = [text("http.request.method", method), text("url.scheme", "http")];
            (name, SERVER, first.into_iter().chain(rest.into_iter().flatten()).collect())
        }
        Traced::UseCase { module, function } => {
            let topic = module.split("::").skip(1).chain([*function]).collect::<Vec<_>>().join(".");
            (topic, INTERNAL, vec![code(module, function)])
        }
        Traced::DatabaseOperation { system, module, function } => {
            let attributes =
                vec![text("db.system.name", system), text("db.operation.name", function), code(module, function)];
            ((*function).to_owned(), CLIENT, attributes)
        }
    }
}

fn code(module: &str, function: &str) -> Value {
    text("code.function.name", &format!("{module}::{function}"))
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Whole numbers are texts in JSON, as Protobuf has those of 64 bits.
fn number(key: &str, value: u16) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn hexadecimal(SpanId(id): SpanId) -> String {
    format!("{id:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::layer::{TraceId, UnixNanos};

    fn of(what: Traced) -> Value {
        let resource = Resource { instance: "i".to_owned(), address: Some("auth.example.org".to_owned()) };
        let (trace_id, span_id, parent) = (TraceId(0xab), SpanId(0xcd), Some(SpanId(0xef)));
        let (began, ended) = (UnixNanos(1_000_000), UnixNanos(2_500_000));
        let spans = [FinishedSpan { trace_id, span_id, parent, began, ended, what }];
        serde_json::from_slice::<Value>(&body(&resource, &spans)).unwrap()
    }

    #[test]
    fn a_request_is_a_span_of_a_server() {
        let request = |status| Traced::Request { method: "GET".into(), route: Some("/api/x/{id}".to_owned()), status };
        let body = of(request(Some(503)));
        assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0], text("service.name", "thunderhead"));
        let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let attributes = [
            text("http.request.method", "GET"),
            text("url.scheme", "http"),
            text("http.route", "/api/x/{id}"),
            number("http.response.status_code", 503),
            text("server.address", "auth.example.org"),
            text("error.type", "503"),
        ];
        let expected = json!({
            "traceId": "000000000000000000000000000000ab",
            "spanId": "00000000000000cd",
            "parentSpanId": "00000000000000ef",
            "name": "GET /api/x/{id}",
            "kind": 2,
            "startTimeUnixNano": "1000000",
            "endTimeUnixNano": "2500000",
            "attributes": attributes,
            "status": { "code": 2 },
        });
        assert_eq!(*span, expected);
        let fine = of(request(Some(404)));
        assert_eq!(fine["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"], Value::Null);
    }

    #[test]
    fn a_use_case_and_an_operation_are_named_after_what_they_do() {
        let name = |what| of(what)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"].take();
        let (module, function) = ("thunderhead_auth::sessions::login", "log_in");
        assert_eq!(name(Traced::UseCase { module, function }), "sessions.login.log_in");
        let (module, function) = ("thunderhead_storage::on_sqlite::operations::keys", "key_list");
        assert_eq!(name(Traced::DatabaseOperation { system: "sqlite", module, function }), "key_list");
        assert_eq!(name(Traced::Request { method: "other".into(), route: None, status: None }), "HTTP");
    }
}
