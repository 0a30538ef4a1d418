//! Clients of two replicas that log in, ask and log out while the database changes under them, and know what they were
//! told.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::live::wait_for;
use thunderhead_system_tests::requests::{Dice, PASSWORD, log_in, log_out, register, who_am_i};

/// No answer takes longer: the server's deadline is 1.5 s, and a login asks the database several times.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a token is shown to each replica before and after its end.
const SHOWN: usize = 3;
/// How many tokens that were ended earlier are shown again in each turn.
const AGAIN: usize = 8;

static NAMES: AtomicU32 = AtomicU32::new(0);

/// What was acknowledged and seen.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct FailoverCounts {
    logins: u64,
    ends: u64,
    checks: u64,
    unavailable: u64,
    pub(in super::super) stale: u64,
    pub(in super::super) lost: u64,
    pub(in super::super) undone: u64,
}

impl FailoverCounts {
    fn plus(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            ends: self.ends + other.ends,
            checks: self.checks + other.checks,
            unavailable: self.unavailable + other.unavailable,
            stale: self.stale + other.stale,
            lost: self.lost + other.lost,
            undone: self.undone + other.undone,
        }
    }
}

impl fmt::Display for FailoverCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logins, ends, checks, unavailable, stale, lost, undone } = self;
        write!(f, "{logins} logins, {ends} ends, {checks} checks, {unavailable} times 503; ")?;
        write!(f, "{stale} stale, {undone} undone, {lost} lost")
    }
}

/// What is asked of all clients.
pub(in super::super) struct Load<'a> {
    /// What it is called in violations.
    pub(in super::super) part: &'a str,
    pub(in super::super) replicas: [SocketAddr; 2],
    pub(in super::super) clients: u32,
    pub(in super::super) violations: &'a Violations,
    /// Whether a 503 is a right answer.
    pub(in super::super) outages: bool,
    /// Whether stale answers are only counted.
    pub(in super::super) bite: bool,
    /// Whether what was acknowledged may be lost, and is only counted.
    pub(in super::super) may_lose: bool,
}

impl<'a> Load<'a> {
    /// Has clients go on while something is done, and compares all that they were told with what is there afterwards.
    pub(in super::super) fn during(&'a self, fault: impl FnOnce() -> Result<()>) -> Result<FailoverCounts> {
        self.until(fault)?.compare()
    }

    /// Has clients go on until something is done.
    pub(in super::super) fn until(&'a self, fault: impl FnOnce() -> Result<()>) -> Result<Clients<'a>> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let over = &over;
            let clients: Vec<_> = (0..self.clients)
                .map(|number| {
                    scope.spawn(move || {
                        let mut client = FailoverClient::new(self, number);
                        client.go_on(over);
                        client
                    })
                })
                .collect();
            let done = fault();
            over.store(true, Ordering::Relaxed);
            let clients: Result<Vec<_>> =
                clients.into_iter().map(|client| client.join().ok().context("a thread panicked")).collect();
            let clients = clients?;
            done.map(|()| Clients(clients))
        })
    }
}

/// Clients that ask for nothing more, and know what they were told.
pub(in super::super) struct Clients<'a>(Vec<FailoverClient<'a>>);

impl<'a> Clients<'a> {
    /// Has them ask others from now on.
    pub(in super::super) fn now_at(mut self, replicas: [SocketAddr; 2]) -> Self {
        for client in &mut self.0 {
            client.replicas = replicas.map(|address| Client::patient_for(address, PATIENCE));
        }
        self
    }

    /// Compares all that they were told with what both replicas say once they serve again.
    pub(in super::super) fn compare(&mut self) -> Result<FailoverCounts> {
        self.at_once(FailoverClient::compare)
    }

    /// How many sessions are accepted whose end was acknowledged.
    pub(in super::super) fn accepted_though_ended(&mut self) -> Result<u64> {
        self.at_once(FailoverClient::accepted_though_ended)
    }

    fn at_once<T: Send + std::iter::Sum>(
        &mut self,
        check: impl Fn(&mut FailoverClient<'a>) -> Result<T> + Sync,
    ) -> Result<T> {
        thread::scope(|scope| {
            let check = &check;
            let checks: Vec<_> = self.0.iter_mut().map(|client| scope.spawn(move || check(client))).collect();
            checks.into_iter().map(|check| check.join().ok().context("a thread panicked")?).sum()
        })
    }
}

impl std::iter::Sum for FailoverCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::plus)
    }
}

/// One client. It uses an account in one turn only: one that is tried again and again after faults would have to wait.
struct FailoverClient<'a> {
    load: &'a Load<'a>,
    replicas: [Client; 2],
    dice: Dice,
    /// Tokens of sessions that were acknowledged and not ended.
    live: Vec<String>,
    /// Tokens whose end was acknowledged.
    ended: Vec<String>,
    counts: FailoverCounts,
}

