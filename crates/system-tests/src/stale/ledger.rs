//! Who was asked what, and when: and what of it must not have been.
//!
//! All times are nanoseconds on one monotonic clock, that of this process, since the ledger was opened.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::token_checks::{ProbeResult, TokenCheck};

pub(super) const REPLICAS: usize = 3;
/// Not yet, or never.
const NEVER: u64 = u64::MAX;

/// A token whose end is expected, or one that is to be spared.
pub(super) struct Target {
    number: u32,
    pub(super) token: String,
    /// Whose it is, for checks that name the user.
    pub(super) user: String,
    pub(super) checks: Vec<TokenCheck>,
    turn: AtomicU32,
    accepted: [AtomicU32; REPLICAS],
    asked_afterwards: [AtomicU32; REPLICAS],
    /// When its end was asked for.
    asked_at: AtomicU64,
    /// When the answer to that had been read.
    ended_at: AtomicU64,
    /// When somebody asked for it to be good again, as after a switch.
    restored_at: AtomicU64,
}

impl Target {
    /// Where it is shown next: at each check in turn.
    pub(super) fn next_check(&self) -> TokenCheck {
        self.checks[self.turn.fetch_add(1, Ordering::Relaxed) as usize % self.checks.len()]
    }

    /// Whether each replica has accepted it so often.
    pub(super) fn is_warm(&self, times: u32) -> bool {
        self.accepted.iter().all(|count| count.load(Ordering::Relaxed) >= times)
    }

    /// Whether each replica was asked so often after its end.
    pub(super) fn is_tried(&self, times: u32) -> bool {
        self.asked_afterwards.iter().all(|count| count.load(Ordering::Relaxed) >= times)
    }

    /// Its end is about to be asked for.
    pub(super) fn asked(&self, at: u64) {
        self.asked_at.store(at, Ordering::SeqCst);
    }

    /// The answer to that was read.
    pub(super) fn ended(&self, at: u64) {
        self.ended_at.store(at, Ordering::SeqCst);
    }

    /// It is about to be good again.
    pub(super) fn restored(&self, at: u64) {
        self.restored_at.store(at, Ordering::SeqCst);
    }

    fn times(&self) -> EndTimes {
        let [asked, ended, restored] =
            [&self.asked_at, &self.ended_at, &self.restored_at].map(|at| at.load(Ordering::SeqCst));
        EndTimes { asked, ended, restored }
    }

    /// Keeps count, so that whoever waits for it can go on. The checker does not rely on this.
    pub(super) fn count(&self, probe: &Probe) {
        let replica = usize::from(probe.replica);
        if probe.result == ProbeResult::Accepted {
            self.accepted[replica].fetch_add(1, Ordering::Relaxed);
        }
        let known = matches!(probe.result, ProbeResult::Accepted | ProbeResult::Refused);
        if known && probe.began > self.ended_at.load(Ordering::SeqCst) {
            self.asked_afterwards[replica].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is known of its replicas, for a complaint.
    pub(super) fn counts(&self) -> String {
        let counts =
            |counts: &[AtomicU32]| counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
        format!("accepted {:?}, asked afterwards {:?}", counts(&self.accepted), counts(&self.asked_afterwards))
    }
}

/// One question, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) target: u32,
    pub(super) replica: u8,
    pub(super) check: TokenCheck,
    pub(super) result: ProbeResult,
    /// Before its first byte was written.
    pub(super) began: u64,
    /// When its answer had been read.
    pub(super) over: u64,
}

/// An end that was asked for and answered.
#[derive(Clone, Debug)]
pub(super) struct Revocation {
    /// In which way.
    pub(super) ending: &'static str,
    /// What it was to end, by number.
    pub(super) targets: Vec<u32>,
    pub(super) took: u64,
}

pub(super) struct Ledger {
    opened: Instant,
    targets: Mutex<Vec<Arc<Target>>>,
    revocations: Mutex<Vec<Revocation>>,
    probes: Mutex<Vec<Probe>>,
}

impl Ledger {
    pub(super) fn open() -> Self {
        Self {
            opened: Instant::now(),
            targets: Mutex::default(),
            revocations: Mutex::default(),
            probes: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.opened.elapsed().as_nanos() as u64
    }

    pub(super) fn target(&self, token: &str, user: &str, checks: Vec<TokenCheck>) -> Arc<Target> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let target = Arc::new(Target {
            number: targets.len() as u32,
            token: token.to_owned(),
            user: user.to_owned(),
            checks,
            turn: AtomicU32::new(0),
            accepted: Default::default(),
            asked_afterwards: Default::default(),
            asked_at: AtomicU64::new(NEVER),
            ended_at: AtomicU64::new(NEVER),
            restored_at: AtomicU64::new(NEVER),
        });
        targets.push(Arc::clone(&target));
        target
    }

    /// Enters a question to a replica.
    pub(super) fn probe(
        &self,
        target: &Target,
        replica: usize,
        check: TokenCheck,
        result: ProbeResult,
        began: u64,
    ) -> Probe {
        let probe = Probe { target: target.number, replica: replica as u8, check, result, began, over: self.now() };
        target.count(&probe);
        probe
    }

