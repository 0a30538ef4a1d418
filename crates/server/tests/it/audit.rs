//! The audit trail of what is done over HTTP: who, to whom, from where and why, and never a secret.

use serde_json::{Value, json};
use thunderhead_domain::audit::{AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::ports::{Clock, PageRequest};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::service::EventAccess;
use thunderhead_domain::session::Actor;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, Enrolled, PASSWORD, TestApp, totp};
use crate::errors::REFUSED_SECOND_FACTOR;

on_both_engines!(
    every_change_leaves_its_record,
    every_change_of_factors_leaves_its_record,
    what_is_refused_leaves_no_record,
    failed_logins_leave_one_record_for_ten_minutes_of_an_account_and_an_address,
    no_record_holds_a_password_a_token_or_an_address,
);

const NEW: &str = "amber quarry lantern 9";

/// All records, oldest first.
fn records(app: &TestApp) -> Vec<AuditRecord> {
    let page = PageRequest { limit: 1_000, offset: 0 };
    let mut records = block_on(app.operator().audit_list(AuditFilter::default(), page)).unwrap().items;
    records.reverse();
    records
}

/// Has the failed logins of all replicas counted, and recorded as if their time was over.
fn close_failed_logins(app: &TestApp, replica: &TestApp) {
    for app in [app, replica] {
        block_on(app.auth().flush_failures()).unwrap();
    }
    while block_on(app.storage().failed_logins_close(app.clock().now())).unwrap() > 0 {}
}

fn failed_logins_leave_one_record_for_ten_minutes_of_an_account_and_an_address(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, eve) = (app.user("ada"), app.user("eve"));
    eve.enrol_totp(&app);
    let before = records(&app).len();
    let try_as = |app: &TestApp, name: &str, password: &str| {
        let login = app.anonymous().call("POST", "/api/login").header("User-Agent", "curl/8.5.0");
        login.json(&json!({"username": name, "password": password})).send().status
    };
    let replica = app.replica();
    for app in [&app, &replica] {
        (0..5).for_each(|_| assert_eq!(try_as(app, "ada", "wrong"), 401));
        for name in ["nobody", "somebody", "--help"] {
            assert_eq!(try_as(app, name, "wrong"), 404);
        }
    }
    assert_eq!([try_as(&app, "ada", PASSWORD), try_as(&app, "ada", "wrong")], [429, 429]);
    let challenge = app.anonymous().login_challenged("eve");
    app.anonymous().answer_login(&totp(&challenge, "000000")).is(REFUSED_SECOND_FACTOR);
    // What succeeds, and what is not a login, is none.
    assert_eq!(try_as(&app, "eve", PASSWORD), 401);
    ada.put("/api/users/me/username", &json!({"username": "ada", "password": "wrong"})).expect(401);
    close_failed_logins(&app, &replica);
    let told: Vec<_> =
        records(&app).split_off(before).into_iter().map(|it| (it.kind, it.user, it.detail.unwrap())).collect();
    let since = app.clock().now();
    let agent = format!("; since {since}; curl/8.5.0");
    for (user, detail) in [
        (Some(ada.user_id()), format!("10 × wrong password, 2 × refused unseen{agent}")),
        (None, format!("unknown names: 6 × wrong password{agent}")),
        (Some(eve.user_id()), format!("1 × wrong factor; since {since}")),
    ] {
        assert!(told.contains(&(AuditKind::LoginsFailed, user, detail.clone())), "{detail}: {told:?}");
    }
    assert_eq!(told.len(), 3);
}

/// What is done, to whom (`0` is ada, `1` is bob), and what is recorded of it.
struct ActionContext {
    method: &'static str,
    path: String,
    body: Value,
    kind: AuditKind,
    about: Option<usize>,
    detail: Option<&'static str>,
}

fn action(method: &'static str, path: String, body: Value, kind: AuditKind, about: usize) -> ActionContext {
    ActionContext { method, path, body, kind, about: Some(about), detail: None }
}

