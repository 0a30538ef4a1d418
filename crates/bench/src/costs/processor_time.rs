//! The processor time that a server's process takes.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

/// Reads what the threads of one process have taken (`/proc/PID/task/*/schedstat`: nanoseconds, where `stat` counts
/// hundredths of a second).
pub(super) struct ProcessorTime {
    tasks: String,
}

/// A moment: the nanoseconds of each thread until then.
pub(super) struct ProcessorSample(HashMap<String, u64>);

impl ProcessorTime {
    pub(super) fn new(pid: u32) -> Self {
        Self { tasks: format!("/proc/{pid}/task") }
    }

    pub(super) fn read(&self) -> Result<ProcessorSample> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(&self.tasks).context("the server has ended")? {
            let task = task?;
            // A thread may end between the two.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).context("no schedstat")?;
            threads.insert(task.file_name().to_string_lossy().into_owned(), nanos);
        }
        Ok(ProcessorSample(threads))
    }

    /// Milliseconds since a moment.
    pub(super) fn since(&self, before: &ProcessorSample) -> Result<f64> {
        Ok(self.read()?.minus(before))
    }
}

impl ProcessorSample {
    fn minus(&self, before: &Self) -> f64 {
        let grown = |(thread, nanos): (&String, &u64)| nanos.saturating_sub(before.0.get(thread).copied().unwrap_or(0));
        self.0.iter().map(grown).sum::<u64>() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_threads_count_and_those_that_have_ended_do_not() {
        let reading = |threads: &[(&str, u64)]| {
            ProcessorSample(threads.iter().map(|(thread, nanos)| ((*thread).to_owned(), *nanos)).collect())
        };
        let before = reading(&[("1", 1_000_000), ("2", 5_000_000)]);
        assert_eq!(reading(&[("1", 3_000_000), ("3", 500_000)]).minus(&before), 2.5);
    }
}
