//! Whether a figure stays where it is.
//!
//! The first third of a run warms up: caches fill, and the database grows to what retention leaves of it. Then the lower
//! quartile of the last third is held against that of the middle third. The lower quartile, because whatever else a
//! machine does makes figures larger for a while, and what leaks makes all of them larger. A figure *rises* where the last
//! third is larger by more than is allowed, and where it has not stopped: where the second half of the last third is
//! larger than the first by more than a quarter of that. What grows steadily grows by half as much from one half to the
//! other as from third to third, so it rises; what took one step, and stays there, does not.

use std::fmt;

/// Samples that each half of the last third must have at least.
const ENOUGH: usize = 4;

/// How much larger the last third may be: by this part, and by this much besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) part: f64,
    pub(super) plus: f64,
}

/// A figure, and when in the run it was seen: from 0, the beginning, to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: f64,
    pub(super) value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Flat,
    Rises,
    /// It cannot be told, which is not good enough.
    Unknown,
}

/// The lower quartiles, and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trend {
    middle: f64,
    last: f64,
    pub(super) direction: Direction,
}

pub(super) fn trend(samples: &[Sample], allowance: Allowance) -> Trend {
    let between = |from: f64, to: f64| -> Vec<f64> {
        let inside = samples.iter().filter(|sample| from < sample.at && sample.at <= to);
        inside.map(|sample| sample.value).collect()
    };
    let [from, to, half, end] = [1.0 / 3.0, 2.0 / 3.0, 5.0 / 6.0, f64::INFINITY];
    let parts = [between(from, to), between(to, end), between(to, half), between(half, end)];
    let enough = parts.iter().all(|part| part.len() >= ENOUGH);
    let [middle, last, first_half, second_half] = parts.map(lower_quartile);
    let allowed = middle * allowance.part + allowance.plus;
    let direction = if !enough {
        Direction::Unknown
    } else if last - middle > allowed && second_half - first_half > allowed / 4.0 {
        Direction::Rises
    } else {
        Direction::Flat
    };
    Trend { middle, last, direction }
}

fn lower_quartile(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 4).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { middle, last, direction } = self;
        let word = match direction {
            Direction::Flat => "flat",
            Direction::Rises => "rises",
            Direction::Unknown => "too few samples",
        };
        write!(f, "{middle:.2} in the middle third, {last:.2} in the last: {word}")
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_system_tests::requests::Dice;

    use super::*;

    const ALLOWED: Allowance = Allowance { part: 0.02, plus: 1.0 };

    /// 120 windows of a figure that is made of the part of the run that is over, and of noise from 0 to 1.
    fn direction(value: impl Fn(f64, f64) -> f64) -> Direction {
        let mut dice = Dice::new(7);
        let mut sample = |window: u32| {
            let at = f64::from(window) / 120.0;
            Sample { at, value: value(at, dice.below(1_000) as f64 / 1_000.0) }
        };
        let samples: Vec<_> = (1..=120).map(&mut sample).collect();
        trend(&samples, ALLOWED).direction
    }

    #[test]
    fn what_stays_is_flat_whatever_the_noise() {
        assert_eq!(direction(|_, _| 30.0), Direction::Flat);
        assert_eq!(direction(|_, noise| 30.0 + noise), Direction::Flat);
        // Now and then ten times as much, as where something else has the machine.
        assert_eq!(direction(|_, noise| if noise > 0.6 { 300.0 } else { 30.0 + noise }), Direction::Flat);
        // Busier towards the end, but not all the time.
        assert_eq!(direction(|at, noise| if at > 0.7 && noise > 0.4 { 90.0 } else { 30.0 }), Direction::Flat);
    }

    #[test]
    fn what_leaks_rises() {
        // 30, and 6 more by the end: 2 in a third, where 1.6 are allowed.
        assert_eq!(direction(|at, noise| 30.0 + 6.0 * at + noise / 4.0), Direction::Rises);
        // With each of twenty faults a little.
        assert_eq!(direction(|at, noise| 30.0 + 0.4 * (at * 20.0).floor() + noise / 4.0), Direction::Rises);
        // Faster and faster.
        assert_eq!(direction(|at, _| 30.0 * (2.0 * at).exp()), Direction::Rises);
    }

    #[test]
    fn what_fills_and_stays_is_flat() {
        assert_eq!(direction(|at, _| 30.0 + 100.0 * (at * 3.0).min(1.0)), Direction::Flat);
        // One step, for good: a table that was made larger once.
        assert_eq!(direction(|at, noise| if at > 0.62 { 60.0 } else { 30.0 } + noise), Direction::Flat);
        // A saw, as retention makes it.
        assert_eq!(direction(|at, _| 30.0 + 20.0 * (at * 9.0).fract()), Direction::Flat);
    }

    #[test]
    fn too_few_samples_prove_nothing() {
        let samples = [0.1, 0.5, 0.9].map(|at| Sample { at, value: 1.0 });
        assert_eq!(trend(&samples, ALLOWED).direction, Direction::Unknown);
    }
}