impl ActionContext {
    fn told(self, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..self }
    }

    fn about_nobody(self) -> Self {
        Self { about: None, ..self }
    }

    fn carry_out(&self, caller: &Client) {
        let mut body = self.body.clone();
        body["password"] = json!(PASSWORD);
        caller.call(self.method, &self.path).json(&body).send().expect(200);
    }
}

/// What a user does to their own account.
fn own() -> Vec<ActionContext> {
    let me = |rest: &str| format!("/api/users/me{rest}");
    let passwords = json!({"newPassword": PASSWORD, "confirmNewPassword": PASSWORD});
    let renamed = action("PUT", me("/username"), json!({"username": "lovelace"}), AuditKind::AccountRenamed, 0);
    vec![
        renamed.told("ada → lovelace"),
        action("PUT", me("/email"), json!({"email": "lovelace@example.org"}), AuditKind::EmailChanged, 0),
        action("PUT", me("/password"), passwords, AuditKind::PasswordChanged, 0),
    ]
}

/// What staff do, bob's end last.
fn by_staff(bob: &Client) -> Vec<ActionContext> {
    let of = |rest: &str| format!("/api/users/{}{rest}", bob.id());
    let passwords = json!({"newPassword": NEW, "confirmNewPassword": NEW});
    let named = json!({"username": "robert"});
    let switch = |method, path: &str, kind| action(method, path.to_owned(), json!({}), kind, 1).about_nobody();
    vec![
        action("PUT", of("/verify"), json!({}), AuditKind::AccountVerified, 1),
        action("DELETE", of("/verify"), json!({}), AuditKind::AccountUnverified, 1),
        action("PUT", of("/username"), named, AuditKind::AccountRenamed, 1).told("bob → robert"),
        action("PUT", of("/email"), json!({"email": "robert@example.org"}), AuditKind::EmailChanged, 1),
        action("DELETE", of("/staff"), json!({}), AuditKind::StaffRevoked, 1),
        action("PUT", of("/ban"), json!({"reason": "sold spam"}), AuditKind::AccountBanned, 1).told("sold spam"),
        action("DELETE", of("/ban"), json!({}), AuditKind::AccountUnbanned, 1),
        action("PUT", of("/password"), passwords, AuditKind::PasswordChanged, 1),
        switch("PUT", "/api/killswitches/5", AuditKind::SwitchOn).told("FILE_CREATE"),
        switch("DELETE", "/api/killswitches/5", AuditKind::SwitchOff).told("FILE_CREATE"),
        switch("PUT", "/api/killswitches/6", AuditKind::SwitchOn).told("FILE_MODIFY"),
        switch("DELETE", "/api/killswitches", AuditKind::SwitchOff).told("FILE_MODIFY"),
        action("DELETE", of(""), json!({}), AuditKind::AccountDeleted, 1).told("robert"),
    ]
}

fn every_change_leaves_its_record(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob, root) = (app.user("ada"), app.staff("bob"), app.staff("root"));
    let staff = by_staff(&bob);
    let done = own().into_iter().map(|action| (&ada, action)).chain(staff.into_iter().map(|action| (&root, action)));
    for (caller, action) in done {
        let before = records(&app).len();
        action.carry_out(caller);
        let fresh = records(&app).split_off(before);
        let found = fresh.iter().find(|record| record.kind == action.kind).unwrap_or_else(|| panic!("{}", action.path));
        let about = action.about.map(|index| [&ada, &bob][index].user_id());
        assert_eq!(found.action.by, Actor::User(caller.user_id()), "{}", action.path);
        assert_eq!(found.action.client_ip, "127.0.0.1".parse().ok(), "{}", action.path);
        assert_eq!((found.user, found.detail.as_deref()), (about, action.detail), "{}", action.path);
        for other in fresh.iter().filter(|record| record.kind != action.kind) {
            assert_eq!((other.kind, other.user), (AuditKind::SessionEnded, about), "{}", action.path);
        }
    }
    let last = action("DELETE", "/api/users/me".to_owned(), json!({}), AuditKind::AccountDeleted, 0);
    last.carry_out(&ada);
    let found = records(&app).into_iter().rfind(|record| record.kind == last.kind).unwrap();
    assert_eq!((found.action.by, found.detail.as_deref()), (Actor::User(ada.user_id()), Some("lovelace")));
}

