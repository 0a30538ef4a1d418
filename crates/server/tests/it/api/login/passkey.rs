//! `POST /api/login/passkey`, and logins by what it asks for.

use std::thread;

use serde_json::{Value, json};
use thunderhead_auth::settings::LoginErrors;
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::authenticator::{Authenticator, Forgery, USER_PRESENT};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Enrolled, ORIGIN, TestApp, passkey};
use crate::errors::{
    BANNED, INVALID_PASSWORD, MALFORMED_SECOND_FACTOR, MISSING_FIELDS, NOT_AUTHENTICATED, RATE_LIMITED,
    REFUSED_SECOND_FACTOR, UNAVAILABLE,
};
use crate::limits::within;

on_both_engines!(
    a_passkey_logs_in_with_nothing_typed,
    a_session_by_a_passkey_is_one_of_two_factors_in_every_dialect,
    a_challenge_names_nobody_and_is_stored_nowhere,
    a_challenge_is_good_once_for_five_minutes_on_every_replica,
    of_fifty_answers_to_one_challenge_one_succeeds,
    nobody_is_told_why_a_passkey_is_no_good,
    a_user_who_was_not_verified_is_refused,
    a_banned_user_is_told_so_only_with_the_right_signature,
    what_is_counted_is_the_login_and_not_the_challenge,
    staff_come_in_by_a_passkey_under_every_switch_and_have_staff_power,
    a_login_by_a_passkey_clears_the_failures_of_its_network,
    failed_logins_by_passkeys_are_recorded_at_the_account_that_was_meant,
    all_that_is_missing_or_mistyped_is_told,
    the_legacy_login_knows_no_passkeys,
);

/// A user with a passkey.
struct Holder {
    app: TestApp,
    ada: Client,
    key: Authenticator,
    enrolled: Enrolled,
}

impl Holder {
    fn new(app: TestApp) -> Self {
        let ada = app.user("ada");
        let mut key = Authenticator::default();
        let enrolled = ada.enrol_passkey(&mut key);
        Self { app, ada, key, enrolled }
    }

    fn answer(&mut self) -> Value {
        passkey(&self.app.anonymous().passkey_challenge(), &mut self.key)
    }
}

fn a_passkey_logs_in_with_nothing_typed(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    for (remember, seconds) in [(None, 86_400), (Some(false), 86_400), (Some(true), 315_576_000)] {
        let answer = holder.answer();
        let body = json!({"passkey": answer, "rememberMe": remember});
        let entered = holder.app.anonymous().post("/api/login", &body).expect(201);
        let token = entered["token"].as_str().unwrap();
        assert_eq!(entered, json!({"token": token, "exp": holder.app.seconds() + seconds}));
        let user = holder.ada.with_token(token).get("/api/users/me").expect(200);
        assert_eq!(user["username"], "ada");
    }
    // The password is what it was, and still wants a factor beside it.
    holder.app.anonymous().login_challenged("ada");
}

fn a_session_by_a_passkey_is_one_of_two_factors_in_every_dialect(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    let answer = holder.answer();
    let token = holder.app.anonymous().login_by_passkey(&answer).token();
    let whoami = holder.app.anonymous().call("GET", "/auth/sessions/whoami").header("X-Session-Token", &token);
    let session = whoami.send().expect(200);
    assert_eq!(session["authenticator_assurance_level"], "aal2");
    let methods = session["authentication_methods"].as_array().unwrap();
    assert_eq!(methods.len(), 1);
    assert_eq!((&methods[0]["method"], &methods[0]["aal"]), (&json!("webauthn"), &json!("aal2")));
    let entered = holder.ada.with_token(&token);
    assert!(entered.works() && entered.get("/api/user/session").status == 200);
}

fn a_challenge_names_nobody_and_is_stored_nowhere(database: TestDatabase) {
    let holder = Holder::new(TestApp::start(database));
    let app = &holder.app;
    app.asked();
    let challenge = app.anonymous().passkey_challenge();
    assert_eq!(app.asked().iter().filter(|operation| operation.contains("challenge")).count(), 0);
    assert_eq!(challenge["exp"], app.seconds() + 300);
    let options = &challenge["challenge"];
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("auth.example"), &json!("required")));
    assert_eq!(options["allowCredentials"], json!([]));
    assert_ne!(challenge["challenge"]["challenge"], app.anonymous().passkey_challenge()["challenge"]["challenge"]);
    // Whoever is signed in may ask for one as well.
    assert_eq!(holder.ada.call("POST", "/api/login/passkey").send().status, 200);
}

fn a_challenge_is_good_once_for_five_minutes_on_every_replica(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    let replica = holder.app.replica();
    let challenge = holder.app.anonymous().passkey_challenge();
    let answer = passkey(&challenge, &mut holder.key);
    replica.anonymous().login_by_passkey(&answer).expect(201);
    let again = passkey(&challenge, &mut holder.key);
    for app in [&holder.app, &replica] {
        for used in [&answer, &again] {
            app.anonymous().login_by_passkey(used).is(REFUSED_SECOND_FACTOR);
        }
    }
    let (late, answer) = (holder.answer(), holder.answer());
    holder.app.clock().advance_seconds(299);
    holder.app.anonymous().login_by_passkey(&answer).expect(201);
    holder.app.clock().advance_seconds(1);
    holder.app.anonymous().login_by_passkey(&late).is(REFUSED_SECOND_FACTOR);
}

