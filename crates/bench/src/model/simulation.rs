//! A site as a model of discrete events: processors, freshness rounds, counters and commits. It knows no clock and no
//! randomness but what it is given, so a run can be had again.
//!
//! - A *machine* has some processors, which the threads that have something to do share equally. A thread does one thing
//!   after the other.
//! - A *check* takes processor time of one of its replica's workers, waits for a freshness round that begins after it has
//!   arrived, and takes the other half of its time. One round of a replica is under way at a time; whoever arrives
//!   meanwhile shares the next, which begins up to the spacing after the last did (`auth::cache::freshness`).
//! - A *change* is checked like that; then it has a connection of its replica's, locks its user, takes processor time of
//!   Postgres, locks one of the counters, and commits. One flush of the log is under way at a time, and whoever wants to
//!   commit meanwhile shares the next. What is locked is given back after the flush.
//!
//! What it leaves out: the read of a session that is not cached, caches and memory, disks but for the log, the price of
//! switching from thread to thread, and whatever else a machine does. All times are in microseconds.

mod changes;
mod machine;

use std::collections::{BTreeMap, VecDeque};

use self::machine::{Lock, Machine, NOTHING};
use thunderhead_system_tests::requests::Dice;

/// From so many others on that shared a round the next one is spaced as far as it may be, as in `auth::cache::freshness`.
const MANY: usize = 8;

/// Who asks one replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// So many clients, each of which asks again once it is answered.
    Clients(u32),
    /// So many requests a second at random, whether answered or not.
    PerSecond(f64),
}

/// Where the processes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Machines {
    /// All on one, with so many processors.
    One(f64),
    /// Each replica on one, and Postgres on one; clients cost nothing.
    Apart { replica: f64, postgres: f64 },
}

/// Processor time of each thing that is done, and what the disk takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    /// The client's, for a request.
    pub(crate) client: f64,
    /// The server's, for a check.
    pub(crate) check: f64,
    /// The server's, for a round.
    pub(crate) ask: f64,
    /// Postgres', for a round.
    pub(crate) compare: f64,
    /// The server's, for a change, beside the check.
    pub(crate) change: f64,
    /// Postgres', for a change.
    pub(crate) write: f64,
    /// Of the log to the disk. It takes no processor.
    pub(crate) flush: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelledSite {
    pub(crate) replicas: usize,
    pub(crate) machines: Machines,
    /// Threads of a replica that serve requests.
    pub(crate) workers: usize,
    /// Connections of a replica for changes.
    pub(crate) connections: usize,
    /// From a replica to Postgres and back.
    pub(crate) round_trip: f64,
    pub(crate) spacing: f64,
    /// Partitions of the change log.
    pub(crate) counters: u64,
    /// Of how many users the changes are.
    pub(crate) users: u64,
    /// At each replica.
    pub(crate) checks: Option<Arrivals>,
    /// At each replica.
    pub(crate) changes: Option<Arrivals>,
    pub(crate) costs: Costs,
}

/// What comes of it, without the first fifth of the time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prediction {
    /// A second, at all replicas.
    pub(crate) checks: f64,
    pub(crate) changes: f64,
    /// A second, of each replica.
    pub(crate) rounds: f64,
    /// How long checks take until half of them are answered, and all but a hundredth.
    pub(crate) check_median: f64,
    pub(crate) check_p99: f64,
    pub(crate) change_median: f64,
    pub(crate) change_p99: f64,
    /// Processors that are busy on the machine of Postgres, on average.
    pub(crate) postgres_busy: f64,
    /// The same on that of the first replica.
    pub(crate) replica_busy: f64,
}

/// What happens. A request by its number, a replica by its own.
#[derive(Clone, Copy, Debug)]
enum Event {
    Arrives { replica: usize, is_change: bool },
    Received(usize),
    LookedUp(usize),
    Answered(usize),
    ClientDone(usize),
    RoundDue(usize),
    RoundSent(usize),
    RoundAtPostgres(usize),
    RoundCompared(usize),
    RoundBack(usize),
    RoundOver(usize),
    ChangeAtPostgres(usize),
    Written(usize),
    Flushed,
    ChangeBack(usize),
    Woken(usize),
}

