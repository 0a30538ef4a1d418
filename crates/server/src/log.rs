//! The log: lines for people on a terminal, JSON elsewhere. Both on the standard error; what is said at the start goes
//! to the standard output.

mod json;
#[cfg(test)]
mod kept;
mod lines;
mod writer;

use std::env;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde_json::{Map, Value, json};
use thunderhead_domain::time::Timestamp;
use thunderhead_http::middleware::request_span::REQUEST_SPAN;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry};

use self::json::{Json, JsonMembers};
use self::lines::Lines;
pub(crate) use self::writer::{DroppedLines, LogWriter};
use crate::config::{Config, LogFormat};
use crate::error::CommandError;
use crate::traces::{SpanLayer, is_traced};

fn is_json(format: LogFormat, output: &impl IsTerminal) -> bool {
    match format {
        LogFormat::Auto => !output.is_terminal(),
        LogFormat::Lines => false,
        LogFormat::Json => true,
    }
}

/// Begins to log, and to collect spans where they are wanted. What is logged is written as long as the result is held, and
/// the last of it when it is dropped.
///
/// # Errors
/// Where the filter is none, or somebody in this process logs already.
pub(crate) fn start(config: &Config, spans: Option<SpanLayer>) -> Result<LogWriter, CommandError> {
    // What actix says of its threads is for its own developers, and what it calls errors of HTTP are what any client
    // can send; the setting can ask for both. A request has a line, and its span none.
    let directives = format!("actix_server=warn,actix_http=off,{REQUEST_SPAN}=off,{}", config.log);
    let filter = EnvFilter::try_new(directives).context("`log`")?;
    let (entrance, writer) = LogWriter::start(io::stderr());
    let log = fmt::layer::<Registry>().with_writer(entrance);
    let started = if is_json(config.log_format, &io::stderr()) {
        init(log.fmt_fields(JsonMembers).event_format(Json), filter, spans)
    } else {
        // See https://no-color.org.
        let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        init(log.with_ansi(colours).event_format(Lines), filter, spans)
    };
    started.map_err(|error| anyhow::Error::msg(error.to_string()))?;
    Ok(writer)
}

/// Where nobody collects spans, what the log leaves out is not even looked at.
fn init<L>(log: L, filter: EnvFilter, spans: Option<SpanLayer>) -> Result<(), TryInitError>
where
    L: Layer<Registry> + Send + Sync,
{
    let Some(spans) = spans else { return registry().with(log).with(filter).try_init() };
    let traced = FilterFn::new(is_traced).with_max_level_hint(LevelFilter::DEBUG);
    registry().with(log.with_filter(filter)).with(spans.with_filter(traced)).try_init()
}

/// What is said once the server serves: where everything is.
pub(crate) struct Start<'a> {
    /// The server's address, as a URL without a path.
    pub(crate) server: String,
    /// Where the API is.
    pub(crate) base_path: &'a str,
    /// Where people find the pages, if there are any.
    pub(crate) pages: Option<String>,
    /// Where the database is, without a password.
    pub(crate) database: String,
    /// The file with the encryption key, if it is in one.
    pub(crate) encryption_key: Option<String>,
    /// Where the measurements are read.
    pub(crate) metrics: Option<String>,
    /// Where there are no users yet: how to make the first one.
    pub(crate) first_user_command: Option<&'a str>,
}

impl Start<'_> {
    /// Prints it: like an event of the log where that is JSON.
    pub(crate) fn print(&self, format: LogFormat, now: Timestamp) {
        let text = if is_json(format, &io::stdout()) { self.event(now).to_string() } else { self.lines() };
        // Where nobody reads it, it is served all the same.
        writeln!(io::stdout(), "{text}").ok();
    }

    fn title(&self) -> String {
        format!("Thunderhead {} serves {}{}", env!("CARGO_PKG_VERSION"), self.server, self.base_path)
    }

    fn lines(&self) -> String {
        let mut lines = vec![self.title()];
        lines.extend(self.pages.as_ref().map(|address| format!("  pages           {address}")));
        lines.push(format!("  documentation   {}/docs", self.server));
        lines.push(format!("  database        {}", self.database));
        if let Some(file) = &self.encryption_key {
            lines.push(format!("  encryption key  {file} (keep a copy: without it, everybody is logged out)"));
        }
        lines.extend(self.metrics.as_ref().map(|address| format!("  metrics         {address}")));
        if let Some(command) = self.first_user_command {
            lines.push("There are no users yet. Make the first one:".to_owned());
            lines.push(format!("  {command}"));
        }
        lines.join("\n")
    }

    fn event(&self, now: Timestamp) -> Value {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), Value::String(value));
            }
        };
        add("message", Some(self.title()));
        add("version", Some(env!("CARGO_PKG_VERSION").to_owned()));
        add("api", Some(format!("{}{}", self.server, self.base_path)));
        add("pages", self.pages.clone());
        add("documentation", Some(format!("{}/docs", self.server)));
        add("database", Some(self.database.clone()));
        add("encryption_key", self.encryption_key.clone());
        add("metrics", self.metrics.clone());
        add("first_user_command", self.first_user_command.map(str::to_owned));
        json!({ "timestamp": now.to_string(), "level": "INFO", "fields": fields, "target": "thunderhead" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(first_user_command: Option<&str>) -> Start<'_> {
        Start {
            server: "http://127.0.0.1:8000".to_owned(),
            base_path: "/api",
            pages: Some("http://localhost:8000".to_owned()),
            database: "sqlite://./data/thunderhead.db".to_owned(),
            encryption_key: Some("./data/encryption.key".to_owned()),
            metrics: Some("http://127.0.0.1:9090/metrics".to_owned()),
            first_user_command,
        }
    }

    #[test]
    fn the_start_names_the_api_its_documentation_and_the_way_to_a_first_user() {
        let lines = start(Some("thunderhead user create")).lines();
        for part in ["serves http://127.0.0.1:8000/api", "http://127.0.0.1:8000/docs", "  thunderhead user create"] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        assert!(!start(None).lines().contains("no users"));
    }

    #[test]
    fn without_a_terminal_the_start_is_an_event_like_others() {
        let event = start(None).event(Timestamp::from_unix_millis(0));
        assert!(!event.to_string().contains('\n'));
        assert_eq!(
            event,
            json!({
                "timestamp": "1970-01-01T00:00:00.000Z",
                "level": "INFO",
                "fields": {
                    "message": concat!("Thunderhead ", env!("CARGO_PKG_VERSION"), " serves http://127.0.0.1:8000/api"),
                    "version": env!("CARGO_PKG_VERSION"),
                    "api": "http://127.0.0.1:8000/api",
                    "pages": "http://localhost:8000",
                    "documentation": "http://127.0.0.1:8000/docs",
                    "database": "sqlite://./data/thunderhead.db",
                    "encryption_key": "./data/encryption.key",
                    "metrics": "http://127.0.0.1:9090/metrics",
                },
                "target": "thunderhead",
            })
        );
    }
}
