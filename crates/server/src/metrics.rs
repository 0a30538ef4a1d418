//! Measurements for Prometheus, on a listener of their own: what they tell is nobody's business outside.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use self::Kind::{Counter, Gauge, Histogram};
use crate::log::DroppedLines;

/// How often what was measured is put into its buckets: until then every single value is kept.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Upper bounds of the buckets of times, in seconds: from an answer out of memory to the longest deadlines.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Scrapers are few.
const MOST_CONNECTIONS: usize = 64;
/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// All that is measured: name, kind, labels, meaning. Times are in seconds.
const METRICS: [(&str, Kind, &str, &str); 24] = [
    ("thunderhead_build_info", Gauge, "version", "Always 1; the label is what counts."),
    ("thunderhead_http_requests_total", Counter, "method, route, status", "Answered requests."),
    ("thunderhead_http_request_duration_seconds", Histogram, "method, route", "How long answers took."),
    ("thunderhead_http_requests_in_flight", Gauge, "", "Requests that are being answered."),
    ("thunderhead_http_connections", Gauge, "", "Open connections."),
    ("thunderhead_http_connections_cut_total", Counter, "reason", "Connections closed for want of room."),
    ("thunderhead_logins_total", Counter, "outcome", "Attempts to log in, and how they ended."),
    ("thunderhead_hashing_waiting", Gauge, "", "Jobs that wait for a hashing thread."),
    ("thunderhead_hashing_running", Gauge, "", "Jobs that hashing threads work at."),
    ("thunderhead_hashing_refused_total", Counter, "", "Jobs refused because the hashing queue was full."),
    ("thunderhead_session_lookups_total", Counter, "from", "Sessions looked up, and where they were found."),
    ("thunderhead_freshness_reads_total", Counter, "", "Questions for what has changed in the database."),
    ("thunderhead_database_operation_duration_seconds", Histogram, "pool", "How long callers waited for an operation."),
    ("thunderhead_database_operations_waiting", Gauge, "pool", "Operations that wait for a connection."),
    ("thunderhead_database_operations_running", Gauge, "pool", "Operations under way, each on a connection."),
    ("thunderhead_database_faults_total", Counter, "pool, kind", "Operations that failed, or were not waited for."),
    ("thunderhead_database_takes_changes", Gauge, "", "1 where a tiny write went through, 0 where it did not."),
    ("thunderhead_database_connection_faults_total", Counter, "", "Connections that could not be made."),
    ("thunderhead_kill_switch_on", Gauge, "switch", "1 where a kill switch is on, 0 where it is off."),
    ("thunderhead_webhooks", Gauge, "state", "Endpoints of webhooks, by how they stand."),
    (
        "thunderhead_webhook_deliveries_total",
        Counter,
        "outcome",
        "Attempts to deliver an event, and what came of them.",
    ),
    ("thunderhead_webhook_events_behind", Gauge, "", "Events that the endpoint furthest behind has still to come to."),
    ("thunderhead_log_lines_dropped_total", Counter, "", "Lines of the log that were not written."),
    ("thunderhead_unreadable_rows_total", Counter, "table", "Rows that could not be read, each time one was met."),
];

/// Begins to measure. Only what is made after this is measured.
///
/// # Errors
/// Where somebody in this process measures already.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).context("the buckets of measurements")?;
    let handle = builder.install_recorder().context("the measurements cannot be set up")?;
    for (name, kind, _labels, meaning) in METRICS {
        match kind {
            Counter => describe_counter!(name, meaning),
            Gauge => describe_gauge!(name, meaning),
            Histogram => describe_histogram!(name, meaning),
        }
    }
    gauge!("thunderhead_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Serves `/metrics`, and keeps the measurements small. The caller runs the server.
///
/// # Errors
/// Where the socket cannot be listened on.
pub(crate) fn serve(
    listener: TcpListener,
    handle: PrometheusHandle,
    dropped_lines: DroppedLines,
) -> std::io::Result<Server> {
    dropped_lines.measure();
    actix_web::rt::spawn(keep_up(handle.clone()));
    let app = move || {
        let (handle, dropped_lines) = (handle.clone(), dropped_lines.clone());
        let show = move || {
            dropped_lines.measure();
            let text = handle.render();
            async move { HttpResponse::Ok().content_type(CONTENT_TYPE).body(text) }
        };
        App::new().route("/metrics", web::get().to(show))
    };
    let server = HttpServer::new(app).workers(1).max_connections(MOST_CONNECTIONS).disable_signals();
    Ok(server.listen(listener)?.run())
}

async fn keep_up(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

    #[test]
    fn the_documents_have_every_measurement() {
        for (name, kind, labels, _) in METRICS {
            let row = format!("| `{name}` | {} | {labels} |", format!("{kind:?}").to_lowercase());
            assert!(OPERATIONS.contains(&row), "docs/OPERATIONS.md has no row that begins with {row}");
        }
    }

    #[test]
    fn every_documented_measurement_has_a_help_text() {
        let rows = OPERATIONS.lines().filter_map(|line| line.strip_prefix("| `thunderhead_")?.split('`').next());
        let rows: Vec<String> = rows.map(|rest| format!("thunderhead_{rest}")).collect();
        assert!(!rows.is_empty());
        for row in rows {
            assert!(METRICS.iter().any(|(name, ..)| *name == row), "{row}");
        }
    }

    #[test]
    fn what_counts_is_called_a_total_and_what_is_timed_says_its_unit() {
        for (name, kind, _, _) in METRICS {
            assert_eq!(name.ends_with("_total"), kind == Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), kind == Histogram, "{name}");
        }
    }
}
