//! Random histories of logins and uses on three replicas, with batches of uses that are lost and policies that change,
//! against the rule: whoever has been idle for no longer than the policy allows, as far as anybody knows who has not died,
//! gets in; whoever has been for a minute longer does not. Lists, counts and caps keep to the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::ports::PageRequest;
use thunderhead_domain::session::{Session, State};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};
use uuid::Uuid;

use crate::app::{Client, TestApp, claims};
use crate::introspect::Service;

on_both_engines!(every_history_under_a_policy_is_the_one_of_the_rule);

/// Histories that are played. Each starts with a user of its own.
const HISTORIES: u32 = 16;
/// Seconds that a session of a login lives.
const LIFETIME: i64 = 86_400;
const CAP: u32 = 4;
/// By how much what is known of uses may lag, in milliseconds.
const LAG: i64 = 60_000;

const LIMITS: SessionLimits = SessionLimits { max_sessions: CAP, ..SessionLimits::DEFAULT };
const POLICIES: [SessionLimits; 4] = [
    SessionLimits { idle: Some(300), ..LIMITS },
    SessionLimits { idle: Some(600), absolute: Some(3_600), ..LIMITS },
    SessionLimits { idle: Some(300), absolute: Some(1_800), ..LIMITS },
    LIMITS,
];

