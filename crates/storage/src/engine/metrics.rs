//! What a pool measures of itself. Where nobody reads measurements, all of this does nothing.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use thunderhead_metrics::InFlight;

use crate::error::{OperationError, OverloadError};
use crate::unreadable;

/// The measurements of one pool. They go to whoever reads when the pool starts.
pub(crate) struct PoolMetrics {
    faults: [Counter; Fault::ALL.len()],
    waiting: Gauge,
    running: Gauge,
    duration: Histogram,
}

/// Why an operation failed, or was not waited for.
#[derive(Clone, Copy)]
enum Fault {
    Outage,
    Defect,
    QueueFull,
    TooSlow,
    Stopped,
}

impl Fault {
    /// Each with its name, in the order of declaration.
    const ALL: [(Self, &'static str); 5] = [
        (Self::Outage, "outage"),
        (Self::Defect, "defect"),
        (Self::QueueFull, "queue_full"),
        (Self::TooSlow, "too_slow"),
        (Self::Stopped, "stopped"),
    ];
}

/// Counts connections that could not be made.
pub(crate) fn connection_faults() -> Counter {
    counter!("thunderhead_database_connection_faults_total")
}

/// Measures from its making to its end.
pub(crate) struct Stopwatch<'a> {
    metrics: &'a PoolMetrics,
    started: Instant,
}

impl PoolMetrics {
    pub(crate) fn new(worker_pool: &'static str) -> Self {
        unreadable::announce();
        // There from the start, so that the first one is seen as an increase.
        drop(connection_faults());
        let counted = |(_, kind)| counter!("thunderhead_database_faults_total", "pool" => worker_pool, "kind" => kind);
        Self {
            faults: Fault::ALL.map(counted),
            waiting: gauge!("thunderhead_database_operations_waiting", "pool" => worker_pool),
            running: gauge!("thunderhead_database_operations_running", "pool" => worker_pool),
            duration: histogram!("thunderhead_database_operation_duration_seconds", "pool" => worker_pool),
        }
    }

    /// A job in the queue.
    pub(crate) fn waiting(&self) -> InFlight {
        InFlight::new(self.waiting.clone())
    }

    /// Counts jobs that a thread works at.
    pub(crate) fn running(&self) -> Gauge {
        self.running.clone()
    }

    /// An operation, as long as its caller waits for it.
    pub(crate) fn operation(&self) -> Stopwatch<'_> {
        Stopwatch { metrics: self, started: Instant::now() }
    }

    fn error(&self, error: Fault) {
        self.faults[error as usize].increment(1);
    }

    /// Counts an operation that failed in the database, and hands its failure on.
    pub(crate) fn failed(&self, error: OperationError) -> OperationError {
        self.error(if error.is_outage() { Fault::Outage } else { Fault::Defect });
        error
    }

    /// Counts an operation that was not waited for, and hands the reason on.
    pub(crate) fn overloaded(&self, error: OverloadError) -> OverloadError {
        self.error(match error {
            OverloadError::QueueFull => Fault::QueueFull,
            OverloadError::TooSlow => Fault::TooSlow,
            OverloadError::Stopped => Fault::Stopped,
        });
        error
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.metrics.duration.record(self.started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_in_the_order_of_declaration() {
        assert!(Fault::ALL.iter().enumerate().all(|(index, (error, _))| *error as usize == index));
    }
}