fn every_change_of_factors_leaves_its_record(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let before = records(&app).len();
    let (_, Enrolled { id, codes }) = ada.enrol_totp(&app);
    ada.enrol_webauthn_by_backup(&mut Authenticator::default(), &codes[0]);
    ada.by_backup(&codes[1], "DELETE", &format!("/api/users/me/2fa/{id}"), &json!({})).expect(200);
    let renewed = ada.by_backup(&codes[2], "POST", "/api/users/me/2fa/backup", &json!({})).expect(201);
    ada.by_backup(&codes[3], "POST", "/api/users/me/2fa/backup", &json!({})).is(REFUSED_SECOND_FACTOR);
    root.delete_with(&format!("/api/users/{}/2fa/all", ada.id()), &json!({"password": PASSWORD})).expect(200);
    let fresh = records(&app).split_off(before);
    let told: Vec<_> =
        fresh.iter().map(|record| (record.kind, record.action.by, record.user, record.detail.as_deref())).collect();
    let [by_ada, by_root] = [&ada, &root].map(|client| Actor::User(client.user_id()));
    let about = Some(ada.user_id());
    let expected = [
        (AuditKind::FactorAdded, by_ada, about, Some("totp My phone")),
        (AuditKind::SessionSteppedUp, by_ada, about, None),
        (AuditKind::FactorAdded, by_ada, about, Some("webauthn My key")),
        (AuditKind::FactorRemoved, by_ada, about, Some("totp My phone")),
        (AuditKind::BackupCodesRenewed, by_ada, about, None),
        (AuditKind::FactorRemoved, by_root, about, Some("webauthn My key")),
    ];
    assert_eq!(told, expected);
    let trail = format!("{fresh:?}");
    let renewed = renewed["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap());
    for code in codes.iter().map(String::as_str).chain(renewed) {
        assert!(!trail.contains(code), "{code}");
    }
}

fn what_is_refused_leaves_no_record(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let before = records(&app).len();
    for action in by_staff(&ada) {
        let wrong = json!({"password": "wrong"});
        assert!(root.call(action.method, &action.path).json(&wrong).send().status >= 400);
        let mut body = action.body.clone();
        body["password"] = json!(PASSWORD);
        assert_eq!(ada.call(action.method, &action.path).json(&body).send().status, 403);
        app.clock().advance_seconds(60);
    }
    let attempts = |record: &AuditRecord| record.kind == AuditKind::AttemptedBeyondBudget;
    let fresh: Vec<_> = records(&app).split_off(before).into_iter().filter(|record| !attempts(record)).collect();
    assert_eq!(fresh, []);
}

fn no_record_holds_a_password_a_token_or_an_address(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob, root) = (app.user("ada"), app.staff("bob"), app.staff("root"));
    let script = ada.scoped(&[Scope::All]);
    own().iter().for_each(|action| action.carry_out(&ada));
    by_staff(&bob).iter().for_each(|action| action.carry_out(&root));
    let secret = block_on(app.operator().service_create("shop", EventAccess::Denied)).unwrap();
    let trail = format!("{:?}", records(&app));
    let mut secrets = vec![PASSWORD, NEW, "@example.org", secret.expose()];
    let tokens = [&ada, &bob, &root, &script].map(|client| client.token().rsplit('.').next().unwrap());
    secrets.extend(tokens);
    for secret in secrets {
        assert!(!trail.contains(secret), "{secret}");
    }
}
