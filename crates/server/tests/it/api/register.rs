//! `POST /api/register`.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};
use thunderhead_auth::settings::Registration;
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::id::UserUuid;
use thunderhead_domain::ports::{AccountName, Clock};
use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_domain::user::{EmailAddress, NewAccount, Username};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{PASSWORD, Response, TestApp, registration};
use crate::errors::{
    INVALID_EMAIL, INVALID_USERNAME, MISSING_FIELDS, NOT_AUTHENTICATED, PASSWORDS_DO_NOT_MATCH, UNAVAILABLE,
    USER_EXISTS,
};

on_both_engines!(
    a_registration_makes_an_account_and_its_first_session,
    remember_me_gives_a_token_for_10_years,
    names_and_addresses_are_taken_without_regard_to_case,
    names_addresses_and_confirmations_are_checked,
    unacceptable_passwords_are_a_missing_field,
    how_soon_a_password_is_guessed_is_told_last,
    names_from_before_this_rule_still_log_in,
    all_that_is_missing_or_mistyped_is_listed_in_order,
    a_request_with_a_valid_session_is_refused,
    a_closed_registration_is_503_with_feature_0,
    the_switch_shuts_registration_for_everybody,
    parallel_registrations_get_different_ids_and_one_name_is_given_once,
);

fn attempt(app: &TestApp, body: &Value) -> Response {
    app.anonymous().post("/api/register", body)
}

/// A good registration of ada with one field changed.
fn ada_with(field: &str, value: Value) -> Value {
    let mut body = registration("ada");
    body[field] = value;
    body
}

fn a_registration_makes_an_account_and_its_first_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let answer = attempt(&app, &registration("Ada")).expect(201);
    let token = answer["token"].as_str().unwrap().to_owned();
    assert_eq!(answer, json!({"token": token, "exp": app.seconds() + 86_400}));
    let ada = app.anonymous().with_token(&token);
    assert_eq!(ada.get("/api/users/me").expect(200)["username"], "Ada");
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
    assert!(ada.log_in("ada").works());
}

fn remember_me_gives_a_token_for_10_years(database: TestDatabase) {
    let app = TestApp::start(database);
    let answer = attempt(&app, &ada_with("rememberMe", json!(true))).expect(201);
    assert_eq!(answer["exp"], app.seconds() + 315_576_000);
}

fn names_and_addresses_are_taken_without_regard_to_case(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("Ada");
    let mut same_name = registration("aDA");
    same_name["email"] = json!("other@example.org");
    attempt(&app, &same_name).is(USER_EXISTS);
    let mut same_address = registration("bob");
    same_address["email"] = json!("ADA@EXAMPLE.ORG");
    attempt(&app, &same_address).is(USER_EXISTS);
    app.user("bob");
}

fn names_addresses_and_confirmations_are_checked(database: TestDatabase) {
    let app = TestApp::start(database);
    for name in ["", " ", "a b", "ä", "a@b", "1234567890123", "--help", "-h", "..", ".", &"x".repeat(65)] {
        attempt(&app, &ada_with("username", json!(name))).is(INVALID_USERNAME);
    }
    for address in ["", "ada", "@example.org", "ada@", "Ada <ada@example.org>", "a\n@example.org"] {
        attempt(&app, &ada_with("email", json!(address))).is(INVALID_EMAIL);
    }
    for confirmation in ["", "correct horse battery stapl", "CORRECT HORSE BATTERY STAPLE"] {
        attempt(&app, &ada_with("confirmPassword", json!(confirmation))).is(PASSWORDS_DO_NOT_MATCH);
    }
    app.user("ada");
}

fn unacceptable_passwords_are_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let name = "xk7-quarry-lamp";
    let long = "correct horse ".repeat(74);
    for password in ["", "short", "password", "12345678", "qwertyuiop", name, "xk7-quarry-lamp@example.org", &long] {
        let mut body = registration(name);
        body["password"] = json!(password);
        body["confirmPassword"] = json!(password);
        attempt(&app, &body).is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
    }
    app.user(name);
}

