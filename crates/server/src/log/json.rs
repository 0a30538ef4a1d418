//! Events as JSON, one object a line: `timestamp`, `level`, `fields`, `target`, and `span` where something is being
//! answered. All of it is written once, straight into the line; what a span holds is in its final form from the start.

use std::error::Error;
use std::fmt::{self, Debug, Display, Write};

use thunderhead_http::middleware::record::{RequestName, with_current};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of events.
pub(super) struct Json;

/// The format of what spans hold: the members of an object, without its braces.
pub(super) struct JsonMembers;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        // Neither a moment nor a level has anything to escape.
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",\"fields\":{{", metadata.level())?;
        let mut members = Members::new(&mut writer);
        event.record(&mut members);
        members.outcome?;
        writer.write_str("},\"target\":")?;
        text(&mut writer, metadata.target())?;
        // The innermost span says all.
        let parent = event.parent().and_then(|id| context.span(id));
        let parent = parent.or_else(|| if event.is_root() { None } else { context.lookup_current() });
        if let Some(span) = parent {
            writer.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                write!(writer, "{fields},")?;
            }
            writer.write_str("\"name\":")?;
            text(&mut writer, span.name())?;
            writer.write_char('}')?;
        } else if event.is_contextual() {
            let in_course_of =
                |name: &RequestName| request(&mut writer, name.method(), name.path(), name.id(), name.trace_id());
            with_current(in_course_of).transpose()?;
        }
        writer.write_str("}\n")
    }
}

impl<'a> FormatFields<'a> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut members = Members::new(&mut writer);
        fields.record(&mut members);
        members.outcome
    }

    fn add_fields(&self, current: &'a mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        if !current.fields.is_empty() && !fields.is_empty() {
            current.fields.push(',');
        }
        self.format_fields(current.as_writer(), fields)
    }
}

/// Writes what request is being answered, as if that were a span.
fn request(writer: &mut impl Write, method: &str, path: &str, id: &str, trace_id: Option<&str>) -> fmt::Result {
    writer.write_str(",\"span\":{")?;
    let trace_id = trace_id.map(|id| ("trace_id", id));
    for (name, value) in [("method", method), ("path", path), ("request_id", id)].into_iter().chain(trace_id) {
        write!(writer, "\"{name}\":")?;
        text(writer, value)?;
        writer.write_char(',')?;
    }
    writer.write_str("\"name\":\"request\"}")
}

/// Writes fields as members of an object.
struct Members<'a, W> {
    writer: &'a mut W,
    is_first: bool,
    outcome: fmt::Result,
}

impl<'a, W: Write> Members<'a, W> {
    const fn new(writer: &'a mut W) -> Self {
        Self { writer, is_first: true, outcome: Ok(()) }
    }

    fn add(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = self.name(field).and_then(|()| value(self.writer));
        }
    }

    fn name(&mut self, field: &Field) -> fmt::Result {
        if !self.is_first {
            self.writer.write_char(',')?;
        }
        self.is_first = false;
        // A field that is named like a keyword of Rust is written with this in front.
        text(self.writer, field.name().strip_prefix("r#").unwrap_or(field.name()))?;
        self.writer.write_char(':')
    }
}

impl<W: Write> Visit for Members<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no numbers without an end.
        self.add(field, |writer| if value.is_finite() { write!(writer, "{value}") } else { writer.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |writer| text(writer, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, |writer| displayed(writer, &value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |writer| displayed(writer, &format_args!("{value:?}")));
    }
}

/// Writes a text as JSON has it (RFC 8259, section 7).
fn text(writer: &mut impl Write, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_str(text)?;
    writer.write_char('"')
}

/// The same with what is only made into a text on the way.
fn displayed(writer: &mut impl Write, value: &dyn Display) -> fmt::Result {
    writer.write_char('"')?;
    write!(Escaped(writer), "{value}")?;
    writer.write_char('"')
}

/// Escapes what a text in JSON may not hold as it is.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        // All of it is looked at, whatever the first bytes are: that goes many at a time.
        if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some((plain, special)) = rest.bytes().position(is_special).and_then(|at| rest.split_at_checked(at)) {
            self.0.write_str(plain)?;
            let mut characters = special.chars();
            match characters.next() {
                Some(character @ ('"' | '\\')) => write!(self.0, "\\{character}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(other) => write!(self.0, "\\u{:04x}", u32::from(other))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::proptest;
    use serde_json::{Value, json};
    use tracing::subscriber::with_default;
    use tracing::{Level, info, info_span};

    use super::*;
    use crate::log::kept::Kept;

    /// The lines of what something logs, without their times.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_max_level(Level::TRACE);
        with_default(log.fmt_fields(JsonMembers).event_format(Json).finish(), work);
        let text = kept.text();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let without_time = |mut event: Value| {
            let time = event.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
            event
        };
        events.map(without_time).collect()
    }

    #[test]
    fn an_event_has_its_fields_by_their_kinds() {
        let error = io::Error::other("no \"room\"");
        let events = logged(|| {
            info!(
                text = "a\u{1b}[2J\"\\\n",
                whole = -7,
                large = u64::MAX,
                part = 0.5,
                endless = f64::INFINITY,
                flag = true,
                none = Option::<&str>::None,
                shown = %"x\"y",
                debugged = ?["\u{1}"],
                error = &error as &dyn Error,
                "it {}",
                "happened"
            );
        });
        let fields = json!({
            "message": "it happened",
            "text": "a\u{1b}[2J\"\\\n",
            "whole": -7,
            "large": u64::MAX,
            "part": 0.5,
            "endless": null,
            "flag": true,
            "shown": "x\"y",
            "debugged": "[\"\\u{1}\"]",
            "error": "no \"room\"",
        });
        assert_eq!(events, [json!({"level": "INFO", "fields": fields, "target": module_path!()})]);
    }

    #[test]
    fn an_event_names_the_innermost_span_it_stands_in_and_one_without_a_parent_none() {
        let events = logged(|| {
            let outer = info_span!("outer", path = "/\"", late = tracing::field::Empty);
            outer.record("late", 1);
            let _outer = outer.enter();
            info!("within");
            info!(parent: None, "apart");
            let bare = info_span!("bare");
            info!(parent: &bare, "named");
        });
        let spans: Vec<&Value> = events.iter().map(|event| &event["span"]).collect();
        let outer = json!({"path": "/\"", "late": 1, "name": "outer"});
        assert_eq!(spans, [&outer, &Value::Null, &json!({"name": "bare"})]);
    }

    #[test]
    fn the_request_that_is_being_answered_stands_where_a_span_does() {
        let span = |trace_id| {
            let mut line = "{\"fields\":{}".to_owned();
            request(&mut line, "GET", "/a\"b", "7", trace_id).unwrap();
            serde_json::from_str::<Value>(&(line + "}")).unwrap()["span"].take()
        };
        assert_eq!(span(None), json!({"method": "GET", "path": "/a\"b", "request_id": "7", "name": "request"}));
        assert_eq!(span(Some("4b"))["trace_id"], "4b");
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_it_was_written(text in "(?s).*") {
            let mut line = String::new();
            super::text(&mut line, &text).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
