//! How many sessions one account can hold, and the end of very many of them.

use std::sync::Arc;
use std::thread;

use serde_json::json;
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::BeyondCap;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, TestApp};
use crate::credentials::open;
use crate::errors::{NOT_AUTHENTICATED, TOO_MANY_SESSIONS};
use crate::kratos;
use crate::pages::browser::Browser;

on_both_engines!(
    a_login_beyond_the_cap_ends_the_least_recently_used_session_on_every_replica,
    a_session_in_use_outlives_those_that_were_never_used,
    logins_of_every_dialect_count_against_one_cap,
    a_scoped_session_beyond_the_cap_is_a_409_and_the_password_counts_as_right,
    a_password_alone_signs_nobody_out,
    very_many_sessions_end_at_once_on_a_replica_that_caches_them,
    two_hundred_logins_at_once_on_two_replicas_leave_as_many_as_may_be,
    a_login_beyond_the_cap_is_refused_by_every_dialect_where_that_is_wanted,
);

fn with_caps(database: TestDatabase, sessions: u32, tokens: u32) -> TestApp {
    TestApp::with(database, |config| {
        let limits = SessionLimits { max_sessions: sessions, max_tokens: tokens, ..SessionLimits::DEFAULT };
        config.policy.sessions = SessionPolicy::for_all(limits);
    })
}

fn a_login_beyond_the_cap_ends_the_least_recently_used_session_on_every_replica(database: TestDatabase) {
    let app = with_caps(database, 2, 200);
    let near = app.replica();
    let first = app.user("ada");
    let second = app.anonymous().log_in("ada");
    app.clock().advance_seconds(120);
    assert!(first.works() && second.at(&near).works());
    app.clock().advance_seconds(120);
    // The first one is used last.
    assert!(first.works());
    app.flush_uses();
    let third = app.anonymous().log_in("ada");
    second.at(&near).get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(first.at(&near).works() && third.at(&near).works());
    let list = third.get("/api/users/me/sessions").expect(200);
    assert_eq!(list["count"], 2);
}

/// Uses are recorded once a minute: the last one that is known says less than a login a moment ago.
fn a_session_in_use_outlives_those_that_were_never_used(database: TestDatabase) {
    let app = with_caps(database, 2, 200);
    let first = app.user("ada");
    app.clock().advance_seconds(1);
    assert!(first.works());
    app.flush_uses();
    app.clock().advance_seconds(40);
    let second = app.anonymous().log_in("ada");
    app.clock().advance_seconds(10);
    assert!(first.works());
    app.flush_uses();
    app.anonymous().log_in("ada");
    second.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(first.works());
}

fn logins_of_every_dialect_count_against_one_cap(database: TestDatabase) {
    let app = with_caps(database, 2, 200);
    let first = app.user("ada");
    app.clock().advance_seconds(1);
    let legacy = app.anonymous().post("/api/user/session", &json!({"username": "ada", "password": PASSWORD}));
    let second = first.with_token(&legacy.token());
    assert!(first.works() && second.works());
    app.clock().advance_seconds(1);
    let third = app.anonymous().log_in("ada");
    first.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(second.works() && third.works());
}

fn a_scoped_session_beyond_the_cap_is_a_409_and_the_password_counts_as_right(database: TestDatabase) {
    let app = with_caps(database, 1_000, 2);
    let ada = app.user("ada");
    let tokens: Vec<Client> = (0..2).map(|_| ada.scoped(&[Scope::AccountRead])).collect();
    let body = json!({"name": "script", "permissionFlags": 4, "password": PASSWORD});
    for _ in 0..12 {
        ada.post("/api/users/me/sessions", &body).is(TOO_MANY_SESSIONS);
    }
    assert!(tokens.iter().all(Client::works) && ada.works());
    // A login does not count against it.
    let other = app.anonymous().log_in("ada");
    other.delete(&format!("/api/users/me/sessions/{}", tokens[0].session_id())).expect(200);
    assert!(ada.scoped(&[Scope::AccountRead]).works());
}

fn a_password_alone_signs_nobody_out(database: TestDatabase) {
    let app = with_caps(database, 2, 200);
    let sessions = [app.user("ada"), app.anonymous().log_in("ada")];
    for number in 0..20 {
        open(&app, sessions[0].user_id(), &format!("{number:032}"), true);
    }
    assert!(sessions.iter().all(Client::works));
    let list = sessions[0].get("/api/users/me/sessions").expect(200);
    assert_eq!(list["count"], 12, "ten that wait for their factor, and two");
}