fn how_soon_a_password_is_guessed_is_told_last(database: TestDatabase) {
    let app = TestApp::start(database);
    let with = |field: &str, value: &str| {
        let mut body = registration("ada");
        body["password"] = json!("password");
        body["confirmPassword"] = json!("password");
        body[field] = json!(value);
        attempt(&app, &body)
    };
    with("username", "a b").is(INVALID_USERNAME);
    with("email", "ada").is(INVALID_EMAIL);
    with("confirmPassword", "passwort").is(PASSWORDS_DO_NOT_MATCH);
    with("username", "ada").is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
}

fn names_from_before_this_rule_still_log_in(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (_, credential) =
        block_on(app.storage().account_credential(AccountName::Username(name("ada")))).unwrap().unwrap();
    let account = NewAccount {
        uuid: UserUuid(uuid::Uuid::from_u128(7)),
        username: name("--help"),
        email: EmailAddress::from_checked("help@example.org".to_owned()),
        password: credential.password,
        has_password: true,
        staff: false,
        at: app.clock().now(),
    };
    let action = ActionContext { at: account.at, by: Actor::CommandLine, client_ip: None };
    block_on(app.storage().account_create(account, action)).unwrap();
    let login = json!({"username": "--help", "password": PASSWORD});
    let help = app.anonymous().with_token(&app.anonymous().post("/api/login", &login).token());
    assert_eq!(help.get("/api/users/me").expect(200)["username"], "--help");
    assert!(block_on(app.operator().account("--help")).is_ok());
}

fn name(text: &str) -> Username {
    Username::existing(text.to_owned()).unwrap()
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let all = ["username", "email", "password", "confirmPassword"];
    attempt(&app, &json!({})).is_with(MISSING_FIELDS, json!({"fields": all}));
    for field in all {
        for wrong in [json!(null), json!(1), json!(true), json!(["x"]), json!({})] {
            attempt(&app, &ada_with(field, wrong)).is_with(MISSING_FIELDS, json!({"fields": [field]}));
        }
    }
    let all_wrong = json!({"rememberMe": 1, "confirmPassword": 1, "password": "short", "email": 1, "username": 1});
    let fields = ["username", "email", "password", "confirmPassword", "rememberMe"];
    attempt(&app, &all_wrong).is_with(MISSING_FIELDS, json!({"fields": fields}));
    let odd = app.anonymous().call("POST", "/api/register").body("text/plain", registration("ada").to_string());
    odd.send().is_with(MISSING_FIELDS, json!({"fields": all}));
}

fn a_request_with_a_valid_session_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.post("/api/register", &registration("bob")).is(NOT_AUTHENTICATED);
    ada.with_token("garbage").post("/api/register", &registration("bob")).expect(201);
}

fn a_closed_registration_is_503_with_feature_0(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.registration = Registration::Closed);
    attempt(&app, &registration("ada")).is_with(UNAVAILABLE, json!({"feature": 0}));
    attempt(&app, &json!({})).is_with(UNAVAILABLE, json!({"feature": 0}));
}

fn the_switch_shuts_registration_for_everybody(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (switch, feature) in [(KillSwitch::AccountCreate, 0), (KillSwitch::Global, 8)] {
        app.switch(switch, true);
        attempt(&app, &registration("ada")).is_with(UNAVAILABLE, json!({"feature": feature}));
        attempt(&app, &json!({})).is_with(UNAVAILABLE, json!({"feature": feature}));
        root.post("/api/register", &registration("ada")).is(NOT_AUTHENTICATED);
        app.switch(switch, false);
    }
    attempt(&app, &registration("ada")).expect(201);
}

fn parallel_registrations_get_different_ids_and_one_name_is_given_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let app = &app;
                scope.spawn(move || {
                    app.user(&format!("user{thread}"));
                    attempt(app, &registration("ada")).status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
    let ids: BTreeSet<String> = (0..4)
        .map(|number| {
            app.anonymous().post("/api/login", &json!({"username": format!("user{number}"), "password": PASSWORD}))
        })
        .map(|answer| app.anonymous().with_token(&answer.token()).get("/api/users/me").expect(200)["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 4);
}
