//! The database goes away: 503 with `Retry-After`, never an answer that logs people out.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use thunderhead_domain::budget::{BudgetKey, Charge};
use thunderhead_domain::network::Network;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Cut, Enrolled, ORIGIN, PASSWORD, Response, TestApp, assertion, backup, passkey, totp};
use crate::errors::{NOT_AUTHENTICATED, UNAVAILABLE};
use crate::routes::{ROWS, Row, Who};
use crate::stale_preconditions::action;

on_both_engines!(
    every_endpoint_is_503_while_the_database_is_away,
    every_operation_that_fails_is_503_wherever_it_is_used,
    nothing_that_was_shown_is_used_up_by_a_503,
    health_tells_a_live_server_from_a_ready_one,
    a_server_that_cannot_write_says_so_and_stays_ready,
    uses_that_could_not_be_written_do_no_harm,
    who_waits_too_long_for_a_turn_at_an_account_is_sent_away_and_not_charged,
);

/// Every operation that an endpoint may ask of the storage.
const OPERATIONS: [&str; 36] = [
    "account_register",
    "account_find",
    "account_id",
    "account_attempted",
    "account_page",
    "account_rename",
    "account_readdress",
    "account_set_password",
    "account_remove_password",
    "account_rehash",
    "account_set_verified",
    "account_ban",
    "account_unban",
    "account_set_staff",
    "account_delete",
    "session_open",
    "session_open_from",
    "session_authority",
    "session_find",
    "session_page",
    "session_search",
    "session_end",
    "session_end_some",
    "session_end_all",
    "session_end_others",
    "switches",
    "switch_set",
    "switch_clear",
    "budget_charge",
    "budget_clear",
    "challenge_create_for",
    "factor_find",
    "factor_page",
    "factor_keys",
    "factor_remove",
    "backup_codes_renew",
];

/// Every operation that giving a challenge, answering it, or confirming a factor may ask of the storage.
const OPERATIONS_OF_PROOF: [&str; 18] = [
    "session_authority",
    "account_credential",
    "account_attempted",
    "account_find",
    "account_rename",
    "session_open",
    "session_open_by_passkey",
    "budget_charge",
    "budget_refund",
    "challenge_create",
    "challenge_create_for",
    "challenge_find",
    "challenge_charge",
    "challenge_refund",
    "factor_keys",
    "passkey_find",
    "factor_add",
    "factor_remove",
];

#[track_caller]
fn is_an_outage(response: &Response) {
    response.is(UNAVAILABLE);
    assert_eq!(response.header("retry-after"), Some("1"));
}

/// Somebody who may call the endpoint.
fn caller(app: &TestApp, row: &Row, ada: &Client, root: &Client) -> Client {
    match row.who {
        Who::Guest | Who::Login => app.anonymous(),
        Who::User => ada.clone(),
        Who::Staff => root.clone(),
    }
}

fn every_endpoint_is_503_while_the_database_is_away(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let session = ada.log_in("ada").session_id();
    app.cut(Cut::Everything);
    for row in &ROWS {
        let callers = [caller(&app, row, &ada, &root), app.anonymous(), ada.with_token("garbage")];
        for caller in callers {
            is_an_outage(&row.call_about(&app, &caller, &ada, session).send());
        }
    }
    is_an_outage(&app.anonymous().get("/api/nowhere"));
    app.cut(Cut::Nothing);
    assert!(ada.works() && root.works());
    ada.with_token("garbage").get("/api/users/me").is(NOT_AUTHENTICATED);
}

fn every_operation_that_fails_is_503_wherever_it_is_used(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut unused = OPERATIONS.to_vec();
    for (number, row) in ROWS.iter().enumerate() {
        let (user, root) = (app.user(&format!("ada{number}")), app.staff(&format!("root{number}")));
        let attempt = |cut| {
            // A session of their own each: some endpoints end the one in use.
            let ada = if row.is_fatal() { app.spare() } else { user.log_in(user.name()) };
            let caller = caller(&app, row, &ada, &root);
            let call = row.call_about(&app, &caller, &ada, ada.session_id());
            app.asked();
            app.cut(cut);
            let response = call.send();
            (response, app.cut(Cut::Nothing))
        };
        let (response, _) = attempt(Cut::Nothing);
        assert_eq!(response.status, row.success, "{row:?}: {response:?}");
        let asked = app.asked();
        for operation in OPERATIONS.into_iter().filter(|operation| asked.contains(operation)) {
            let (response, hits) = attempt(Cut::Operation(operation));
            if hits > 0 {
                is_an_outage(&response);
                unused.retain(|unused| *unused != operation);
            } else {
                // What is remembered is not asked for again.
                assert_eq!(response.status, row.success, "{row:?} without {operation}: {response:?}");
            }
        }
    }
    // A login of somebody whose hash is outdated is not among the rows.
    assert_eq!(unused, ["account_rehash"]);
}

/// A request that proves something, made as often as one likes.
type Proof = Box<dyn Fn() -> Response>;