    /// Enters an end that was answered.
    pub(super) fn revocation(&self, ending: &'static str, targets: &[Arc<Target>], took: u64) {
        let targets = targets.iter().map(|target| target.number).collect();
        let mut revocations = self.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        revocations.push(Revocation { ending, targets, took });
    }

    /// Enters what a thread has asked.
    pub(super) fn keep(&self, probes: Vec<Probe>) {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).extend(probes);
    }

    /// Compares the questions with the ends.
    pub(super) fn check(self) -> Findings {
        let targets = self.targets.into_inner().unwrap_or_else(PoisonError::into_inner);
        let probes = self.probes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let revocations = self.revocations.into_inner().unwrap_or_else(PoisonError::into_inner);
        let times: Vec<_> = targets.iter().map(|target| target.times()).collect();
        check(&times, &revocations, &probes)
    }
}

/// What came of a way of ending.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndingFigures {
    pub(super) ending: &'static str,
    /// How long each of its answers took.
    pub(super) took: Vec<u64>,
    pub(super) targets: u64,
    pub(super) probes: u64,
    /// Those that began after the answer to the end, and were over before anybody took it back.
    pub(super) afterwards: u64,
    /// Those of these that were accepted.
    pub(super) stale: u64,
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) rows: Vec<EndingFigures>,
    pub(super) probes: u64,
    pub(super) unavailable: u64,
    /// What was accepted after its end: the probe, and how long after.
    pub(super) stale: Vec<(Probe, u64)>,
    /// What was refused before anybody asked for its end.
    pub(super) refused_early: Vec<Probe>,
}

/// Of a target: when its end was asked for, when that was answered, and when the contrary was asked for.
#[derive(Clone, Copy, Debug)]
struct EndTimes {
    asked: u64,
    ended: u64,
    restored: u64,
}

/// `times`: of each target, by its number.
fn check(times: &[EndTimes], revocations: &[Revocation], probes: &[Probe]) -> Findings {
    let mut findings = Findings { probes: probes.len() as u64, ..Findings::default() };
    let mut row_of = vec![None; times.len()];
    for revocation in revocations {
        let place = findings.rows.iter().position(|row| row.ending == revocation.ending).unwrap_or_else(|| {
            let ending = revocation.ending;
            findings.rows.push(EndingFigures { ending, took: vec![], targets: 0, probes: 0, afterwards: 0, stale: 0 });
            findings.rows.len() - 1
        });
        findings.rows[place].took.push(revocation.took);
        findings.rows[place].targets += revocation.targets.len() as u64;
        for target in &revocation.targets {
            row_of[*target as usize] = Some(place);
        }
    }
    for probe in probes {
        let EndTimes { asked, ended, restored } = times[probe.target as usize];
        if probe.result == ProbeResult::Unavailable {
            findings.unavailable += 1;
        }
        let afterwards = probe.began > ended && probe.over < restored;
        let accepted = probe.result == ProbeResult::Accepted;
        if afterwards && accepted {
            findings.stale.push((*probe, probe.began - ended));
        }
        if probe.result == ProbeResult::Refused && probe.over < asked {
            findings.refused_early.push(*probe);
        }
        if let Some(place) = row_of[probe.target as usize] {
            let row = &mut findings.rows[place];
            row.probes += 1;
            row.afterwards += u64::from(afterwards);
            row.stale += u64::from(afterwards && accepted);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_after_the_end_and_was_accepted_is_stale_and_nothing_else() {
        let probe =
            |target, result, began, over| Probe { target, replica: 0, check: TokenCheck::Api, result, began, over };
        let probes = [
            probe(0, ProbeResult::Accepted, 5, 15),
            probe(0, ProbeResult::Accepted, 15, 40),
            probe(0, ProbeResult::Accepted, 20, 40),
            probe(0, ProbeResult::Refused, 15, 16),
            probe(0, ProbeResult::Refused, 25, 30),
            probe(0, ProbeResult::Unavailable, 25, 30),
            probe(0, ProbeResult::Accepted, 21, 30),
            probe(0, ProbeResult::Refused, 5, 9),
            // Answered when it was good again.
            probe(0, ProbeResult::Accepted, 49, 50),
            // Spared, and refused all the same.
            probe(1, ProbeResult::Accepted, 1_000, 2_000),
            probe(1, ProbeResult::Refused, 1_000, 2_000),
        ];
        let revocations = [Revocation { ending: "ending", targets: vec![0], took: 10 }];
        let ended = EndTimes { asked: 10, ended: 20, restored: 50 };
        let times = [ended, EndTimes { asked: NEVER, ended: NEVER, restored: NEVER }];
        let findings = check(&times, &revocations, &probes);
        let row = EndingFigures { ending: "ending", took: vec![10], targets: 1, probes: 9, afterwards: 3, stale: 1 };
        assert_eq!(findings.rows, [row]);
        let began = |probes: &[Probe]| probes.iter().map(|probe| probe.began).collect::<Vec<_>>();
        assert_eq!(findings.stale.iter().map(|(probe, after)| (probe.began, *after)).collect::<Vec<_>>(), [(21, 1)]);
        assert_eq!(began(&findings.refused_early), [5, 1_000]);
        assert_eq!((findings.probes, findings.unavailable), (11, 1));
    }
}
