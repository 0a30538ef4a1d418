//! The second step, which steps up a session that has its second factor pending.

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::ports::Clock;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Device, Phone, begin, enter, error, password, second_step, show, submission};
use crate::app::{PASSWORD, TestApp};

on_both_engines!(
    a_code_of_an_app_steps_the_session_up,
    a_backup_code_steps_the_session_up_once,
    wrong_codes_count_against_the_account,
    the_second_step_wants_its_own_flow_and_the_session_of_the_first,
    a_live_session_from_before_the_factor_can_be_stepped_up,
    a_session_that_ended_is_not_stepped_up,
    staff_come_in_with_their_factor_alone,
);

fn a_code_of_an_app_steps_the_session_up(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    assert_eq!(device.session["authenticator_assurance_level"], "aal1");
    assert!(device.session["identity"].is_null() && device.session["active"] == true);
    let code = phone.code(&app);
    let stepped_up = show(&device, &second_step(&device), &code).expect(200);
    assert_eq!(stepped_up["session_token"], device.token.as_str());
    let session = &stepped_up["session"];
    assert_eq!((&session["id"], &session["authenticator_assurance_level"]), (&json!(device.id()), &json!("aal2")));
    assert_eq!(session["identity"]["traits"]["username"], "ada");
    let methods = session["authentication_methods"].as_array().unwrap().iter();
    let methods: Vec<_> = methods.map(|shown| json!([shown["method"], shown["aal"]])).collect();
    assert_eq!(methods, [json!(["password", "aal1"]), json!(["totp", "aal2"])]);
    assert_eq!(session["authenticated_at"], session["authentication_methods"][1]["completed_at"]);
    assert_eq!(device.whoami().expect(200)["authenticator_assurance_level"], "aal2");
    assert!(ada.with_token(&device.token).works());
    // A code works once, also for another session.
    let other = enter(&app, "ada");
    let again = show(&other, &second_step(&other), &code).expect(400);
    assert_eq!(again["ui"]["messages"][0]["id"], 4_000_006);
}

fn a_backup_code_steps_the_session_up_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    let stepped_up = show(&device, &second_step(&device), &phone.backup(0)).expect(200);
    assert_eq!(stepped_up["session"]["authentication_methods"][1]["method"], "lookup_secret");
    let other = enter(&app, "ada");
    show(&other, &second_step(&other), &phone.backup(0)).expect(400);
    show(&other, &second_step(&other), &phone.backup(1)).expect(200);
    assert!(device.works() && other.works());
}

fn wrong_codes_count_against_the_account(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    let flow = second_step(&device);
    let wrong = [
        json!({"method": "totp", "totp_code": "000000"}),
        json!({"method": "lookup_secret", "lookup_secret": "garbage"}),
    ];
    for number in 0..9 {
        show(&device, &flow, &wrong[number % 2]).expect(400);
    }
    // A right password that still has its second factor pending clears nothing.
    let other = enter(&app, "ada");
    show(&other, &second_step(&other), &wrong[0]).expect(400);
    let throttled = show(&device, &flow, &phone.backup(0));
    error(&throttled, 429);
    assert_eq!(throttled.header("retry-after"), Some("1"));
    let elsewhere = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(elsewhere.status, 429);
    app.clock().advance_seconds(1);
    // It was not used up by having been refused.
    show(&device, &flow, &phone.backup(0)).expect(200);
}

fn the_second_step_wants_its_own_flow_and_the_session_of_the_first(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (phone, _) = (Phone::enrol(&app, &ada), bob);
    let device = enter(&app, "ada");
    let flow = second_step(&device);
    let no_method = |response: crate::app::Response| {
        assert_eq!(response.expect(400)["ui"]["messages"][0]["id"], 4_010_002);
    };
    no_method(show(&device, &begin(&app, "api", ""), &phone.backup(0)));
    no_method(show(&device, &flow, &password("ada")));
    no_method(show(&device, &flow, &json!({"totp_code": "000000"})));
    let missing = show(&device, &flow, &json!({"method": "totp"})).expect(400);
    assert_eq!(missing["ui"]["messages"][0]["id"], 4_000_002);
    assert_eq!(error(&submission(&app, &flow, &phone.backup(0)).send(), 401)["id"], "session_inactive");
    let stranger = Device { app: &app, token: "x".repeat(32), session: Value::Null };
    error(&show(&stranger, &flow, &phone.backup(0)), 401);
    // Another user's code is none of one's own.
    let bobs = enter(&app, "bob");
    error(&show(&bobs, &flow, &phone.backup(0)), 400);
    show(&device, &flow, &phone.backup(0)).expect(200);
}

fn a_live_session_from_before_the_factor_can_be_stepped_up(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let device = enter(&app, "ada");
    let phone = Phone::enrol(&app, &ada);
    assert_eq!(device.whoami().expect(200)["authenticator_assurance_level"], "aal1");
    show(&device, &second_step(&device), &phone.backup(0)).expect(200);
    assert_eq!(device.whoami().expect(200)["authenticator_assurance_level"], "aal2");
    let stepped_up = device.get("/auth/self-service/login/api?aal=aal2");
    assert_eq!(error(&stepped_up, 400)["id"], "session_already_available");
    let again = device.get("/auth/self-service/login/api?aal=aal2&refresh=true").expect(200);
    show(&device, again["id"].as_str().unwrap(), &phone.backup(1)).expect(200);
    let methods = device.whoami().expect(200)["authentication_methods"].as_array().unwrap().len();
    assert_eq!(methods, 2, "the latest of each method");
}

fn a_session_that_ended_is_not_stepped_up(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    let flow = second_step(&device);
    ada.delete("/api/users/me/sessions/all").expect(200);
    error(&show(&device, &flow, &phone.backup(0)), 401);
    // It ends in the very middle of the request.
    let device = enter(&app, "ada");
    let (flow, user) = (second_step(&device), ada.user_id());
    let now = app.clock().now();
    app.before("session_step_up", move |storage| {
        let by = thunderhead_domain::session::Actor::CommandLine;
        let action = thunderhead_domain::audit::ActionContext { at: now, by, client_ip: None };
        let why = thunderhead_domain::session::EndReason::Operator;
        thunderhead_testkit::block_on(storage.session_end_all(user, why, action)).unwrap();
    });
    error(&show(&device, &flow, &phone.backup(0)), 401);
    let device = enter(&app, "ada");
    show(&device, &second_step(&device), &phone.backup(0)).expect(200);
}

fn staff_come_in_with_their_factor_alone(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required);
    let root = app.staff("root");
    let without = error(&root.get("/auth/admin/sessions"), 403);
    assert_eq!(without["reason"], "The caller is staff without a second factor, or has not shown one in this session.");
    Phone::enrol(&app, &root);
    root.get("/auth/admin/sessions").expect(200);
}
