//! Answers to challenges, whatever door they come by: each is good once, wrong ones are counted, and what is right is
//! right for a minute and a half (`docs/MODEL.md`, *Identity reverification*).

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::PageRequest;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Enrolled, PASSWORD, Response, TestApp, assertion, backup, totp};
use crate::errors::{INVALID_PASSWORD, MALFORMED_SECOND_FACTOR, RATE_LIMITED, REFUSED_SECOND_FACTOR};

on_both_engines!(
    of_50_parallel_posts_of_one_totp_code_one_succeeds,
    of_50_parallel_posts_of_one_backup_code_one_succeeds,
    of_50_parallel_posts_of_one_challenge_one_succeeds,
    of_50_parallel_posts_of_one_enrolment_one_succeeds,
    of_50_parallel_posts_of_one_reverification_one_succeeds,
    a_totp_code_is_good_once_whatever_the_door_and_the_replica,
    a_code_of_the_step_before_or_after_is_right_and_no_other,
    a_code_from_before_one_that_was_used_is_refused,
    five_wrong_answers_close_a_challenge_even_to_the_right_one,
    a_hundred_fresh_challenges_do_not_refill_the_budget,
    every_wrong_answer_counts_whichever_the_door,
    tokens_that_are_no_good_here_count_as_nothing,
    a_challenge_is_good_for_its_own_call_alone,
    right_answers_in_a_queue_do_not_count_as_wrong,
);

const RENAME: &str = "/api/users/me/username";
const BACKUP: &str = "/api/users/me/2fa/backup";

/// Has 50 do something at the same time, at two replicas in turn; returns the statuses.
fn fifty(app: &TestApp, act: impl Fn(usize, &TestApp) -> Response + Sync) -> Vec<u16> {
    let replica = app.replica();
    let barrier = Barrier::new(50);
    let one = |index: usize| {
        barrier.wait();
        act(index, if index.is_multiple_of(2) { app } else { &replica }).status
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|index| scope.spawn(move || one(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Demands that one got this status and all others were refused, or sent away for the many wrong ones before.
#[track_caller]
fn one_succeeds(statuses: &[u16], success: u16) {
    assert_eq!(statuses.iter().filter(|status| **status == success).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [success, 401, 429].contains(status)), "{statuses:?}");
}

/// 50 challenges, half of them for a login and half for a change by this session.
fn challenges(app: &TestApp, ada: &Client) -> Vec<Value> {
    let challenge = |index: usize| match index % 4 {
        0 | 1 => app.anonymous().login_challenged("ada"),
        _ => ada.challenged("POST", BACKUP, &json!({})),
    };
    (0..50).map(challenge).collect()
}

/// Answers one of those.
fn answer(app: &TestApp, ada: &Client, index: usize, answer: &Value) -> Response {
    match index % 4 {
        0 | 1 => app.anonymous().answer_login(answer),
        _ => ada.at(app).answer("POST", BACKUP, &json!({}), answer),
    }
}

fn of_50_parallel_posts_of_one_totp_code_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let code = phone.fresh_code(&app);
    let challenges = challenges(&app, &ada);
    let statuses = fifty(&app, |index, server| answer(server, &ada, index, &totp(&challenges[index], &code)));
    one_succeeds(&statuses, 201);
}

fn of_50_parallel_posts_of_one_backup_code_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let challenges: Vec<Value> = (0..50).map(|_| app.anonymous().login_challenged("ada")).collect();
    let statuses = fifty(&app, |index, server| server.anonymous().answer_login(&backup(&challenges[index], &codes[3])));
    one_succeeds(&statuses, 201);
    let left = block_on(app.storage().factor_keys(ada.user_id())).unwrap().backup.count();
    assert_eq!((left, ada.get("/api/users/me/sessions").expect(200)["count"].clone()), (9, json!(2)));
}

fn of_50_parallel_posts_of_one_challenge_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let code = phone.fresh_code(&app);
    let challenge = app.anonymous().login_challenged("ada");
    // Every one of them shows something that is right and unused.
    let answers: Vec<Value> = (0..50)
        .map(|index| match codes.get(index % 12) {
            Some(code) => backup(&challenge, code),
            None => totp(&challenge, &code),
        })
        .collect();
    let statuses = fifty(&app, |index, server| server.anonymous().answer_login(&answers[index]));
    one_succeeds(&statuses, 201);
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 2);
}