struct Request {
    replica: usize,
    worker: usize,
    began: f64,
    is_change: bool,
    user: usize,
    connection: usize,
}

#[derive(Default)]
struct Replica {
    machine: usize,
    /// Its threads: workers first.
    workers: Vec<usize>,
    watcher: usize,
    client: usize,
    /// Those of Postgres that serve it.
    watched: usize,
    backends: Vec<usize>,
    /// Those of its connections that nobody has.
    free: Vec<usize>,
    waiting: VecDeque<usize>,
    reading: bool,
    next: Vec<usize>,
    under_way: Vec<usize>,
    /// Before then no round begins that others share.
    not_before: f64,
    rounds: u64,
    turn: usize,
}

/// A site in motion.
struct World<'a> {
    site: &'a ModelledSite,
    dice: Dice,
    now: f64,
    timers: BTreeMap<(u64, u64), Event>,
    timed: u64,
    machines: Vec<Machine<Event>>,
    replicas: Vec<Replica>,
    requests: Vec<Request>,
    users: Vec<Lock>,
    counters: Vec<Lock>,
    flushing: Vec<usize>,
    to_flush: Vec<usize>,
    /// What was answered: how long it took.
    checks: Vec<f64>,
    changes: Vec<f64>,
}

/// Lets a site run for so long.
pub(crate) fn run(site: &ModelledSite, micros: f64, seed: u64) -> Prediction {
    let mut world = World::new(site, seed);
    let begin = micros / 5.0;
    while world.step(begin) {}
    world.forget();
    while world.step(micros) {}
    world.prediction(micros - begin)
}

impl<'a> World<'a> {
    fn new(site: &'a ModelledSite, seed: u64) -> Self {
        let lock = |count: u64| (0..count).map(|_| Lock::default()).collect();
        let mut world = Self {
            site,
            dice: Dice::new(seed),
            now: 0.0,
            timers: BTreeMap::new(),
            timed: 0,
            machines: vec![],
            replicas: vec![],
            requests: vec![],
            users: lock(site.users),
            counters: lock(site.counters),
            flushing: vec![],
            to_flush: vec![],
            checks: vec![],
            changes: vec![],
        };
        // The first machine is that of Postgres.
        let (of_postgres, of_replica) = match site.machines {
            Machines::One(processors) => (processors, None),
            Machines::Apart { replica, postgres } => (postgres, Some(replica)),
        };
        world.add_machine(of_postgres);
        for number in 0..site.replicas {
            let machine = of_replica.map_or(0, |processors| world.add_machine(processors));
            let connections = if site.changes.is_some() { site.connections } else { 0 };
            let replica = Replica {
                machine,
                workers: (0..site.workers).map(|_| world.add_thread(machine)).collect(),
                watcher: world.add_thread(machine),
                client: world.add_thread(machine),
                watched: world.add_thread(0),
                backends: (0..connections).map(|_| world.add_thread(0)).collect(),
                free: (0..connections).collect(),
                ..Replica::default()
            };
            world.replicas.push(replica);
            for (load, is_change) in [(site.checks, false), (site.changes, true)] {
                world.begin(number, load, is_change);
            }
        }
        world
    }

    fn add_machine(&mut self, processors: f64) -> usize {
        self.machines.push(Machine::new(processors));
        self.machines.len() - 1
    }

    fn add_thread(&mut self, machine: usize) -> usize {
        self.machines[machine].add_thread()
    }