fn of_fifty_answers_to_one_challenge_one_succeeds(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::with(database, |config| config.http.workers = 2));
    let replica = holder.app.replica();
    let challenge = holder.app.anonymous().passkey_challenge();
    // Each is good by itself: the counter moves on.
    let answers: Vec<Value> = (0..50).map(|_| passkey(&challenge, &mut holder.key)).collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = answers
            .iter()
            .enumerate()
            .map(|(turn, answer)| {
                let client = if turn % 2 == 0 { holder.app.anonymous() } else { replica.anonymous() };
                scope.spawn(move || client.login_by_passkey(answer).status)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|told| **told == status).count();
    assert_eq!((count(201), count(401)), (1, 49), "{statuses:?}");
    assert_eq!(holder.ada.get("/api/users/me/sessions?limit=0").expect(200)["count"], 2);
}

fn nobody_is_told_why_a_passkey_is_no_good(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.login_errors = LoginErrors::Uniform);
    let mut holder = Holder::new(app);
    let bob = holder.app.user("bob");
    let mut bobs = Authenticator::default();
    let removed = bob.enrol_passkey(&mut bobs);
    let bobs_handle = user_handle(&bob);
    bob.by_backup(&removed.codes[0], "DELETE", &format!("/api/users/me/2fa/{}", removed.id), &json!({})).expect(200);
    let mut plain = Authenticator::default();
    holder.ada.enrol_webauthn_by_backup(&mut plain, &holder.enrolled.codes[0]);
    plain.forgery = Forgery { any_key: true, user_handle: Some(user_handle(&holder.ada)), ..Forgery::default() };
    let app = &holder.app;
    let mut told = Vec::new();
    let mut refuse = |what: &str, answer: &Value| {
        let refused = app.anonymous().login_by_passkey(answer);
        refused.is(REFUSED_SECOND_FACTOR);
        told.push((what.to_owned(), refused.text()));
    };
    let challenge = || app.anonymous().passkey_challenge();
    refuse("a removed passkey", &passkey(&challenge(), &mut bobs));
    refuse("a security key", &passkey(&challenge(), &mut plain));
    for (what, handle) in [
        ("another user's handle", bobs_handle),
        ("nobody's handle", vec![7; 16]),
        ("a handle of another form", vec![7; 15]),
        ("an empty handle", vec![]),
    ] {
        holder.key.forgery.user_handle = Some(handle);
        refuse(what, &passkey(&challenge(), &mut holder.key));
    }
    holder.key.forgery = Forgery::default();
    let mut silent = passkey(&challenge(), &mut holder.key);
    silent["response"]["response"]["userHandle"] = json!(null);
    refuse("no handle", &silent);
    holder.key.forgery.bad_signature = true;
    refuse("a bad signature", &passkey(&challenge(), &mut holder.key));
    holder.key.forgery = Forgery::default();
    let [first, second] = [challenge(), challenge()];
    let mut other = passkey(&first, &mut holder.key);
    other["token"] = second["token"].clone();
    refuse("another challenge", &other);
    assert!(told.iter().all(|(_, text)| *text == told[0].1), "{told:#?}");
    app.anonymous().login_by_passkey(&passkey(&challenge(), &mut holder.key)).expect(201);
}

