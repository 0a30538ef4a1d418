//! What every crate that measures itself measures with. Where nobody reads measurements, all of this does nothing.

use metrics::Gauge;

/// Counted in a gauge as long as it lives.
pub struct InFlight(Gauge);

impl InFlight {
    /// Begins to count.
    pub fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_in_flight_is_counted_from_its_making_to_its_end() {
        let shown = Arc::new(AtomicU64::new(0));
        let gauge = Gauge::from_arc(Arc::clone(&shown));
        let count = || f64::from_bits(shown.load(Ordering::Relaxed));
        let first = InFlight::new(gauge.clone());
        let second = InFlight::new(gauge);
        assert_eq!(count(), 2.0);
        drop(first);
        assert_eq!(count(), 1.0);
        drop(second);
        assert_eq!(count(), 0.0);
    }
}
