//! Measuring side by side: each contestant in turn, over and over, so that what else the machine does meets all alike.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::wrk::{self, WrkLoad, WrkRequests, WrkResult};
use thunderhead_system_tests::live::site::Server;
use thunderhead_system_tests::live::usage;

/// How often each one is measured. What is told is the median.
pub(crate) const ROUNDS: usize = 3;
/// Before the first round everybody warms up for so many seconds.
const WARM_UP: u32 = 1;

/// A process, and where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadTarget {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
}

impl From<&Server> for LoadTarget {
    fn from(server: &Server) -> Self {
        Self { address: server.address, pid: server.pid() }
    }
}

/// Requests to one server, or to some that share them.
pub(crate) struct Contestant {
    targets: Vec<LoadTarget>,
    asks: WrkRequests,
}

impl Contestant {
    pub(crate) fn new(targets: Vec<LoadTarget>, asks: &WrkRequests) -> Self {
        Self { targets, asks: asks.clone() }
    }
}

/// What was measured of one contestant in each round.
#[derive(Debug)]
pub(crate) struct Outcome(Vec<Measured>);

#[derive(Clone, Copy, Debug)]
struct Measured {
    seen: WrkResult,
    /// Microseconds of processor time that the servers took for a request.
    cost: f64,
}

/// Measures them in turn, and returns a result for each.
pub(crate) fn hold<const N: usize>(contestants: &[Contestant; N], load: WrkLoad) -> Result<[Outcome; N]> {
    let mut results = [const { Outcome(vec![]) }; N];
    for contestant in contestants {
        measure(contestant, WrkLoad { seconds: WARM_UP, ..load })?;
    }
    for _ in 0..ROUNDS {
        for (contestant, result) in contestants.iter().zip(&mut results) {
            result.0.push(measure(contestant, load)?);
        }
    }
    Ok(results)
}

/// Several servers get a share of the connections each, and one thread.
fn measure(contestant: &Contestant, load: WrkLoad) -> Result<Measured> {
    let count = u32::try_from(contestant.targets.len())?;
    let share =
        WrkLoad { threads: (load.threads / count).max(1), connections: (load.connections / count).max(1), ..load };
    let before = processor_micros(contestant)?;
    let start = |target: &LoadTarget| wrk::start(target.address, &contestant.asks, share);
    let loads = contestant.targets.iter().map(start).collect::<Result<Vec<_>>>()?;
    let mut seen = loads.into_iter().map(wrk::Running::finish).collect::<Result<Vec<_>>>()?.into_iter();
    let first = seen.next().context("a contestant without a server")?;
    let seen = seen.fold(first, together);
    seen.must_be_good().with_context(|| contestant.asks.to_string())?;
    let cost = (processor_micros(contestant)? - before) as f64 / seen.requests as f64;
    Ok(Measured { seen, cost })
}

/// The sum of what was answered, and the worst of how long it took.
fn together(one: WrkResult, other: WrkResult) -> WrkResult {
    WrkResult {
        requests: one.requests + other.requests,
        per_second: one.per_second + other.per_second,
        median: one.median.max(other.median),
        p99: one.p99.max(other.p99),
        longest: one.longest.max(other.longest),
        refused: one.refused + other.refused,
        lost: one.lost + other.lost,
    }
}

impl Outcome {
    fn median_of(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.median_of(|measured| measured.seen.per_second)
    }

    /// Milliseconds.
    pub(crate) fn median(&self) -> f64 {
        self.median_of(|measured| measured.seen.median)
    }

    /// Milliseconds.
    pub(crate) fn p99(&self) -> f64 {
        self.median_of(|measured| measured.seen.p99)
    }

    /// Microseconds of processor time for a request.
    pub(crate) fn cost(&self) -> f64 {
        self.median_of(|measured| measured.cost)
    }

    /// This one's throughput as a part of another's: the median of the rounds, of which each compares neighbours.
    pub(crate) fn part_of(&self, other: &Self) -> f64 {
        self.ratio(other, |measured| measured.seen.per_second)
    }

    /// The same of the time that the slowest hundredth takes at least.
    pub(crate) fn p99_by(&self, other: &Self) -> f64 {
        self.ratio(other, |measured| measured.seen.p99)
    }

    /// The same of the processor time.
    pub(crate) fn cost_by(&self, other: &Self) -> f64 {
        self.ratio(other, |measured| measured.cost)
    }

    fn ratio(&self, other: &Self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, other)| figure(one) / figure(other)).collect())
    }
}

/// The middle one; of an even number, the upper of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn processor_micros(contestant: &Contestant) -> Result<u64> {
    contestant.targets.iter().map(|target| usage::processor_micros(target.pid)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![2.0])), (2.0, 2.0));
    }
}