    fn begin(&mut self, replica: usize, load: Option<Arrivals>, is_change: bool) {
        match load {
            None => {}
            Some(Arrivals::Clients(clients)) => {
                for _ in 0..clients {
                    let number = self.ask(replica, is_change);
                    self.happen(Event::Received(number));
                }
            }
            Some(Arrivals::PerSecond(_)) => self.arrive_later(replica, is_change),
        }
    }

    /// The next of a process that remembers nothing.
    fn arrive_later(&mut self, replica: usize, is_change: bool) {
        let load = if is_change { self.site.changes } else { self.site.checks };
        let Some(Arrivals::PerSecond(rate)) = load else { return };
        let chance = (self.dice.below(1 << 30) + 1) as f64 / f64::from(1 << 30);
        self.after(-chance.ln() * 1e6 / rate, Event::Arrives { replica, is_change });
    }

    fn ask(&mut self, number: usize, is_change: bool) -> usize {
        let user = self.dice.below(self.site.users) as usize;
        let replica = &mut self.replicas[number];
        replica.turn = (replica.turn + 1) % replica.workers.len();
        let worker = replica.workers[replica.turn];
        self.requests.push(Request { replica: number, worker, began: self.now, is_change, user, connection: 0 });
        self.requests.len() - 1
    }

    fn after(&mut self, time: f64, event: Event) {
        self.timed += 1;
        let at = ((self.now + time) * 1_000.0).round() as u64;
        self.timers.insert((at, self.timed), event);
    }

    fn work(&mut self, machine: usize, thread: usize, time: f64, event: Event) {
        self.machines[machine].add(thread, (time, event));
    }

    /// To the next event; not beyond the end.
    fn step(&mut self, end: f64) -> bool {
        let timer = self.timers.first_key_value().map_or(f64::INFINITY, |((at, _), _)| *at as f64 / 1_000.0);
        let passed = self.machines.iter().map(Machine::until_next).fold(timer - self.now, f64::min).max(0.0);
        let is_over = self.now + passed > end;
        let passed = passed.min(end - self.now);
        let mut done = vec![];
        self.machines.iter_mut().for_each(|machine| machine.go_on(passed, &mut done));
        self.now += passed;
        if !is_over && timer <= self.now + NOTHING {
            done.extend(self.timers.pop_first().map(|(_, event)| event));
        }
        done.into_iter().for_each(|event| self.happen(event));
        !is_over
    }

    fn happen(&mut self, event: Event) {
        let Costs { client, check, ask, compare, change, write, .. } = self.site.costs;
        let half_trip = self.site.round_trip / 2.0;
        match event {
            Event::Arrives { replica, is_change } => {
                let number = self.ask(replica, is_change);
                self.arrive_later(replica, is_change);
                self.happen(Event::Received(number));
            }
            Event::Received(number) => self.by_worker(number, check / 2.0, Event::LookedUp(number)),
            Event::LookedUp(number) => self.join_round(number),
            Event::RoundDue(replica) => self.begin_round(replica),
            Event::RoundSent(replica) => self.after(half_trip, Event::RoundAtPostgres(replica)),
            Event::RoundAtPostgres(replica) => {
                self.work(0, self.replicas[replica].watched, compare, Event::RoundCompared(replica));
            }
            Event::RoundCompared(replica) => self.after(half_trip, Event::RoundBack(replica)),
            Event::RoundBack(number) => {
                let Replica { machine, watcher, .. } = self.replicas[number];
                self.work(machine, watcher, ask / 2.0, Event::RoundOver(number));
            }
            Event::RoundOver(replica) => self.end_round(replica),
            Event::Woken(number) => self.take_connection(number),
            Event::ChangeAtPostgres(number) => {
                let user = self.requests[number].user;
                if self.users[user].take(number) {
                    self.write(number, write);
                }
            }
            Event::Written(number) => {
                let counter = self.counter_of(number);
                if self.counters[counter].take(number) {
                    self.commit(number);
                }
            }
            Event::Flushed => self.flushed(write),
            Event::ChangeBack(number) => {
                self.give_back_connection(number);
                self.by_worker(number, change / 2.0, Event::Answered(number));
            }
            Event::Answered(number) => self.answered(number, client),
            Event::ClientDone(number) => {
                self.note(number);
                let Request { replica, is_change, .. } = self.requests[number];
                let next = self.ask(replica, is_change);
                self.happen(Event::Received(next));
            }
        }
    }