/// The handle that a user's passkeys are registered with.
fn user_handle(user: &Client) -> Vec<u8> {
    let uuid = user.get("/api/users/me").expect(200)["uuid"].as_str().unwrap().replace('-', "");
    (0..16).map(|at| u8::from_str_radix(&uuid[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn a_user_who_was_not_verified_is_refused(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    holder.key.forgery.flags = Some(USER_PRESENT);
    let answer = holder.answer();
    holder.app.anonymous().login_by_passkey(&answer).is(REFUSED_SECOND_FACTOR);
    holder.key.forgery = Forgery::default();
    let answer = holder.answer();
    holder.app.anonymous().login_by_passkey(&answer).expect(201);
}

fn a_banned_user_is_told_so_only_with_the_right_signature(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    holder.app.ban("ada");
    holder.key.forgery.bad_signature = true;
    let answer = holder.answer();
    holder.app.anonymous().login_by_passkey(&answer).is(REFUSED_SECOND_FACTOR);
    holder.key.forgery = Forgery::default();
    let answer = holder.answer();
    holder.app.anonymous().login_by_passkey(&answer).is(BANNED);
    // What led to nothing was not used up.
    block_on(holder.app.operator().account_unban("ada")).unwrap();
    holder.app.anonymous().login_by_passkey(&answer).expect(201);
}

fn what_is_counted_is_the_login_and_not_the_challenge(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    let strict = holder.app.replica_with(|config| config.http.login_limit = within(3, 180));
    for _ in 0..10 {
        assert_eq!(strict.anonymous().passkey_challenge()["challenge"]["rpId"], "auth.example");
    }
    let answers: Vec<Value> = (0..3).map(|_| holder.answer()).collect();
    // What calls itself the answer to a challenge is one, and no passkey.
    let both = json!({"passkey": answers[0], "2fa": {"token": "garbage", "type": "totp", "code": "1"}});
    strict.anonymous().post("/api/login", &both).is(MALFORMED_SECOND_FACTOR);
    for answer in &answers {
        strict.anonymous().login_by_passkey(answer).expect(201);
    }
    let answer = holder.answer();
    strict.anonymous().login_by_passkey(&answer).is(RATE_LIMITED);
}

fn staff_come_in_by_a_passkey_under_every_switch_and_have_staff_power(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let mut holder = Holder::new(app);
    let root = holder.app.staff("root");
    let mut roots = Authenticator::default();
    root.enrol_passkey(&mut roots);
    for switch in [KillSwitch::AccountLogin, KillSwitch::Global] {
        holder.app.switch(switch, true);
        let answer = holder.answer();
        let shut = json!({"feature": switch.id()});
        holder.app.anonymous().login_by_passkey(&answer).is_with(UNAVAILABLE, shut.clone());
        let mut wrong = answer.clone();
        wrong["response"]["response"]["signature"] = json!("AAAA");
        holder.app.anonymous().login_by_passkey(&wrong).is_with(UNAVAILABLE, shut);
        let answer = passkey(&holder.app.anonymous().passkey_challenge(), &mut roots);
        let entered = root.with_token(&holder.app.anonymous().login_by_passkey(&answer).token());
        assert!(entered.works_as_staff(&holder.ada), "{switch}");
        holder.app.switch(switch, false);
    }
}

fn a_login_by_a_passkey_clears_the_failures_of_its_network(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    let wrong = json!({"username": "ada", "password": "wrong"});
    let fail = |times: usize| {
        for _ in 0..times {
            holder.app.anonymous().post("/api/login", &wrong).is(INVALID_PASSWORD);
        }
    };
    fail(10);
    holder.app.anonymous().post("/api/login", &wrong).is(RATE_LIMITED);
    // Nobody can keep somebody with a passkey out.
    let answer = passkey(&holder.app.anonymous().passkey_challenge(), &mut holder.key);
    holder.app.anonymous().login_by_passkey(&answer).expect(201);
    fail(10);
    holder.app.anonymous().post("/api/login", &wrong).is(RATE_LIMITED);
}

fn failed_logins_by_passkeys_are_recorded_at_the_account_that_was_meant(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    holder.key.forgery.bad_signature = true;
    let answer = holder.answer();
    for _ in 0..2 {
        holder.app.anonymous().login_by_passkey(&answer).is(REFUSED_SECOND_FACTOR);
    }
    block_on(holder.app.auth().flush_failures()).unwrap();
    let failed = block_on(holder.app.storage().failed_logins_newest(10)).unwrap();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].factors, 2, "{failed:?}");
}

fn all_that_is_missing_or_mistyped_is_told(database: TestDatabase) {
    let holder = Holder::new(TestApp::start(database));
    let post = |body: &Value| holder.app.anonymous().post("/api/login", body);
    for wrong in [json!({}), json!("x"), json!([]), json!({"token": 1, "response": {}}), json!({"token": "x"})] {
        post(&json!({"passkey": wrong})).is_with(MISSING_FIELDS, json!({"fields": ["passkey"]}));
    }
    let both = json!({"passkey": 1, "rememberMe": "yes"});
    post(&both).is_with(MISSING_FIELDS, json!({"fields": ["passkey", "rememberMe"]}));
    for token in ["", "garbage!", "a.b.c", holder.ada.token(), &"x".repeat(10_000)] {
        post(&json!({"passkey": {"token": token, "response": {}}})).is(MALFORMED_SECOND_FACTOR);
    }
    let challenge = holder.app.anonymous().passkey_challenge();
    let garbage = json!({"token": challenge["token"], "response": {}});
    post(&json!({"passkey": garbage})).is(REFUSED_SECOND_FACTOR);
    let mut key = Authenticator::default();
    let foreign = {
        let offer = holder.ada.offer_by_backup("passkey", &holder.enrolled.codes[1]);
        let registered = key.register(&offer.body, ORIGIN);
        holder.ada.confirm_passkey(&offer, &registered).expect(201);
        key.assert(&challenge["challenge"], "https://badauth.example")
    };
    post(&json!({"passkey": {"token": challenge["token"], "response": foreign}})).is(REFUSED_SECOND_FACTOR);
    // Whoever has a session does not log in.
    let answer = passkey(&challenge, &mut key);
    holder.ada.post("/api/login", &json!({"passkey": answer})).is(NOT_AUTHENTICATED);
    post(&json!({"passkey": answer})).expect(201);
}

fn the_legacy_login_knows_no_passkeys(database: TestDatabase) {
    let mut holder = Holder::new(TestApp::start(database));
    let answer = holder.answer();
    let refused = holder.app.anonymous().post("/api/user/session", &json!({"passkey": answer}));
    refused.is_with(MISSING_FIELDS, json!({"fields": ["user", "pass"]}));
}