fn of_50_parallel_posts_of_one_enrolment_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let offer = ada.offer("totp");
    let code = offer.code_app().code(&app, 0);
    let statuses = fifty(&app, |_, server| ada.at(server).confirm_totp(&offer, &code));
    one_succeeds(&statuses, 201);
    assert_eq!(ada.factor_count(), 1);
}

fn of_50_parallel_posts_of_one_reverification_one_succeeds(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::without_counter();
    ada.enrol_webauthn(&mut key);
    let body = json!({"name": "script", "permissionFlags": 1});
    let answer = assertion(&ada.challenged("POST", "/api/users/me/sessions", &body), &mut key);
    let statuses = fifty(&app, |_, server| ada.at(server).answer("POST", "/api/users/me/sessions", &body, &answer));
    one_succeeds(&statuses, 201);
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 2);
}

/// The doors that take codes of an app that stands.
fn doors(server: &TestApp, ada: &Client, code: &str) -> [Response; 3] {
    let anonymous = server.anonymous();
    let ada = ada.at(server);
    let rename = json!({"username": "ada"});
    [
        anonymous.answer_login(&totp(&anonymous.login_challenged("ada"), code)),
        ada.answer("PUT", RENAME, &rename, &totp(&ada.challenged("PUT", RENAME, &rename), code)),
        ada.answer("POST", BACKUP, &json!({}), &totp(&ada.challenged("POST", BACKUP, &json!({})), code)),
    ]
}

fn a_totp_code_is_good_once_whatever_the_door_and_the_replica(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    for first in 0..3 {
        let code = phone.fresh_code(&app);
        let rename = json!({"username": "ada"});
        match first {
            0 => app.anonymous().answer_login(&totp(&app.anonymous().login_challenged("ada"), &code)).expect(201),
            1 => ada.answer("PUT", RENAME, &rename, &totp(&ada.challenged("PUT", RENAME, &rename), &code)).expect(200),
            _ => doors(&replica, &ada, &code)[0].expect(201),
        };
        for server in [&app, &replica] {
            for refused in doors(server, &ada, &code) {
                refused.is(REFUSED_SECOND_FACTOR);
            }
        }
    }
}

fn a_code_of_the_step_before_or_after_is_right_and_no_other(database: TestDatabase) {
    let app = TestApp::start(database);
    for (steps, right) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let user = app.spare();
        let (phone, _) = user.enrol_totp(&app);
        // Far from the code that confirmed, to either side.
        app.clock().advance_seconds(300);
        let path = "/api/users/me/2fa/all";
        let challenge = user.challenged("DELETE", path, &json!({}));
        let code = phone.code(&app, steps);
        let again = user.answer("DELETE", path, &json!({}), &totp(&challenge, &code));
        let login = || app.anonymous().answer_login(&totp(&app.anonymous().login_challenged(user.name()), &code));
        if right {
            again.expect(200);
        } else {
            again.is(REFUSED_SECOND_FACTOR);
            login().is(REFUSED_SECOND_FACTOR);
        }
        assert_eq!(user.factor_count(), i32::from(!right), "{steps}");
    }
    for (steps, status) in [(-1, 201), (0, 201), (1, 201)] {
        let user = app.spare();
        let (phone, _) = user.enrol_totp(&app);
        app.clock().advance_seconds(300);
        let challenge = app.anonymous().login_challenged(user.name());
        let login = app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, steps)));
        assert_eq!(login.status, status, "{steps}");
    }
}

fn a_code_from_before_one_that_was_used_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let (phone, _) = app.user("ada").enrol_totp(&app);
    app.clock().advance_seconds(300);
    let log_in = |steps: i64| {
        let challenge = app.anonymous().login_challenged("ada");
        app.anonymous().answer_login(&totp(&challenge, &phone.code(&app, steps)))
    };
    log_in(0).expect(201);
    log_in(-1).is(REFUSED_SECOND_FACTOR);
    log_in(1).expect(201);
    log_in(0).is(REFUSED_SECOND_FACTOR);
    app.clock().advance_seconds(30);
    log_in(0).is(REFUSED_SECOND_FACTOR);
    log_in(1).expect(201);
}

