//! The way of the log to the standard error. Another thread writes, so that who reads the log slowly, or not at all, holds
//! up no request: what finds no place in the queue is dropped, and counted.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use metrics::counter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines wait to be written at most: those of a tenth of a second in which every request is logged.
const MOST_WAITING: usize = 8_192;
/// How many bytes are written at once where many lines wait.
const BATCH: usize = 64 << 10;
/// How long the last lines may take before the process ends.
const LAST_LINES: Duration = Duration::from_millis(1_500);

/// Lines that were not written.
#[derive(Clone, Debug)]
pub(crate) struct DroppedLines {
    /// For want of room in the queue.
    crowded_out: ErrorCounter,
    /// For a fault of what they were written to.
    unwritable: Arc<AtomicU64>,
}

impl DroppedLines {
    fn count(&self) -> u64 {
        let crowded_out = u64::try_from(self.crowded_out.dropped_lines()).unwrap_or(u64::MAX);
        crowded_out.saturating_add(self.unwritable.load(Ordering::Relaxed))
    }

    /// Brings the measurement of them up to date.
    pub(crate) fn measure(&self) {
        counter!("thunderhead_log_lines_dropped_total").absolute(self.count());
    }
}

/// What the log needs as long as the process runs. When it is dropped, a panic's unwinding included, what waits is
/// written.
#[must_use]
pub(crate) struct LogWriter {
    worker: Option<WorkerGuard>,
    dropped: DroppedLines,
}

impl LogWriter {
    /// Starts to write to an output; returns what is logged to.
    pub(super) fn start(output: impl Write + Send + 'static) -> (NonBlocking, Self) {
        let unwritable = Arc::<AtomicU64>::default();
        let output = Faultless { output, lost: Arc::clone(&unwritable) };
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MOST_WAITING).thread_name("log");
        let (entrance, worker) = builder.finish(BufWriter::with_capacity(BATCH, output));
        let dropped = DroppedLines { crowded_out: entrance.error_counter(), unwritable };
        (entrance, Self { worker: Some(worker), dropped })
    }

    pub(crate) const fn dropped_lines(&self) -> &DroppedLines {
        &self.dropped
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        let (tell, told) = mpsc::channel();
        // Where nobody reads what is written, the worker's own end may print that to the standard output, which nobody
        // may be reading either. It gets a thread that the process does not wait for.
        let end = move || {
            drop(worker);
            tell.send(()).ok();
        };
        if thread::Builder::new().name("log-end".to_owned()).spawn(end).is_ok() {
            told.recv_timeout(LAST_LINES).ok();
        }
    }
}

/// Counts the lines that an output does not take, and goes on: they would wait in front of all others.
struct Faultless<W> {
    output: W,
    lost: Arc<AtomicU64>,
}

impl<W: Write> Write for Faultless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.output.write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                self.lost.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
                Ok(bytes.len())
            }
            outcome => outcome,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

    use super::*;
    use crate::log::kept::Kept;

    /// Longer than any test, and never waited for.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A pipe that is full, until its reader is gone.
    struct Stuck {
        entered: SyncSender<()>,
        reader: Receiver<()>,
    }

    impl Stuck {
        fn new() -> (Self, Receiver<()>, Sender<()>) {
            let (entered, has_entered) = sync_channel(1);
            let (reader_is_here, reader) = channel();
            (Self { entered, reader }, has_entered, reader_is_here)
        }
    }

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.entered.try_send(()).ok();
            self.reader.recv().map_err(|_| io::ErrorKind::BrokenPipe.into()).map(|()| 0)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_waits_is_written_at_the_end_and_in_order() {
        let kept = Kept::default();
        let (mut entrance, log) = LogWriter::start(kept.clone());
        let lines: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
        for line in lines.split_inclusive('\n') {
            entrance.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(kept.text(), lines);
    }

    #[test]
    fn what_waits_is_written_when_a_panic_ends_the_process() {
        let kept = Kept::default();
        let output = kept.clone();
        let panics = move || {
            let (mut entrance, _log) = LogWriter::start(output);
            entrance.write_all(b"last words\n").unwrap();
            panic!("made up");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(kept.text(), "last words\n");
    }

    #[test]
    fn a_reader_that_is_stuck_costs_lines_that_are_counted_and_holds_up_nobody() {
        let (output, has_entered, reader) = Stuck::new();
        let (mut entrance, log) = LogWriter::start(output);
        entrance.write_all(b"first\n").unwrap();
        has_entered.recv_timeout(PATIENCE).unwrap();
        // The writer waits for its reader, so that all of these stay where they are.
        for _ in 0..MOST_WAITING {
            entrance.write_all(b"next\n").unwrap();
        }
        assert_eq!(log.dropped_lines().count(), 0);
        for _ in 0..3 {
            entrance.write_all(b"one too many\n").unwrap();
        }
        assert_eq!(log.dropped_lines().count(), 3);
        let dropped = log.dropped_lines().clone();
        drop(reader);
        drop(log);
        let lines = u64::try_from(MOST_WAITING).unwrap() + 4;
        assert_eq!(dropped.count(), lines, "lines that nobody takes are counted too");
    }
}
