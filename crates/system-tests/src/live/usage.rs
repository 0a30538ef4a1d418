//! What a process takes of its machine, by `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// The resident set in mebibytes (proc_pid_status(5): `VmRSS`).
pub fn resident_mebibytes(pid: u32) -> Result<f64> {
    Ok(status_number(pid, "VmRSS:")? / 1_024.0)
}

pub fn threads(pid: u32) -> Result<f64> {
    status_number(pid, "Threads:")
}

/// How many files and sockets it has open.
pub fn descriptors(pid: u32) -> Result<f64> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).context("a server has ended")?;
    Ok(open.count() as f64)
}

/// What it has used of the processors, in microseconds (proc_pid_stat(5): fields 14 and 15, in hundredths of a second).
pub fn processor_micros(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("a server has ended")?;
    ticks(&text, 11).map(|ticks| ticks * 10_000).context("/proc/…/stat is not as expected")
}

/// The same of those threads of a process whose names are as asked for, to the nanosecond (`/proc/PID/task/*/schedstat`).
/// Threads that have ended do not count.
pub fn thread_micros(pid: u32, is_wanted: impl Fn(&str) -> bool) -> Result<f64> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("a process has ended")? {
        let task = task?.path();
        // It may end meanwhile.
        let [Ok(name), Ok(times)] = ["comm", "schedstat"].map(|file| fs::read_to_string(task.join(file))) else {
            continue;
        };
        if is_wanted(name.trim_end()) {
            let time: f64 = times.split(' ').next().and_then(|time| time.parse().ok()).context("no schedstat")?;
            nanos += time;
        }
    }
    Ok(nanos / 1_000.0)
}

/// What those children of a process had used of the processors that have ended (proc_pid_stat(5): fields 16 and 17).
pub fn ended_children_micros(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("a process has ended")?;
    ticks(&text, 13).map(|ticks| ticks * 10_000).context("/proc/…/stat is not as expected")
}

/// What all of the machine has used of them (proc_stat(5): all of the first line but what it was idle).
pub fn busy_micros() -> Result<u64> {
    busy_ticks(&fs::read_to_string("/proc/stat")?).map(|ticks| ticks * 10_000).context("/proc/stat is not as expected")
}

fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.strip_prefix("cpu ")?.lines().next()?.split_whitespace();
    let fields = fields.map(|field| field.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    // What guests had is counted twice, and the fourth and the fifth are idle time.
    let counted = fields.iter().take(8).enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    Some(counted.map(|(_, ticks)| ticks).sum())
}

fn status_number(pid: u32, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("a server has ended")?;
    number_after(&text, name).with_context(|| format!("no {name} in /proc/…/status"))
}

fn number_after(status: &str, name: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Of two neighbours, the first of which so many fields behind the name are before.
fn ticks(stat: &str, before: usize) -> Option<u64> {
    // The name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(before);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_whatever_the_process_is_called() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 7 3 20 0";
        assert_eq!(ticks(stat, 11), Some(300));
        assert_eq!(ticks(stat, 13), Some(10));
    }

    #[test]
    fn the_machine_is_busy_but_for_its_idle_time() {
        assert_eq!(busy_ticks("cpu  1 2 4 8 16 32 64 128 256 512\ncpu0 7\n"), Some(1 + 2 + 4 + 32 + 64 + 128));
        assert_eq!(busy_ticks("intr 7"), None);
    }

    #[test]
    fn numbers_are_read_by_their_names() {
        let status = "Name:\tx\nVmRSS:\t   22432 kB\nThreads:\t9\n";
        assert_eq!(number_after(status, "VmRSS:"), Some(22_432.0));
        assert_eq!(number_after(status, "Threads:"), Some(9.0));
        assert_eq!(number_after(status, "VmHWM:"), None);
    }
}
