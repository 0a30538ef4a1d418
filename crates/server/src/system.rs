//! The adapters for what the operating system gives: the time and random bytes. Nobody else asks it.

use std::process::abort;
use std::time::{SystemTime, UNIX_EPOCH};

use thunderhead_domain::ports::{Clock, Random};
use thunderhead_domain::time::Timestamp;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Timestamp::from_unix_millis(millis)
    }
}

/// The system's random source.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the random source that everybody else is given")]
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            // To go on would mean tokens and keys that can be guessed.
            eprintln!("error: the system has no random bytes: {error}");
            abort();
        }
    }
}

/// Lets this process open more files than most systems give it to begin with, as far as it may. Returns how many.
#[cfg(unix)]
pub(crate) fn allow_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let (now, most) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let stepped_up = wanted.min(most);
    if stepped_up <= now || setrlimit(Resource::Nofile, Rlimit { current: Some(stepped_up), ..limit }).is_err() {
        return now;
    }
    stepped_up
}

#[cfg(not(unix))]
pub(crate) fn allow_files(_: u64) -> u64 {
    u64::MAX
}

/// How much lower the priority of a thread is that has lower priority: as much as `nice` takes without a number.
#[cfg(target_os = "linux")]
const STANDS_BACK: i32 = 10;

/// Has the calling thread leave the processor to others who want it at the same time. On Linux alone: elsewhere this
/// can be said of a whole process only.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority() {
    if let Err(error) = rustix::process::nice(STANDS_BACK) {
        tracing::debug!(error = &error as &dyn std::error::Error, "a thread keeps its priority");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_past_the_day_this_was_written() {
        assert!(SystemClock.now() > Timestamp::from_unix_seconds(1_760_000_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_stands_back_by_itself() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let after = std::thread::spawn(move || {
            lower_priority();
            priority()
        });
        // 19 is the lowest there is.
        assert_eq!(after.join().unwrap(), (before + STANDS_BACK).min(19));
        assert_eq!(priority(), before);
    }

    #[test]
    fn random_bytes_differ_from_call_to_call() {
        let mut buffers = [[0; 32]; 2];
        for buffer in &mut buffers {
            SystemRandom.fill(buffer);
        }
        assert_ne!(buffers[0], buffers[1]);
    }
}