fn five_wrong_answers_close_a_challenge_even_to_the_right_one(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let (phone, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    let code = phone.fresh_code(&app);
    let rename = json!({"username": "ada"});
    let login = app.anonymous().login_challenged("ada");
    let change = ada.challenged("PUT", RENAME, &rename);
    for index in 0..5 {
        let server = if index % 2 == 0 { &app } else { &replica };
        server.anonymous().answer_login(&totp(&login, "abcdef")).is(REFUSED_SECOND_FACTOR);
        ada.at(server).answer("PUT", RENAME, &rename, &backup(&change, "wrong")).is(REFUSED_SECOND_FACTOR);
    }
    // Past the wait that ten wrong answers cost.
    app.clock().advance_seconds(1);
    for server in [&app, &replica] {
        server.anonymous().answer_login(&totp(&login, &code)).is(REFUSED_SECOND_FACTOR);
        server.anonymous().answer_login(&backup(&login, &codes[0])).is(REFUSED_SECOND_FACTOR);
        ada.at(server).answer("PUT", RENAME, &rename, &totp(&change, &code)).is(REFUSED_SECOND_FACTOR);
    }
    // What was shown to a closed challenge is neither used up nor counted.
    let login = app.anonymous().login_challenged("ada");
    app.anonymous().answer_login(&totp(&login, &code)).expect(201);
}

fn a_hundred_fresh_challenges_do_not_refill_the_budget(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let path = "/api/users/me/2fa/all";
    let mut challenges: Vec<Value> = (0..90).map(|_| app.anonymous().login_challenged("ada")).collect();
    for wrong in 0..10 {
        let fresh = app.anonymous().login_challenged("ada");
        ada.challenged("DELETE", path, &json!({}));
        app.anonymous().answer_login(&totp(&fresh, "abcdef")).is(REFUSED_SECOND_FACTOR);
        assert!(wrong == 9 || app.anonymous().login_challenged("ada")["token"].is_string());
        challenges.push(fresh);
    }
    assert_eq!(challenges.len(), 100);
    let code = phone.fresh_code(&app);
    // A step is longer than the first wait, so one more is checked before the wait is two seconds long.
    app.anonymous().answer_login(&totp(&challenges[99], "abcdef")).is(REFUSED_SECOND_FACTOR);
    for challenge in &challenges {
        let throttled = app.anonymous().answer_login(&totp(challenge, &code));
        throttled.is(RATE_LIMITED);
        assert_eq!(throttled.header("retry-after"), Some("2"));
    }
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).is(RATE_LIMITED);
    app.clock().advance_seconds(2);
    app.anonymous().answer_login(&totp(&challenges[0], &code)).expect(201);
}

fn every_wrong_answer_counts_whichever_the_door(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let anonymous = app.anonymous();
    let mut key = Authenticator::default();
    let (_, Enrolled { codes, .. }) = ada.enrol_totp(&app);
    ada.enrol_webauthn_by_backup(&mut key, &codes[0]);
    let all = "/api/users/me/2fa/all";
    let password = |word: &str| anonymous.post("/api/login", &json!({"username": "ada", "password": word}));
    // What a right password earns is fetched first: later ones would be throttled.
    let (totp_offer, webauthn_offer) =
        (ada.offer_by_backup("totp", &codes[1]), ada.offer_by_backup("webauthn", &codes[2]));
    let login = anonymous.login_challenged("ada");
    let change = ada.challenged("DELETE", all, &json!({}));
    key.forgery.bad_signature = true;
    let (login_touch, change_touch) = (assertion(&login, &mut key), assertion(&change, &mut key));
    // Logins from where the account is at home share one budget, and what one session shows to prove itself another.
    let logins: [&dyn Fn() -> Response; 4] = [
        &|| password("wrong"),
        &|| anonymous.answer_login(&totp(&login, "abcdef")),
        &|| anonymous.answer_login(&backup(&login, "wrong")),
        &|| anonymous.answer_login(&login_touch),
    ];
    let proofs: [&dyn Fn() -> Response; 6] = [
        &|| ada.delete_with(all, &json!({"password": "wrong"})),
        &|| ada.answer("DELETE", all, &json!({}), &totp(&change, "abcdef")),
        &|| ada.answer("DELETE", all, &json!({}), &backup(&change, "wrong")),
        &|| ada.answer("DELETE", all, &json!({}), &change_touch),
        &|| ada.confirm_totp(&totp_offer, "abcdef"),
        &|| ada.confirm_webauthn(&webauthn_offer, &json!({})),
    ];
    for doors in [&logins[..], &proofs[..]] {
        for answer in &doors[1..] {
            answer().is(REFUSED_SECOND_FACTOR);
        }
        for _ in doors.len() - 1..10 {
            doors[0]().is(INVALID_PASSWORD);
        }
        // All ten are gone, at every door.
        for password_attempt in doors {
            let throttled = password_attempt();
            throttled.is(RATE_LIMITED);
            assert_eq!(throttled.header("retry-after"), Some("1"));
        }
    }
    app.clock().advance_seconds(1);
    proofs[5]().is(REFUSED_SECOND_FACTOR);
    let filter = AuditFilter { kind: Some(AuditKind::AttemptedBeyondBudget), ..AuditFilter::default() };
    let recorded = block_on(app.operator().audit_list(filter, PageRequest { limit: 10, offset: 0 })).unwrap();
    assert_eq!(recorded.count, 1);
    assert_eq!(ada.factor_count(), 2);
}

