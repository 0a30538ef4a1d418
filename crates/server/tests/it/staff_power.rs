//! What it takes to act as staff: a session that was proved by a second factor (`docs/MODEL.md`, *Scopes*).

use serde_json::{Value, json};
use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, TestApp};
use crate::errors::{ENDPOINT_REQUIRES_SECOND_FACTOR, NOT_AUTHENTICATED, UNAVAILABLE};
use crate::introspect::Service;

on_both_engines!(
    a_promotion_ends_every_session_and_those_made_since_need_a_factor,
    a_demotion_ends_what_was_issued_with_staff_scopes,
    a_session_gains_staff_power_by_the_factor_that_is_enrolled_in_it_and_no_other_does,
    a_session_gains_staff_power_by_a_reverification_with_a_factor,
    a_session_gains_staff_power_by_a_step_up_of_the_kratos_dialect,
    a_scoped_session_has_the_power_of_the_reverification_that_made_it,
    switches_let_staff_pass_whose_session_was_proved,
    other_services_are_told_of_staff_power_only_where_it_was_proved,
    the_kratos_dialect_shows_what_a_session_rests_on,
);

const USERS: &str = "/api/users";

/// A server that asks staff for a second factor.
fn strict(database: TestDatabase) -> TestApp {
    TestApp::with(database, |config| config.policy.staff_factor = StaffFactor::Required)
}

#[track_caller]
fn has_power(client: &Client) {
    client.get(USERS).expect(200);
}

#[track_caller]
fn has_none(client: &Client) {
    client.get(USERS).is(ENDPOINT_REQUIRES_SECOND_FACTOR);
}

fn promote(app: &TestApp, name: &str) {
    block_on(app.operator().account_promote(name)).unwrap();
}