/// Somebody with a phone, a key and unused backup codes, and a code that was not shown yet.
struct Holder {
    client: Client,
    code: String,
    key: Authenticator,
    codes: Vec<String>,
}

impl Holder {
    fn new(app: &TestApp) -> Self {
        let client = app.spare();
        let (phone, Enrolled { codes, .. }) = client.enrol_totp(app);
        let mut key = Authenticator::default();
        client.enrol_webauthn_by_backup(&mut key, &codes[0]);
        Self { client, code: phone.code(app, 1), key, codes }
    }
}

fn login(app: &TestApp, answer: impl FnOnce(Holder, &Value) -> Value) -> Proof {
    let (holder, anonymous) = (Holder::new(app), app.anonymous());
    let challenge = anonymous.login_challenged(holder.client.name());
    let answer = answer(holder, &challenge);
    Box::new(move || anonymous.answer_login(&answer))
}

fn change(
    app: &TestApp,
    (method, path, body): (&'static str, &'static str, Value),
    answer: impl FnOnce(Holder, &Value) -> Value,
) -> Proof {
    let holder = Holder::new(app);
    let client = holder.client.clone();
    let challenge = client.challenged(method, path, &body);
    let answer = answer(holder, &challenge);
    Box::new(move || client.answer(method, path, &body, &answer))
}

/// Makes whoever is to prove something, and what they show.
type Preparation<'a> = Box<dyn Fn() -> Proof + 'a>;

/// Requests that prove something, with what they are answered.
fn proofs(app: &TestApp) -> Vec<(&'static str, Preparation<'_>, u16)> {
    let by_code = |holder: Holder, challenge: &Value| totp(challenge, &holder.code);
    let by_backup = |holder: Holder, challenge: &Value| backup(challenge, &holder.codes[1]);
    let by_key = |mut holder: Holder, challenge: &Value| assertion(challenge, &mut holder.key);
    let rename = move || ("PUT", "/api/users/me/username", json!({"username": format!("name{}", app.number())}));
    let nothing = || ("DELETE", "/api/users/me/2fa/0191f2a4-8b1c-7def-8000-00000000002a", json!({}));
    let password = || json!({"password": PASSWORD});
    let confirm_app = move || {
        let client = app.spare();
        let phone = client.offer("totp");
        let code = phone.code_app().code(app, 0);
        Box::new(move || client.confirm_totp(&phone, &code)) as Proof
    };
    let confirm_key = move || {
        let client = app.spare();
        let key = client.offer("webauthn");
        let response = Authenticator::default().register(&key.body, ORIGIN);
        Box::new(move || client.confirm_webauthn(&key, &response)) as Proof
    };
    let offer = move || {
        let client = app.spare();
        Box::new(move || client.post("/api/users/me/2fa/webauthn", &password())) as Proof
    };
    let challenge = move || {
        let client = Holder::new(app).client;
        Box::new(move || client.delete_with("/api/users/me", &password())) as Proof
    };
    let challenge_at_login = move || {
        let (client, anonymous) = (Holder::new(app).client, app.anonymous());
        let credentials = json!({"username": client.name(), "password": PASSWORD});
        Box::new(move || anonymous.post("/api/login", &credentials)) as Proof
    };
    let login_by_passkey = move || {
        let (client, anonymous, mut key) = (app.spare(), app.anonymous(), Authenticator::default());
        client.enrol_passkey(&mut key);
        let answer = passkey(&anonymous.passkey_challenge(), &mut key);
        Box::new(move || anonymous.login_by_passkey(&answer)) as Proof
    };
    let change_by_passkey = move || {
        let (client, mut key) = (app.spare(), Authenticator::default());
        client.enrol_passkey(&mut key);
        let (method, path, mut body) = rename();
        body["passkey"] = json!({});
        let challenge = client.call(method, path).json(&body).send().expect(401);
        body["passkey"] = passkey(&challenge, &mut key);
        Box::new(move || client.call(method, path).json(&body).send()) as Proof
    };
    vec![
        ("a login by a passkey", Box::new(login_by_passkey), 201),
        ("a change by a passkey", Box::new(change_by_passkey), 200),
        ("a login by an app", Box::new(move || login(app, by_code)), 201),
        ("a login by a backup code", Box::new(move || login(app, by_backup)), 201),
        ("a login by a key", Box::new(move || login(app, by_key)), 201),
        ("a change by an app", Box::new(move || change(app, rename(), by_code)), 200),
        ("a change by a backup code", Box::new(move || change(app, rename(), by_backup)), 200),
        ("a change by a key", Box::new(move || change(app, rename(), by_key)), 200),
        ("a change that is refused", Box::new(move || change(app, nothing(), by_code)), 404),
        ("an app's confirmation", Box::new(confirm_app), 201),
        ("a key's confirmation", Box::new(confirm_key), 201),
        ("an offer", Box::new(offer), 200),
        ("a challenge", Box::new(challenge), 401),
        ("a login's challenge", Box::new(challenge_at_login), 401),
    ]
}

