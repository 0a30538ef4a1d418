//! What a lane measures of itself. Where nobody reads measurements, all of this does nothing.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::fault::{Failure, Overload};
use crate::unreadable;

/// The measurements of one lane. They go to whoever reads when the lane starts.
pub(crate) struct Meter {
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

/// Counted as long as it lives.
pub(crate) struct Counted(Gauge);

/// Measures from its making to its end.
pub(crate) struct Stopwatch<'a> {
    meter: &'a Meter,
    started: Instant,
}

impl Meter {
    pub(crate) fn new(lane: &'static str) -> Self {
        unreadable::announce();
        // There from the start, so that the first one is seen as an increase.
        drop(connection_faults());
        let counted = |(_, kind)| counter!("thunderhead_database_faults_total", "lane" => lane, "kind" => kind);
        Self {
            faults: Fault::ALL.map(counted),
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

    fn fault(&self, fault: Fault) {
        self.faults[fault as usize].increment(1);
    }

    /// Counts an operation that failed in the database, and hands its failure on.
    pub(crate) fn failed(&self, failure: Failure) -> Failure {
        self.fault(if failure.is_outage() { Fault::Outage } else { Fault::Defect });
        failure
    }

    /// Counts an operation that was not waited for, and hands the reason on.
    pub(crate) fn overloaded(&self, overload: Overload) -> Overload {
        self.fault(match overload {
            Overload::QueueFull => Fault::QueueFull,
            Overload::TooSlow => Fault::TooSlow,
            Overload::Stopped => Fault::Stopped,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_in_the_order_of_declaration() {
        assert!(Fault::ALL.iter().enumerate().all(|(index, (fault, _))| *fault as usize == index));
    }
}
