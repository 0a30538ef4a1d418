//! Random histories of sessions against a plain model in memory: which tokens work, and what lists say.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, TestApp};

on_both_engines!(every_history_of_sessions_is_the_one_of_the_model);

/// Histories that are played. Each starts with users of its own on the same server.
const HISTORIES: u32 = 24;
/// Seconds that a session of a login lives.
const LIFETIME: i64 = 86_400;

/// One step. Sessions are picked by a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Open { user: usize },
    EndOne { by: usize, which: usize },
    EndSome { by: usize, which: Vec<usize> },
    EndOthers { by: usize },
    EndAll { by: usize },
    Advance { seconds: i64 },
}

/// A session as the model knows it.
struct Known {
    user: usize,
    client: Client,
    expires: i64,
    ended: bool,
}

struct Model<'a> {
    app: &'a TestApp,
    users: Vec<String>,
    sessions: Vec<Known>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..2_usize).prop_map(|user| Step::Open { user }),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(by, which)| Step::EndOne { by, which }),
        2 => (any::<usize>(), proptest::collection::vec(any::<usize>(), 0..4))
            .prop_map(|(by, which)| Step::EndSome { by, which }),
        1 => any::<usize>().prop_map(|by| Step::EndOthers { by }),
        1 => any::<usize>().prop_map(|by| Step::EndAll { by }),
        2 => prop_oneof![Just(0), Just(1), Just(40_000), Just(LIFETIME)].prop_map(|seconds| Step::Advance { seconds }),
    ];
    proptest::collection::vec(step, 1..24)
}

impl Model<'_> {
    fn is_live(&self, session: &Known) -> bool {
        !session.ended && session.expires > self.app.seconds()
    }

    fn open(&mut self, user: usize) {
        let client = self.app.anonymous().log_in(&self.users[user]);
        let same = |known: &Known| known.user == user && known.client.session_id() == client.session_id();
        assert!(!self.sessions.iter().any(same), "an id was used again");
        self.sessions.push(Known { user, client, expires: self.app.seconds() + LIFETIME, ended: false });
    }

    /// Ends the sessions of the caller's user that `wanted` picks; how many are ended. `None` where the caller
    /// is not live and must have been refused.
    fn end(&mut self, by: usize, wanted: impl Fn(usize) -> bool) -> Option<u64> {
        let caller = &self.sessions[by];
        if !self.is_live(caller) {
            return None;
        }
        let user = caller.user;
        let ending: Vec<usize> = (0..self.sessions.len())
            .filter(|index| {
                self.sessions[*index].user == user && self.is_live(&self.sessions[*index]) && wanted(*index)
            })
            .collect();
        for index in &ending {
            self.sessions[*index].ended = true;
        }
        Some(ending.len() as u64)
    }

    fn play(&mut self, step: Step) {
        let many = self.sessions.len();
        match step {
            Step::Open { user } => self.open(user),
            Step::Advance { seconds } => self.app.clock().advance_seconds(seconds),
            _ if many == 0 => {}
            Step::EndOne { by, which } => {
                let (by, which) = (by % many, which % many);
                let path = format!("/api/users/me/sessions/{}", self.sessions[which].client.session_id());
                let response = self.sessions[by].client.delete(&path);
                let expected = match self.end(by, self.same_id(which)) {
                    None => 401,
                    Some(0) => 404,
                    Some(_) => 200,
                };
                assert_eq!(response.status, expected, "{response:?}");
            }
            Step::EndSome { by, which } => {
                let by = by % many;
                let which: Vec<usize> = which.into_iter().map(|which| which % many).collect();
                let ids: Vec<i64> = which.iter().map(|which| self.sessions[*which].client.session_id()).collect();
                let response = self.sessions[by].client.delete_with("/api/users/me/sessions", &json!({"ids": ids}));
                let wanted: Vec<_> = which.iter().map(|which| self.same_id(*which)).collect();
                let count = self.end(by, |index| wanted.iter().any(|same| same(index)));
                assert_eq!(counted(&response), count, "{response:?}");
            }
            Step::EndOthers { by } => {
                let by = by % many;
                let response = self.sessions[by].client.delete("/api/users/me/sessions/all");
                let count = self.end(by, |index| index != by);
                assert_eq!(counted(&response), count, "{response:?}");
            }
            Step::EndAll { by } => {
                let by = by % many;
                let response = self.sessions[by].client.delete("/api/users/me/sessions/all?include-self=true");
                let count = self.end(by, |_| true);
                assert_eq!(counted(&response), count, "{response:?}");
            }
        }
    }

    /// Whether a session has the same id as this one: an id is unique among those of one user alone.
    fn same_id(&self, which: usize) -> impl Fn(usize) -> bool + use<> {
        let ids: Vec<i64> = self.sessions.iter().map(|known| known.client.session_id()).collect();
        move |index| ids[index] == ids[which]
    }

    /// Compares every token, and each user's list as a live session of theirs sees it.
    fn compare(&self) {
        for known in &self.sessions {
            assert_eq!(known.client.works(), self.is_live(known));
        }
        for user in 0..self.users.len() {
            let live: Vec<&Known> =
                self.sessions.iter().filter(|known| known.user == user && self.is_live(known)).collect();
            let Some(caller) = live.first() else { continue };
            let list = caller.client.get("/api/users/me/sessions").expect(200);
            let newest_first: Vec<Value> = live.iter().rev().map(|known| json!(known.client.session_id())).collect();
            let listed: Vec<Value> = list["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
            assert_eq!((&list["count"], listed), (&json!(live.len()), newest_first));
        }
    }
}

fn counted(response: &crate::app::Response) -> Option<u64> {
    if response.status == 401 { None } else { response.expect(200)["count"].as_u64() }
}

fn every_history_of_sessions_is_the_one_of_the_model(database: TestDatabase) {
    let app = TestApp::start(database);
    let config = Config { cases: HISTORIES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&steps(), |steps| {
        let users: Vec<String> = (0..2).map(|_| format!("user{}", app.number())).collect();
        let mut model = Model { app: &app, users, sessions: vec![] };
        for user in 0..2 {
            let client = app.user(&model.users[user]);
            model.sessions.push(Known { user, client, expires: app.seconds() + LIFETIME, ended: false });
        }
        for step in steps {
            model.play(step);
            // Sessions of one user are told apart by their times in lists.
            app.clock().advance_millis(1);
            model.compare();
        }
        Ok(())
    });
    outcome.unwrap();
}