    fn by_worker(&mut self, number: usize, time: f64, event: Event) {
        let Request { replica, worker, .. } = self.requests[number];
        self.work(self.replicas[replica].machine, worker, time, event);
    }

    fn join_round(&mut self, number: usize) {
        let of = self.requests[number].replica;
        let replica = &mut self.replicas[of];
        replica.next.push(number);
        if !replica.reading {
            replica.reading = true;
            self.wait_for_others(of);
        }
    }

    fn wait_for_others(&mut self, number: usize) {
        let pause = self.replicas[number].not_before - self.now;
        if pause > 0.0 { self.after(pause, Event::RoundDue(number)) } else { self.begin_round(number) }
    }

    fn begin_round(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        replica.under_way = std::mem::take(&mut replica.next);
        let others = replica.under_way.len().saturating_sub(1).min(MANY);
        replica.not_before = self.now + self.site.spacing * others as f64 / MANY as f64;
        replica.rounds += 1;
        let (machine, watcher) = (replica.machine, replica.watcher);
        self.work(machine, watcher, self.site.costs.ask / 2.0, Event::RoundSent(number));
    }

    fn end_round(&mut self, number: usize) {
        let Costs { check, change, .. } = self.site.costs;
        for request in std::mem::take(&mut self.replicas[number].under_way) {
            if self.requests[request].is_change {
                self.by_worker(request, (check + change) / 2.0, Event::Woken(request));
            } else {
                self.by_worker(request, check / 2.0, Event::Answered(request));
            }
        }
        self.replicas[number].reading = !self.replicas[number].next.is_empty();
        if self.replicas[number].reading {
            self.wait_for_others(number);
        }
    }

    fn answered(&mut self, number: usize, client: f64) {
        let Request { replica, is_change, .. } = self.requests[number];
        let load = if is_change { self.site.changes } else { self.site.checks };
        if matches!(load, Some(Arrivals::Clients(_))) {
            let Replica { machine, client: thread, .. } = self.replicas[replica];
            self.work(machine, thread, client, Event::ClientDone(number));
        } else {
            self.note(number);
        }
    }

    /// Whoever asked has seen the answer.
    fn note(&mut self, number: usize) {
        let Request { began, is_change, .. } = self.requests[number];
        let seen = if is_change { &mut self.changes } else { &mut self.checks };
        seen.push(self.now - began);
    }

    fn forget(&mut self) {
        self.checks.clear();
        self.changes.clear();
        self.machines.iter_mut().for_each(|machine| machine.busy = 0.0);
        self.replicas.iter_mut().for_each(|replica| replica.rounds = 0);
    }

    fn prediction(mut self, micros: f64) -> Prediction {
        let seconds = micros / 1e6;
        let rounds: u64 = self.replicas.iter().map(|replica| replica.rounds).sum();
        self.checks.sort_by(f64::total_cmp);
        self.changes.sort_by(f64::total_cmp);
        let part = |sorted: &[f64], percent: usize| {
            sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        Prediction {
            checks: self.checks.len() as f64 / seconds,
            changes: self.changes.len() as f64 / seconds,
            rounds: rounds as f64 / seconds / self.replicas.len() as f64,
            check_median: part(&self.checks, 50),
            check_p99: part(&self.checks, 99),
            change_median: part(&self.changes, 50),
            change_p99: part(&self.changes, 99),
            postgres_busy: self.machines[0].busy / micros,
            replica_busy: self.replicas.first().map_or(0.0, |replica| self.machines[replica.machine].busy / micros),
        }
    }
}

#[cfg(test)]
mod tests;
