//! Ending something while everybody asks for it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::endings::Ending;
use super::ledger::{REPLICAS, Target};
use super::worker::{LONGEST, PreparedEnding, Trigger, Worker};
use thunderhead_system_tests::live::{pause, wait_for};

/// How often each replica has accepted a token before it is ended: the second time, from its cache.
const WARM: u32 = 2;
/// How often each replica is asked after the end, at least.
const TRIED: u32 = 3;
/// How often something is prepared anew when the database is away.
const TRIES: u32 = 200;

impl Worker<'_> {
    /// Ends something in this way, while everybody asks for it. Returns whether that was answered.
    pub(super) fn perform(&mut self, ending: Ending) -> Result<bool> {
        let PreparedEnding { trigger, ended, spared } = self.prepare(ending)?;
        let all = [ended.as_slice(), spared.as_slice()].concat();
        self.run.show(&all);
        let answered = self.end(ending, &trigger, &ended, &all);
        self.run.hide(&all);
        self.last = ended;
        answered.with_context(|| ending.name())
    }

    fn prepare(&mut self, ending: Ending) -> Result<PreparedEnding> {
        let mut tries = 0;
        loop {
            match ending.prepare(self) {
                Ok(prepared) => return Ok(prepared),
                Err(_) if tries < TRIES => {
                    tries += 1;
                    pause(Duration::from_millis(20));
                }
                Err(error) => return Err(error.context(format!("cannot prepare {}", ending.name()))),
            }
        }
    }

    fn end(&mut self, ending: Ending, trigger: &Trigger, ended: &[Arc<Target>], all: &[Arc<Target>]) -> Result<bool> {
        self.wait_until("every replica has accepted everything", all, |target| target.is_warm(WARM))?;
        let asked_at = self.run.ledger.now();
        for target in ended {
            target.asked(asked_at);
        }
        let answered = self.trigger(trigger)?;
        let ended_at = self.run.ledger.now();
        if !answered {
            return Ok(false);
        }
        for target in ended {
            target.ended(ended_at);
        }
        self.run.ledger.revocation(ending.name(), ended, ended_at - asked_at);
        // Nobody asks sooner than whoever got the answer.
        let first = self.dice.below(REPLICAS as u64) as usize;
        for replica in (0..REPLICAS).map(|step| (first + step) % REPLICAS) {
            for target in ended {
                let probe = self.run.probe(&mut self.probes[replica], replica, target);
                self.log.push(probe);
            }
        }
        self.wait_until("every replica was asked afterwards", ended, |target| target.is_tried(TRIED))?;
        Ok(true)
    }

    /// Whether it was answered that it is done.
    fn trigger(&mut self, trigger: &Trigger) -> Result<bool> {
        match trigger {
            Trigger::Request(request) => {
                let answer = self.client().ask(request)?;
                match answer.status {
                    200 | 201 | 204 => Ok(true),
                    503 => Ok(false),
                    _ => bail!("{} {}: {answer}", request.method, request.path),
                }
            }
            Trigger::Command(arguments, input) => {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                // Why it failed was printed; where it always does, that is found out at the end.
                Ok(self.run.site.operate(&arguments, input).is_ok())
            }
        }
    }

    fn wait_until(&self, what: &str, targets: &[Arc<Target>], holds: impl Fn(&Target) -> bool) -> Result<()> {
        let waited = wait_for(what, LONGEST, || targets.iter().all(|target| holds(target)).then_some(()));
        let missing = || targets.iter().find(|target| !holds(target)).map(|target| target.counts());
        waited.map(drop).with_context(|| missing().unwrap_or_default())
    }
}