fn very_many_sessions_end_at_once_on_a_replica_that_caches_them(database: TestDatabase) {
    let app = Arc::new(TestApp::start(database));
    let near = app.replica();
    let ada = app.user("ada");
    let other = app.anonymous().log_in("ada");
    for number in 0..1_000 {
        open(&app, ada.user_id(), &format!("{number:032}"), false);
    }
    let by_opaque = ada.with_token(&format!("{:032}", 999));
    assert!(other.at(&near).works() && by_opaque.at(&near).works());
    let ended = ada.delete("/api/users/me/sessions/all").expect(200);
    assert_eq!(ended["count"], 1_001);
    for client in [&other, &by_opaque] {
        client.at(&near).get("/api/users/me").is(NOT_AUTHENTICATED);
        client.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    assert!(ada.works() && ada.at(&near).works());
    let list = ada.get("/api/users/me/sessions").expect(200);
    assert_eq!(list["count"], 1);
    while block_on(app.storage().write_ends()).unwrap() > 0 {}
    assert!(ada.at(&near).works());
    other.get("/api/users/me").is(NOT_AUTHENTICATED);
}

fn two_hundred_logins_at_once_on_two_replicas_leave_as_many_as_may_be(database: TestDatabase) {
    let app = with_caps(database, 10, 200);
    let near = app.replica();
    let ada = app.user("ada");
    let clients: Vec<Client> = thread::scope(|scope| {
        let several = |number: usize| {
            let at = [&app, &near][number % 2].anonymous();
            move || (0..20).map(|_| at.log_in("ada")).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..10).map(|number| scope.spawn(several(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(clients.len(), 200);
    // The ids of those who logged in within a second tell their order.
    let live: Vec<bool> = clients.iter().map(|client| client.at(&app).works()).collect();
    assert_eq!(live.iter().filter(|works| **works).count(), 10);
    assert!(!ada.works(), "the oldest of all");
    for (client, works) in clients.iter().zip(&live) {
        assert_eq!(client.at(&near).works(), *works);
    }
    let last = clients.iter().zip(live).find(|(_, works)| *works).unwrap().0;
    assert_eq!(last.get("/api/users/me/sessions").expect(200)["count"], 10);
}

fn a_login_beyond_the_cap_is_refused_by_every_dialect_where_that_is_wanted(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let refusing = SessionLimits { max_sessions: 2, over_cap: BeyondCap::Refuse, ..SessionLimits::DEFAULT };
        config.policy.sessions = SessionPolicy::for_all(refusing);
    });
    let first = app.user("ada");
    let (phone, _) = first.enrol_totp(&app);
    let second = {
        let asked = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).expect(401);
        let answer = json!({"2fa": {"token": asked["token"], "type": "totp", "code": phone.fresh_code(&app)}});
        first.with_token(&app.anonymous().post("/api/login", &answer).token())
    };
    let asked = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).expect(401);
    let answer = json!({"2fa": {"token": asked["token"], "type": "totp", "code": phone.fresh_code(&app)}});
    app.anonymous().post("/api/login", &answer).is(TOO_MANY_SESSIONS);
    let device = kratos::enter(&app, "ada");
    let flow = kratos::second_step(&device);
    let refused = kratos::error(&kratos::show(&device, &flow, &kratos::totp(&phone.fresh_code(&app))), 409);
    assert_eq!((&refused["message"], &refused["id"]), (&json!("too many sessions"), &json!("session_limit_reached")));
    assert!(first.works() && second.works());
    // Neither the challenge nor its code is spent.
    second.delete("/api/users/me/sessions/me").expect(200);
    first.with_token(&app.anonymous().post("/api/login", &answer).token());
    app.user("bob");
    app.anonymous().log_in("bob");
    let legacy = app.anonymous().post("/api/user/session", &json!({"user": "bob", "pass": PASSWORD}));
    legacy.is(TOO_MANY_SESSIONS);
    let page = Browser::new(&app).sign_in("/login", "bob");
    assert_eq!(page.status, 409);
    assert!(page.text().contains("Sign out on one of them"), "{page:?}");
    let flow = kratos::begin(&app, "api", "");
    kratos::error(&kratos::submission(&app, &flow, &kratos::password("bob")).send(), 409);
}
