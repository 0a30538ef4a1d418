//! Many sessions at once, opened and ended.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, TestApp, claims};

on_both_engines!(
    five_hundred_logins_within_one_second_give_500_sessions,
    of_two_deletions_of_one_session_one_succeeds,
    of_two_deletions_of_ones_own_session_one_succeeds,
    each_session_is_counted_by_one_of_two_bulk_deletions,
    nothing_is_opened_by_a_session_that_is_being_ended,
);

fn five_hundred_logins_within_one_second_give_500_sessions(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.workers = 2);
    let ada = app.user("ada");
    let replica = app.replica();
    let body = json!({"username": "ada", "password": PASSWORD});
    let log_in = |app: &TestApp| -> Vec<Client> {
        let answers = (0..125).map(|_| app.anonymous().post("/api/login", &body));
        answers.map(|answer| ada.with_token(answer.expect(201)["token"].as_str().unwrap())).collect()
    };
    let sessions: Vec<Client> = thread::scope(|scope| {
        let threads = [&app, &replica, &app, &replica].map(|app| scope.spawn(|| log_in(app)));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let ids: BTreeSet<i64> = sessions.iter().map(Client::session_id).collect();
    let uuids: BTreeSet<String> =
        sessions.iter().map(|session| claims(session.token())["jti"].as_str().unwrap().to_owned()).collect();
    assert_eq!((sessions.len(), ids.len(), uuids.len()), (500, 500, 500));
    assert!(ids.iter().all(|id| *id <= app.seconds()), "an iat in the future");
    assert!(sessions.iter().step_by(50).all(Client::works));
    assert_eq!(ada.get("/api/users/me/sessions?limit=0").expect(200)["count"], 501);
    assert_eq!(ada.delete("/api/users/me/sessions/all").expect(200)["count"], 500);
    assert!(sessions.iter().step_by(50).all(|session| !session.works()));
}

/// Has both do the same at the same time; the statuses, sorted.
fn both(first: impl Fn() -> u16 + Sync, second: impl Fn() -> u16 + Sync) -> [u16; 2] {
    let barrier = Barrier::new(2);
    let at_once = |act: &(dyn Fn() -> u16 + Sync)| {
        barrier.wait();
        act()
    };
    let mut statuses = thread::scope(|scope| {
        let other = scope.spawn(|| at_once(&second));
        let own = at_once(&first);
        [own, other.join().unwrap()]
    });
    statuses.sort_unstable();
    statuses
}

fn of_two_deletions_of_one_session_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    for _ in 0..20 {
        let path = format!("/api/users/me/sessions/{}", ada.log_in("ada").session_id());
        let statuses = both(|| ada.delete(&path).status, || ada.at(&replica).delete(&path).status);
        assert_eq!(statuses, [200, 404]);
    }
}

fn of_two_deletions_of_ones_own_session_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    for _ in 0..20 {
        let own = ada.log_in("ada");
        let path = "/api/users/me/sessions/me";
        let statuses = both(|| own.delete(path).status, || own.at(&replica).delete(path).status);
        assert!(matches!(statuses, [200, 401 | 404]), "{statuses:?}");
    }
}

fn each_session_is_counted_by_one_of_two_bulk_deletions(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    for _ in 0..10 {
        let ids: Vec<i64> = (0..4).map(|_| ada.log_in("ada").session_id()).collect();
        let backwards: Vec<i64> = ids.iter().rev().copied().collect();
        let some = |client: &Client, ids: &[i64]| {
            let answer = client.delete_with("/api/users/me/sessions", &json!({"ids": ids})).expect(200);
            u16::try_from(answer["count"].as_u64().unwrap()).unwrap()
        };
        let all = |client: &Client| {
            let answer = client.delete("/api/users/me/sessions/all").expect(200);
            u16::try_from(answer["count"].as_u64().unwrap()).unwrap()
        };
        let counts = both(|| some(&ada, &ids), || some(&ada.at(&replica), &backwards));
        assert_eq!(counts.iter().sum::<u16>(), 4);
        let _more: Vec<Client> = (0..4).map(|_| ada.log_in("ada")).collect();
        let counts = both(|| all(&ada), || all(&ada.at(&replica)));
        assert_eq!(counts.iter().sum::<u16>(), 4);
    }
}

/// A scoped session that is asked for while all sessions are being ended is refused, or opened and then ended,
/// or opened by a request that was done before.
fn nothing_is_opened_by_a_session_that_is_being_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let body = json!({"name": "script", "permissionFlags": 1, "password": PASSWORD});
    for _ in 0..10 {
        let own = ada.log_in("ada");
        let issued = std::sync::Mutex::new(None);
        let issue = || {
            let response = own.post("/api/users/me/sessions", &body);
            let status = response.status;
            if status == 201 {
                *issued.lock().unwrap() = Some(response.token());
            }
            status
        };
        let end = || {
            own.at(&replica).delete("/api/users/me/sessions/all?include-self=true").expect(200)["count"]
                .as_u64()
                .map_or(0, |_| 200)
        };
        let statuses = both(issue, end);
        assert!(matches!(statuses, [200, 201 | 401]), "{statuses:?}");
        if let Some(token) = issued.into_inner().unwrap() {
            assert!(!ada.with_token(&token).works(), "a session outlived the end of all");
        }
    }
}