fn nothing_that_was_shown_is_used_up_by_a_503(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut unused = OPERATIONS_OF_PROOF.to_vec();
    for (what, prepare, success) in proofs(&app) {
        let request = prepare();
        app.asked();
        let response = request();
        assert_eq!(response.status, success, "{what}: {response:?}");
        let asked = app.asked();
        for operation in OPERATIONS_OF_PROOF.into_iter().filter(|operation| asked.contains(operation)) {
            let request = prepare();
            app.cut(Cut::Operation(operation));
            let response = request();
            assert!(app.cut(Cut::Nothing) > 0, "{what} asks for {operation} now and then");
            unused.retain(|unused| *unused != operation);
            if operation == "challenge_refund" && success == 201 {
                // The factor stands, and only its charge was not taken back.
                response.expect(201);
                continue;
            }
            is_an_outage(&response);
            let again = request();
            assert_eq!(again.status, success, "{what} after {operation}: {again:?}");
        }
    }
    assert_eq!(unused, [""; 0]);
}

fn health_tells_a_live_server_from_a_ready_one(database: TestDatabase) {
    let app = TestApp::start(database);
    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/health/ready").expect(200)["status"], "ready");
    app.cut(Cut::Everything);
    assert_eq!(anonymous.get("/health/live").expect(200)["status"], "alive");
    is_an_outage(&anonymous.get("/health/ready"));
    anonymous.get("/.well-known/jwks.json").expect(200);
    app.cut(Cut::Nothing);
    assert_eq!(anonymous.get("/health/ready").status, 200);
}

fn a_server_that_cannot_write_says_so_and_stays_ready(database: TestDatabase) {
    let app = TestApp::start(database);
    let writes = || app.anonymous().get("/health/ready").expect(200)["writes"].as_bool().unwrap();
    assert!(writes());
    app.cut(Cut::Operation("write_probe"));
    assert!(writes(), "what was found out is good for five seconds");
    app.clock().advance_seconds(5);
    assert!((0..5).all(|_| !writes()));
    assert_eq!(app.cut(Cut::Nothing), 1, "whoever asks shares one attempt");
    assert!(!writes());
    app.clock().advance_seconds(5);
    assert!(writes());
    let strict = app.replica_with(|config| config.http.ready_needs_writes = true);
    strict.anonymous().get("/health/ready").expect(200);
    strict.cut(Cut::Operation("write_probe"));
    app.clock().advance_seconds(5);
    is_an_outage(&strict.anonymous().get("/health/ready"));
    strict.anonymous().get("/health/live").expect(200);
}

fn uses_that_could_not_be_written_do_no_harm(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert!(ada.works());
    app.cut(Cut::Operation("session_record_uses"));
    assert!(app.try_flush_uses().is_err());
    app.cut(Cut::Nothing);
    // What was lost is a time: the next is recorded a minute later.
    app.clock().advance_seconds(60);
    assert!(ada.works());
    app.flush_uses();
    let used_at = ada.at(&app.replica()).get("/api/users/me/sessions/me").expect(200)["usedAt"].clone();
    assert_eq!(used_at, "2026-01-15T12:01:00.250Z");
}

/// A real database that is really gone, and not one whose line was cut.
#[test]
fn a_dropped_postgres_database_is_an_outage() {
    let app = TestApp::start(TestDatabase::postgres());
    let ada = app.user("ada");
    let hasty = app.replica_with(|config| {
        config.database.deadline = Duration::from_millis(300);
        config.cache_settings.deadline = config.database.deadline;
    });
    assert!(ada.at(&hasty).works());
    app.drop_database();
    let nobody = hasty.anonymous();
    for client in [&ada.at(&hasty), &nobody, &nobody.with_token("garbage")] {
        is_an_outage(&client.get("/api/users/me"));
    }
    is_an_outage(&nobody.get("/health/ready"));
    nobody.get("/health/live").expect(200);
}

fn who_waits_too_long_for_a_turn_at_an_account_is_sent_away_and_not_charged(database: TestDatabase) {
    let app = Arc::new(TestApp::with(database, |config| {
        config.policy.account_lock_timeout = Duration::ZERO;
        // A connection that is opened beside another one is the other worker's.
        config.http.workers = 2;
    }));
    let ada = app.user("ada");
    let (inside, user) = (Arc::clone(&app), ada.user_id());
    let network = Network::of(Ipv4Addr::LOCALHOST.into());
    app.before("session_open", move |storage| {
        let login = json!({"username": "ada", "password": PASSWORD});
        is_an_outage(&inside.anonymous().post("/api/login", &login));
        let receipt = match block_on(storage.budget_charge(&BudgetKey::Network(user, network), action())).unwrap() {
            Charge::Admitted(receipt) => receipt,
            Charge::Wait(millis) => panic!("{millis}"),
        };
        assert_eq!(receipt.before.map(|used| used.failures), Some(1), "the one that has its turn");
    });
    ada.log_in("ada");
    ada.log_in("ada");
}