fn tokens_that_are_no_good_here_count_as_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (phone, _) = ada.enrol_totp(&app);
    let (bobs_phone, _) = bob.enrol_totp(&app);
    let anonymous = app.anonymous();
    let expired = anonymous.login_challenged("ada");
    app.clock().advance_seconds(300);
    let rename = json!({"username": "ada"});
    let (login, change) = (anonymous.login_challenged("ada"), ada.challenged("PUT", RENAME, &rename));
    let code = phone.code(&app, 0);
    for _ in 0..12 {
        anonymous.answer_login(&totp(&json!({"token": "garbage"}), &code)).is(MALFORMED_SECOND_FACTOR);
        anonymous.answer_login(&totp(&expired, &code)).is(REFUSED_SECOND_FACTOR);
        anonymous.answer_login(&totp(&change, &code)).is(REFUSED_SECOND_FACTOR);
        ada.answer("PUT", RENAME, &rename, &totp(&login, &code)).is(REFUSED_SECOND_FACTOR);
        bob.answer("PUT", RENAME, &json!({"username": "bob"}), &totp(&change, &code)).is(REFUSED_SECOND_FACTOR);
    }
    ada.answer("PUT", RENAME, &rename, &totp(&change, &code)).expect(200);
    let challenge = anonymous.login_challenged("bob");
    anonymous.answer_login(&totp(&challenge, &bobs_phone.code(&app, 0))).expect(201);
}

fn a_challenge_is_good_for_its_own_call_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (phone, Enrolled { id, codes }) = ada.enrol_totp(&app);
    let Enrolled { id: bobs, .. } = bob.enrol_webauthn(&mut Authenticator::default());
    let (one, other) = (format!("/api/users/me/2fa/{id}"), format!("/api/users/me/2fa/{bobs}"));
    let challenge = ada.challenged("DELETE", &one, &json!({}));
    let answer = totp(&challenge, &phone.fresh_code(&app));
    let wrong_calls = [
        ("DELETE", other.as_str(), json!({})),
        ("DELETE", "/api/users/me/2fa/all", json!({})),
        ("DELETE", "/api/users/me/2fa", json!({"ids": [id]})),
        ("DELETE", "/api/users/me", json!({})),
        ("PUT", RENAME, json!({"username": "lovelace"})),
        ("POST", BACKUP, json!({})),
        ("POST", "/api/users/me/2fa/totp", json!({})),
        ("POST", "/api/users/me/sessions", json!({"name": "script", "permissionFlags": 1})),
    ];
    for (method, path, body) in &wrong_calls {
        ada.answer(method, path, body, &answer).is(REFUSED_SECOND_FACTOR);
    }
    // Nor is it good for another session of the same user.
    let elsewhere = ada.login_by_backup(&codes[0]);
    elsewhere.answer("DELETE", &one, &json!({}), &answer).is(REFUSED_SECOND_FACTOR);
    // A slash at the end is the same path.
    ada.at(&app.replica()).answer("DELETE", &format!("{one}/"), &json!({}), &answer).expect(200);
}

/// Each is charged before it is checked: while they wait for one another, none may look like a failure.
fn right_answers_in_a_queue_do_not_count_as_wrong(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::without_counter();
    ada.enrol_webauthn(&mut key);
    let answers: Vec<Value> = (0..20).map(|_| assertion(&app.anonymous().login_challenged("ada"), &mut key)).collect();
    let barrier = Barrier::new(20);
    thread::scope(|scope| {
        for answer in &answers {
            scope.spawn(|| {
                barrier.wait();
                app.anonymous().answer_login(answer).expect(201);
            });
        }
    });
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 21);
}