impl<'a> FailoverClient<'a> {
    fn new(load: &'a Load<'a>, number: u32) -> Self {
        Self {
            load,
            replicas: load.replicas.map(|address| Client::patient_for(address, PATIENCE)),
            dice: Dice::new(u64::from(number) + 1),
            live: vec![],
            ended: vec![],
            counts: FailoverCounts::default(),
        }
    }

    fn go_on(&mut self, over: &AtomicBool) {
        for turn in 0_usize.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            self.turn(turn);
        }
    }

    /// Two sessions, of which one stays and one ends; and a look at some that ended earlier.
    fn turn(&mut self, turn: usize) {
        let name = format!("f{}", NAMES.fetch_add(1, Ordering::Relaxed));
        let (here, there) = (turn % 2, (turn + 1) % 2);
        let Some(stays) = self.session(here, &register(&name)) else { return };
        self.live.push(stays.clone());
        let ends = self.session(there, &log_in(&name, PASSWORD));
        for token in [Some(&stays), ends.as_ref()].into_iter().flatten() {
            (0..SHOWN).for_each(|_| self.show(token, true));
        }
        let Some(ends) = ends else { return };
        if self.ask(here, &log_out(&ends), &[200]).is_some() {
            self.counts.ends += 1;
            (0..SHOWN).for_each(|_| self.show(&ends, false));
            self.ended.push(ends);
        }
        for _ in 0..AGAIN.min(self.ended.len()) {
            let index = self.dice.below(self.ended.len() as u64) as usize;
            let token = self.ended[index].clone();
            self.show(&token, false);
        }
    }

    /// A session of which the client was told.
    fn session(&mut self, replica: usize, request: &Request) -> Option<String> {
        let token = self.ask(replica, request, &[201])?;
        self.counts.logins += 1;
        Some(token)
    }

    /// Shows a token to both replicas.
    fn show(&mut self, token: &str, live: bool) {
        for replica in 0..2 {
            self.counts.checks += 1;
            let answer = self.replicas[replica].ask(&who_am_i(token));
            match answer.as_ref().map(|answer| answer.status) {
                Ok(200) if live => {}
                Ok(401) if !live => {}
                Ok(200) => {
                    self.counts.stale += 1;
                    if !self.load.bite {
                        self.violated(&format!("replica {replica} accepts an ended session"));
                    }
                }
                Ok(503) if self.load.outages => self.counts.unavailable += 1,
                // With checks put out of action, a session may not be known yet.
                Ok(401) if self.load.bite => {}
                Ok(_) | Err(_) => self.violated(&format!("replica {replica}: a session, live: {live}: {answer:?}")),
            }
        }
    }

    /// The token of the right answer; `None` for an acceptable 503, and for no answer, which may mean anything.
    fn ask(&mut self, replica: usize, request: &Request, right: &[u16]) -> Option<String> {
        match self.replicas[replica].ask(request) {
            Ok(answer) if right.contains(&answer.status) => Some(answer.text("token")),
            Ok(answer) if self.load.outages && answer.status == 503 && answer.header("retry-after").is_some() => {
                self.counts.unavailable += 1;
                None
            }
            Ok(answer) if self.load.bite && answer.status != 500 => {
                self.counts.unavailable += 1;
                None
            }
            Ok(answer) => {
                self.violated(&format!("{} {}: {answer}", request.method, request.path));
                None
            }
            Err(error) => {
                self.violated(&format!("{} {}: {error}", request.method, request.path));
                None
            }
        }
    }

    fn compare(&mut self) -> Result<FailoverCounts> {
        for (tokens, is_live) in [(self.live.clone(), true), (self.ended.clone(), false)] {
            for token in &tokens {
                let Some(answer) = self.contradiction(token, is_live)? else { continue };
                let (count, what) = if is_live {
                    (&mut self.counts.lost, "an acknowledged login is lost")
                } else {
                    (&mut self.counts.undone, "an acknowledged end is undone")
                };
                *count += 1;
                if !self.load.may_lose {
                    self.violated(&format!("{what}: {answer}"));
                }
            }
        }
        Ok(self.counts)
    }

    fn accepted_though_ended(&mut self) -> Result<u64> {
        let mut accepted = 0;
        for token in &self.ended.clone() {
            accepted += u64::from(self.contradiction(token, false)?.is_some());
        }
        Ok(accepted)
    }

    /// What a replica says of a session, where that is not so.
    fn contradiction(&mut self, token: &str, live: bool) -> Result<Option<Answer>> {
        let right = if live { 200 } else { 401 };
        for client in &mut self.replicas {
            let mut settled = || client.ask(&who_am_i(token)).ok().filter(|answer| answer.status != 503);
            let (answer, _) = wait_for("an answer afterwards", PATIENCE, &mut settled)?;
            if answer.status != right {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    fn violated(&self, what: &str) {
        self.load.violations.add(format!("{}: {what}", self.load.part));
    }
}
