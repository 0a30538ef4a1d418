//! Events as lines that fit a terminal. A request is its method, path, status, time, user, address and id, and its trace
//! where it has one.

use std::fmt::{self, Debug, Write as _};

use thunderhead_domain::ports::Clock;
use thunderhead_http::middleware::record::{RequestName, with_current};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::system::SystemClock;

/// The name of the event that the HTTP server logs for each answered request.
const REQUEST: &str = "request";
/// How much is shown of an id that the server drew: enough to find it. The answer and JSON have all of it.
const ID_SHOWN: usize = 8;
const UUID_LENGTH: usize = 36;
/// Where the time of day stands in a moment as RFC 3339 writes it.
const TIME_OF_DAY: std::ops::Range<usize> = 11..19;

/// The format.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let now = SystemClock.now().to_string();
        write!(writer, "{} ", now.get(TIME_OF_DAY).unwrap_or(&now))?;
        if metadata.name() == REQUEST {
            let mut request = Request::default();
            event.record(&mut request);
            writer.write_str(&request.line())?;
        } else {
            let level = shown_level(*metadata.level(), writer.has_ansi_escapes());
            write!(writer, "{level} {}: ", metadata.target())?;
            context.format_fields(writer.by_ref(), event)?;
        }
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(writer, " ({} {fields})", span.name())?;
            }
        }
        if event.is_contextual() {
            let in_course_of = |name: &RequestName| {
                let (method, path, id) = (name.method(), name.path(), name.id());
                write!(writer, " (request method={method:?} path={path:?} request_id={id:?}")?;
                if let Some(trace) = name.trace_id() {
                    write!(writer, " trace_id={trace:?}")?;
                }
                writer.write_char(')')
            };
            with_current(in_course_of).transpose()?;
        }
        writeln!(writer)
    }
}

fn shown_level(level: Level, colours: bool) -> String {
    let colour = match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    };
    if colours { format!("\u{1b}[{colour}m{level}\u{1b}[0m") } else { level.to_string() }
}

/// What the event of a request holds.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    status: u64,
    millis: f64,
    user: Option<String>,
    client: Option<String>,
    id: String,
    trace: Option<String>,
}

impl Request {
    fn line(&self) -> String {
        let Self { method, path, status, millis, user, client, id, trace } = self;
        // A short time is told more exactly than a long one.
        let decimals = usize::from(*millis < 10.0);
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let id = if id.len() == UUID_LENGTH { id.get(..ID_SHOWN).unwrap_or(id) } else { id };
        let mut line = String::new();
        for part in [method, path] {
            if !part.is_empty() {
                // What a client sent may not steer a terminal.
                line.push_str(&part.escape_debug().to_string());
                line.push(' ');
            }
        }
        let rest = format!("{status} {millis:.decimals$}ms {} {} {id}", or_none(user), or_none(client));
        line.push_str(rest.trim_end());
        if let Some(trace) = trace {
            line.push(' ');
            line.push_str(trace);
        }
        line
    }

    fn set(&mut self, field: &Field, text: String) {
        match field.name() {
            "method" => self.method = text,
            "path" => self.path = text,
            "user" => self.user = Some(text),
            "client" => self.client = Some(text),
            "request_id" => self.id = text,
            "trace_id" => self.trace = Some(text),
            _ => {}
        }
    }
}

impl Visit for Request {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "duration_ms" {
            self.millis = value;
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        if write!(text, "{value:?}").is_ok() {
            self.set(field, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            method: "GET".to_owned(),
            path: "/api/users/me/sessions".to_owned(),
            status: 200,
            millis: 0.512,
            user: Some("1768478400250".to_owned()),
            client: Some("192.0.2.1".to_owned()),
            id: "5f0c3a1e-0000-4000-8000-000000000000".to_owned(),
            trace: None,
        }
    }

    #[test]
    fn a_request_is_short_and_has_all_that_is_asked_for() {
        let line = request().line();
        assert_eq!(line, "GET /api/users/me/sessions 200 0.5ms 1768478400250 192.0.2.1 5f0c3a1e");
        assert!("12:00:00 ".len() + line.len() <= 80);
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_a_clients_own_id_is_whole() {
        let line = Request { user: None, client: None, millis: 1234.5, id: "deploy-42".to_owned(), ..request() }.line();
        assert_eq!(line, "GET /api/users/me/sessions 200 1234ms - - deploy-42");
    }

    #[test]
    fn a_trace_is_whole_and_comes_last() {
        let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        let line = Request { trace, ..request() }.line();
        assert!(line.ends_with("192.0.2.1 5f0c3a1e 4bf92f3577b34da6a3ce929d0e0e4736"), "{line}");
    }

    #[test]
    fn a_path_does_not_steer_a_terminal() {
        let line = Request { path: "/\u{202e}\u{1b}[2J".to_owned(), ..request() }.line();
        assert!(line.starts_with("GET /\\u{202e}\\u{1b}[2J 200"), "{line}");
    }
}
