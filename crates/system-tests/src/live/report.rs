//! What was seen: figures for people, and the promises that were broken.

use std::fmt::{self, Display};
use std::sync::Mutex;

use anyhow::{Result, bail};

/// How many violations are printed; their number is always.
const SHOWN: usize = 20;

/// Gathers what the faults show. It is printed at the end, as a table.
#[derive(Default)]
pub struct Report {
    rows: Vec<[String; 3]>,
    violations: Violations,
}

/// Promises that were broken, from any thread.
#[derive(Default)]
pub struct Violations(Mutex<Vec<String>>);

impl Violations {
    pub fn add(&self, violation: impl Into<String>) {
        let violation = violation.into();
        eprintln!("  VIOLATED: {violation}");
        if let Ok(mut violations) = self.0.lock() {
            violations.push(violation);
        }
    }

    /// Notes a violation unless this holds.
    pub fn unless(&self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.add(violation());
        }
    }
}

impl Report {
    pub fn violations(&self) -> &Violations {
        &self.violations
    }

    /// A line of the table.
    pub fn row(&mut self, fault: &str, place: impl Display, figures: impl Display) {
        let row = [fault.to_owned(), place.to_string(), figures.to_string()];
        eprintln!("  {}", row.join("  "));
        self.rows.push(row);
    }

    /// Prints the table, and fails if a promise was broken.
    pub fn finish(self) -> Result<()> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        println!();
        for [fault, place, figures] in &self.rows {
            println!("{fault:first$}  {place:second$}  {figures}");
        }
        let violations = self.violations.0.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if violations.is_empty() {
            println!("Every promise was kept.");
            return Ok(());
        }
        println!();
        for violation in violations.iter().take(SHOWN) {
            println!("VIOLATED: {violation}");
        }
        bail!("promises were broken {} times", violations.len())
    }
}

/// How long something took, in nanoseconds, the shortest first.
pub struct Durations(Vec<u64>);

impl Durations {
    pub fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds: what so many in a thousand did not exceed.
    pub fn millis(&self, permille: usize) -> f64 {
        let place = (self.0.len() * permille).div_ceil(1_000).saturating_sub(1);
        self.0.get(place).map_or(0.0, |nanos| *nanos as f64 / 1e6)
    }
}

impl fmt::Display for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, longest] = [500, 990, 1_000].map(|permille| self.millis(permille));
        write!(f, "ms: median {median:.1}, p99 {p99:.1}, max {longest:.1}")
    }
}
