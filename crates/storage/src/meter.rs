//! What a lane measures of itself. Where nobody reads measurements, all of this does nothing.

use std::time::Instant;

use metrics::{Gauge, Histogram, counter, gauge, histogram};

use crate::fault::{Failure, Overload};

/// The measurements of one lane. They go to whoever reads when the lane starts.
pub(crate) struct Meter {
    lane: &'static str,
    waiting: Gauge,
    running: Gauge,
    duration: Histogram,
}

/// Counted as long as it lives.
pub(crate) struct Counted(Gauge);

/// Measures from its making to its end.
pub(crate) struct Stopwatch<'a> {
    meter: &'a Meter,
    started: Instant,
}

impl Meter {
    pub(crate) fn new(lane: &'static str) -> Self {
        Self {
            lane,
            waiting: gauge!("thunderhead_database_operations_waiting", "lane" => lane),
            running: gauge!("thunderhead_database_operations_running", "lane" => lane),
            duration: histogram!("thunderhead_database_operation_duration_seconds", "lane" => lane),
        }
    }

    /// A job in the queue.
    pub(crate) fn waiting(&self) -> Counted {
        Counted::new(&self.waiting)
    }

    /// Counts jobs that a thread works at.
    pub(crate) fn running(&self) -> Gauge {
        self.running.clone()
    }

    /// An operation, as long as its caller waits for it.
    pub(crate) fn operation(&self) -> Stopwatch<'_> {
        Stopwatch { meter: self, started: Instant::now() }
    }

    fn fault(&self, kind: &'static str) {
        counter!("thunderhead_database_faults_total", "lane" => self.lane, "kind" => kind).increment(1);
    }

    /// Counts an operation that failed in the database, and hands its failure on.
    pub(crate) fn failed(&self, failure: Failure) -> Failure {
        self.fault(if failure.is_outage() { "outage" } else { "defect" });
        failure
    }

    /// Counts an operation that was not waited for, and hands the reason on.
    pub(crate) fn overloaded(&self, overload: Overload) -> Overload {
        self.fault(match overload {
            Overload::QueueFull => "queue_full",
            Overload::TooSlow => "too_slow",
            Overload::Stopped => "stopped",
        });
        overload
    }
}

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.meter.duration.record(self.started.elapsed());
    }
}