fn a_promotion_ends_every_session_and_those_made_since_need_a_factor(database: TestDatabase) {
    let app = strict(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let all = ada.scoped(&[Scope::All]);
    let (_, enrolled) = ada.enrol_totp(&app);
    assert!(all.at(&replica).works() && ada.at(&replica).works());
    promote(&app, "ada");
    for client in [&all, &ada, &all.at(&replica), &ada.at(&replica)] {
        client.get(USERS).is(NOT_AUTHENTICATED);
    }
    has_power(&ada.login_by_backup(&enrolled.codes[0]));
    // One more that changes nothing ends nothing.
    let proved = ada.login_by_backup(&enrolled.codes[1]);
    promote(&app, "ada");
    has_power(&proved);
}

fn a_demotion_ends_what_was_issued_with_staff_scopes(database: TestDatabase) {
    let app = strict(database);
    let root = app.staff("root");
    let (_, enrolled) = root.enrol_totp(&app);
    let code = |number: usize| enrolled.codes[number].as_str();
    let watcher = root.scoped_by_backup(&[Scope::StaffReadAccounts], code(0));
    let reader = root.scoped_by_backup(&[Scope::AccountRead], code(1));
    has_power(&watcher);
    block_on(app.operator().account_demote("root")).unwrap();
    watcher.get(USERS).is(NOT_AUTHENTICATED);
    assert!(root.works() && reader.works());
    promote(&app, "root");
    assert!(!root.works() && !reader.works());
}

fn a_session_gains_staff_power_by_the_factor_that_is_enrolled_in_it_and_no_other_does(database: TestDatabase) {
    let app = strict(database);
    let replica = app.replica();
    for kind in ["totp", "webauthn"] {
        let root = app.staff(kind);
        let (other, all) = (root.log_in(kind), root.scoped(&[Scope::All]));
        for client in [&root, &other, &all] {
            has_none(&client.at(&replica));
        }
        if kind == "totp" {
            root.enrol_totp(&app);
        } else {
            root.enrol_webauthn(&mut Authenticator::default());
        }
        has_power(&root);
        has_power(&root.at(&replica));
        for client in [&other, &all] {
            has_none(&client.at(&replica));
        }
    }
}

fn a_session_gains_staff_power_by_a_reverification_with_a_factor(database: TestDatabase) {
    let app = strict(database);
    let replica = app.replica();
    let root = app.staff("root");
    let other = root.log_in("root");
    let (_, enrolled) = root.enrol_totp(&app);
    has_none(&other.at(&replica));
    let rename = json!({"username": "Root"});
    other.by_backup(&enrolled.codes[0], "PUT", "/api/users/me/username", &rename).expect(200);
    has_power(&other.at(&replica));
}

fn a_session_gains_staff_power_by_a_step_up_of_the_kratos_dialect(database: TestDatabase) {
    let app = strict(database);
    let root = app.staff("root");
    let other = root.log_in("root");
    let (_, enrolled) = root.enrol_totp(&app);
    has_none(&other);
    let flow = other.get("/auth/self-service/login/api?aal=aal2").expect(200)["id"].clone();
    let path = format!("/auth/self-service/login?flow={}", flow.as_str().unwrap());
    let body = json!({"method": "lookup_secret", "lookup_secret": enrolled.codes[0]});
    other.post(&path, &body).expect(200);
    has_power(&other);
}

fn a_scoped_session_has_the_power_of_the_reverification_that_made_it(database: TestDatabase) {
    let app = strict(database);
    let root = app.staff("root");
    let before = root.scoped(&[Scope::StaffReadAccounts]);
    let (_, enrolled) = root.enrol_totp(&app);
    has_none(&before);
    has_power(&root.scoped_by_backup(&[Scope::StaffReadAccounts], &enrolled.codes[0]));
    // Nothing proves a scoped session afterwards.
    has_none(&before);
    block_on(app.operator().factor_reset("root")).unwrap();
    has_none(&root);
    let without = root.scoped(&[Scope::All]);
    root.enrol_totp(&app);
    has_power(&root);
    has_none(&without);
}

fn switches_let_staff_pass_whose_session_was_proved(database: TestDatabase) {
    let app = strict(database);
    let (root, bare) = (app.staff("root"), app.staff("bare"));
    let other = root.log_in("root");
    let (_, enrolled) = root.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("root");
    app.switch(KillSwitch::Global, true);
    let shut = json!({"feature": 8});
    root.get("/api/users/me").expect(200);
    for client in [&other, &bare] {
        client.get("/api/users/me").is_with(UNAVAILABLE, shut.clone());
    }
    let login = |name: &str| app.anonymous().post("/api/login", &json!({"username": name, "password": PASSWORD}));
    login("bare").is_with(UNAVAILABLE, shut);
    assert_eq!(login("root").status, 401, "the factor is asked for");
    let answer = crate::app::backup(&challenge, &enrolled.codes[0]);
    app.anonymous().answer_login(&answer).expect(201);
}

fn other_services_are_told_of_staff_power_only_where_it_was_proved(database: TestDatabase) {
    let app = strict(database);
    let shop = Service::new(&app);
    let root = app.staff("root");
    let (other, all) = (root.log_in("root"), root.scoped(&[Scope::All, Scope::StaffReadFiles]));
    root.enrol_totp(&app);
    let ask = |client: &Client, query: &str| client.get(&format!("/forward-auth{query}"));
    for (client, staff, scope) in [(&root, true, "FULL"), (&other, false, "FULL"), (&all, false, "ALL")] {
        let told = shop.told(client);
        assert_eq!((&told["staff"], &told["scope"]), (&json!(staff), &json!(scope)));
        let (amr, acr) = if staff { (json!(["pwd", "otp", "mfa"]), "aal2") } else { (json!(["pwd"]), "aal1") };
        assert_eq!((&told["amr"], &told["acr"]), (&amr, &json!(acr)));
        let passed = ask(client, "");
        let header = |name| passed.header(name).map(str::to_owned);
        assert_eq!(header("x-user-staff"), Some(staff.to_string()));
        assert_eq!(header("x-session-scopes").as_deref(), Some(scope));
        for query in ["?staff=true", "?scope=STAFF_READ_FILES"] {
            assert_eq!(ask(client, query).status, if staff { 204 } else { 403 }, "{query}");
        }
    }
}

fn the_kratos_dialect_shows_what_a_session_rests_on(database: TestDatabase) {
    let app = strict(database);
    let ada = app.user("ada");
    let shown = |client: &Client| {
        let session = client.get("/auth/sessions/whoami").expect(200);
        let methods = session["authentication_methods"].as_array().unwrap();
        let methods: Vec<Value> = methods.iter().map(|one| json!([one["method"], one["aal"]])).collect();
        (session["authenticator_assurance_level"].clone(), json!(methods))
    };
    assert_eq!(shown(&ada), (json!("aal1"), json!([["password", "aal1"]])));
    let (_, enrolled) = ada.enrol_totp(&app);
    assert_eq!(shown(&ada), (json!("aal2"), json!([["password", "aal1"], ["totp", "aal2"]])));
    let script = ada.scoped_by_backup(&[Scope::AccountRead], &enrolled.codes[0]);
    let all = json!([["password", "aal1"], ["totp", "aal2"], ["lookup_secret", "aal2"]]);
    assert_eq!(shown(&ada), (json!("aal2"), all.clone()));
    assert_eq!(shown(&script), (json!("aal2"), json!([["password", "aal1"], ["lookup_secret", "aal2"]])));
    ada.scoped_by_backup(&[Scope::AccountRead], &enrolled.codes[1]);
    assert_eq!(shown(&ada), (json!("aal2"), all));
}