/// One step. Sessions are picked by a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    LogIn {
        at: usize,
    },
    Use {
        at: usize,
        which: usize,
    },
    Introspect {
        at: usize,
        which: usize,
    },
    Flush {
        at: usize,
    },
    /// The replica dies with what it has noted, and another takes its place.
    Die {
        at: usize,
    },
    Change {
        policy: usize,
    },
    WriteEnds,
    Advance {
        seconds: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || 0..3_usize;
    let spans = [1, 30, 59, 60, 61, 240, 299, 300, 301, 359, 360, 361, 540, 1_500];
    let step = prop_oneof![
        2 => at().prop_map(|at| Step::LogIn { at }),
        8 => (at(), any::<usize>()).prop_map(|(at, which)| Step::Use { at, which }),
        2 => (at(), any::<usize>()).prop_map(|(at, which)| Step::Introspect { at, which }),
        4 => at().prop_map(|at| Step::Flush { at }),
        1 => at().prop_map(|at| Step::Die { at }),
        1 => (0..POLICIES.len()).prop_map(|policy| Step::Change { policy }),
        1 => Just(Step::WriteEnds),
        8 => proptest::sample::select(spans.to_vec()).prop_map(|seconds| Step::Advance { seconds }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A session as the model knows it; moments in milliseconds.
struct Known {
    client: Client,
    uuid: SessionUuid,
    created: i64,
    expires: i64,
    /// The last use that is written.
    written: i64,
    /// The last one that each replica has noted and not written.
    noted: [Option<i64>; 3],
    /// The last one of all, those that were lost included.
    used: i64,
    ended: bool,
}

impl Known {
    fn has_expired(&self, limits: &SessionLimits, now: i64) -> bool {
        let absolute = limits.absolute.map_or(i64::MAX, |seconds| (self.created / 1_000 + seconds) * 1_000);
        self.expires.min(absolute) <= now
    }

    /// Whether it must be accepted where this is known of its use.
    fn must_work(&self, limits: &SessionLimits, now: i64, noted: Option<i64>) -> bool {
        let known = self.written.max(noted.unwrap_or(0));
        let is_idle = limits.idle.is_some_and(|idle| now - known > idle * 1_000);
        !self.ended && !self.has_expired(limits, now) && !is_idle
    }

    /// Whether it may be accepted by anybody.
    fn may_work(&self, limits: &SessionLimits, now: i64) -> bool {
        let is_idle = limits.idle.is_some_and(|idle| now - self.used > idle * 1_000 + LAG);
        !self.ended && !self.has_expired(limits, now) && !is_idle
    }
}

struct Model<'a> {
    app: &'a TestApp,
    service: &'a Service<'a>,
    limits: SessionLimits,
    replicas: [TestApp; 3],
    name: String,
    sessions: Vec<Known>,
}

fn replica(app: &TestApp, limits: SessionLimits) -> TestApp {
    app.replica_with(|config| config.policy.sessions = SessionPolicy::for_all(limits))
}

impl Model<'_> {
    fn now(&self) -> i64 {
        self.app.millis()
    }

    fn keep(&mut self, client: Client) {
        let (now, claims) = (self.now(), claims(client.token()));
        let uuid = SessionUuid(claims["jti"].as_str().unwrap().parse::<Uuid>().unwrap());
        let lifetime = self.limits.absolute.map_or(LIFETIME, |absolute| absolute.min(LIFETIME));
        let expires = (now / 1_000 + lifetime) * 1_000;
        assert_eq!(claims["exp"], expires / 1_000, "what is told is the truth");
        let known =
            Known { client, uuid, created: now, expires, written: now, noted: [None; 3], used: now, ended: false };
        self.sessions.push(known);
    }

    /// The sessions that the database lists, and how many it counts.
    fn listed(&self) -> Vec<Session> {
        let (storage, now) = (self.replicas[0].storage(), Timestamp::from_unix_millis(self.now()));
        let user = self.sessions[0].client.user_id();
        let page = block_on(storage.session_page(user, PageRequest { limit: 1_000, offset: 0 }, now)).unwrap();
        assert_eq!(page.count, page.items.len() as u64);
        page.items
    }

    fn log_in(&mut self, at: usize) {
        let before = self.listed();
        let client = self.replicas[at].anonymous().log_in(&self.name);
        self.keep(client);
        let after = self.listed();
        // Where there were too many, because the policy has become laxer, they are left to the backlog.
        let room = if before.len() > CAP as usize { usize::MAX } else { CAP as usize };
        assert_eq!(after.len(), (before.len() + 1).min(room), "room is made by as many as are too many");
        for session in before.iter().filter(|before| !after.iter().any(|after| after.uuid == before.uuid)) {
            let known = self.sessions.iter_mut().find(|known| known.uuid == session.uuid).unwrap();
            known.ended = true;
        }
    }

    fn used(&mut self, at: usize, which: usize, ask: impl FnOnce(&Self, &Known) -> bool) {
        let (now, which) = (self.now(), which % self.sessions.len());
        let known = &self.sessions[which];
        let works = ask(self, known);
        if known.must_work(&self.limits, now, known.noted[at]) {
            assert!(works, "refused at {at}, {now}: {:?} {:?}", self.limits, known.uuid);
        }
        if !known.may_work(&self.limits, now) {
            assert!(!works, "accepted at {at}, {now}: {:?} {:?}", self.limits, known.uuid);
        }
        if works {
            let known = &mut self.sessions[which];
            (known.noted[at], known.used) = (Some(now), now);
        }
    }

    fn flush(&mut self, at: usize) {
        self.replicas[at].flush_uses();
        for known in &mut self.sessions {
            known.written = known.written.max(known.noted[at].take().unwrap_or(0));
        }
    }

    fn replace(&mut self, at: usize) {
        self.replicas[at] = replica(self.app, self.limits);
        self.sessions.iter_mut().for_each(|known| known.noted[at] = None);
    }

    /// Ends that are written are of sessions that nobody would have accepted any more.
    fn write_ends(&mut self) {
        (0..3).for_each(|at| self.flush(at));
        let now = Timestamp::from_unix_millis(self.now());
        let storage = self.replicas[0].storage();
        let page = block_on(storage.sessions_overdue(None, now.plus_seconds(-120))).unwrap();
        block_on(storage.session_end_overdue(&page.items, now)).unwrap();
        for known in &mut self.sessions {
            let found = block_on(storage.session_find_any(known.uuid)).unwrap().unwrap();
            if matches!(found.state, State::Ended(_)) && !known.ended {
                assert!(!known.must_work(&self.limits, now.unix_millis(), None), "{found:?}");
                known.ended = true;
            }
        }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::LogIn { at } => self.log_in(at),
            Step::Use { at, which } => {
                self.used(at, which, |model, known| known.client.at(&model.replicas[at]).works())
            }
            Step::Introspect { at, which } => self.used(at, which, |model, known| {
                model.service.told_at(&model.replicas[at], &known.client)["active"] == true
            }),
            Step::Flush { at } => self.flush(at),
            Step::Die { at } => self.replace(at),
            Step::Change { policy } => {
                self.limits = POLICIES[policy];
                (0..3).for_each(|at| self.replace(at));
            }
            Step::WriteEnds => self.write_ends(),
            Step::Advance { seconds } => self.app.clock().advance_seconds(seconds),
        }
    }

    /// What is listed must be all that must work by what is written, and nothing that may not.
    fn compare_list(&self) {
        let (listed, now) = (self.listed(), self.now());
        for known in &self.sessions {
            let is_listed = listed.iter().any(|session| session.uuid == known.uuid);
            assert!(is_listed || !known.must_work(&self.limits, now, None), "not listed at {now}: {:?}", known.uuid);
            assert!(!is_listed || known.may_work(&self.limits, now), "listed at {now}: {:?}", known.uuid);
        }
    }
}

fn every_history_under_a_policy_is_the_one_of_the_rule(database: TestDatabase) {
    let app = TestApp::start(database);
    let service = Service::new(&app);
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&steps(), |steps| {
        let name = format!("user{}", app.number());
        let limits = POLICIES[0];
        let replicas = [(); 3].map(|()| replica(&app, limits));
        let first = replicas[0].user(&name);
        let mut model = Model { app: &app, service: &service, limits, replicas, name, sessions: vec![] };
        model.keep(first);
        for step in steps {
            model.play(step);
            // Sessions of one user are told apart by their times in lists.
            app.clock().advance_millis(1);
            model.compare_list();
        }
        Ok(())
    });
    outcome.unwrap();
}
