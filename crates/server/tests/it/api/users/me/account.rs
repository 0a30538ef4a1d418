//! What all changes of one's own account have in common.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{
    INSUFFICIENT_PERMISSIONS, INVALID_PASSWORD, INVALID_SECOND_FACTOR_METHOD, MISSING_FIELDS, RATE_LIMITED,
    REFUSED_SECOND_FACTOR, UNAVAILABLE,
};

on_both_engines!(
    a_change_asks_for_the_password_last,
    a_wrong_password_is_401_and_changes_nothing,
    a_made_up_second_factor_is_no_password,
    wrong_passwords_of_a_session_share_one_budget,
    a_scoped_session_changes_its_name_without_a_password_and_nothing_else,
    the_switches_of_accounts_shut_changes_and_deletion_apart,
);

/// A change of one's own account, the fields that it demands, and a good body but for the proof of identity.
fn changes() -> [(&'static str, &'static str, Vec<&'static str>, Value); 4] {
    let passwords = json!({"newPassword": "amber quarry lantern 9", "confirmNewPassword": "amber quarry lantern 9"});
    [
        ("PUT", "/api/users/me/username", vec!["username", "password"], json!({"username": "lovelace"})),
        ("PUT", "/api/users/me/email", vec!["email", "password"], json!({"email": "lovelace@example.org"})),
        ("PUT", "/api/users/me/password", vec!["newPassword", "confirmNewPassword", "password"], passwords),
        ("DELETE", "/api/users/me", vec!["password"], json!({})),
    ]
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

fn send(client: &Client, method: &str, path: &str, body: &Value) -> Response {
    client.call(method, path).json(body).send()
}

fn a_change_asks_for_the_password_last(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (method, path, fields, good) in changes() {
        send(&ada, method, path, &json!({})).is_with(MISSING_FIELDS, json!({"fields": fields}));
        send(&ada, method, path, &good).is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
        for wrong in [json!(null), json!(1), json!([PASSWORD])] {
            let body = with(&good, "password", wrong);
            send(&ada, method, path, &body).is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
        }
    }
    assert_eq!(ada.log_in("ada").get("/api/users/me").expect(200)["email"], "ada@example.org");
}

fn a_wrong_password_is_401_and_changes_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let before = ada.get("/api/users/me").expect(200);
    app.clock().advance_seconds(1);
    for (method, path, _, good) in changes() {
        for wrong in ["", "wrong"] {
            send(&ada, method, path, &with(&good, "password", json!(wrong))).is(INVALID_PASSWORD);
        }
    }
    assert_eq!(ada.get("/api/users/me").expect(200), before);
    assert!(ada.log_in("ada").works());
}

fn a_made_up_second_factor_is_no_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (method, path, _, good) in changes() {
        let answer = |kind: &str| json!({"token": ada.token(), "type": kind, "code": "123456"});
        let both = with(&with(&good, "2fa", answer("totp")), "password", json!(PASSWORD));
        send(&ada, method, path, &both).is(REFUSED_SECOND_FACTOR);
        send(&ada, method, path, &with(&good, "2fa", answer("sms"))).is(INVALID_SECOND_FACTOR_METHOD);
        let missing = with(&good, "2fa", json!({}));
        send(&ada, method, path, &missing).is_with(MISSING_FIELDS, json!({"fields": ["2fa"]}));
    }
    assert!(ada.log_in("ada").works());
}

fn wrong_passwords_of_a_session_share_one_budget(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (method, path, _, good) in changes() {
        for _ in 0..2 {
            send(&ada, method, path, &with(&good, "password", json!("wrong"))).is(INVALID_PASSWORD);
        }
    }
    for _ in 0..2 {
        ada.put("/api/users/me/username", &json!({"username": "lovelace", "password": "wrong"})).is(INVALID_PASSWORD);
    }
    for (method, path, _, good) in changes() {
        let refused = send(&ada, method, path, &with(&good, "password", json!(PASSWORD)));
        refused.is(RATE_LIMITED);
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).expect(201);
    app.clock().advance_seconds(1);
    let renamed = json!({"username": "lovelace", "password": PASSWORD});
    ada.put("/api/users/me/username", &renamed).expect(200);
    ada.put("/api/users/me/username", &with(&renamed, "password", json!("wrong"))).is(INVALID_PASSWORD);
}

fn a_scoped_session_changes_its_name_without_a_password_and_nothing_else(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (scope, name) in [(Scope::AccountModify, "lovelace"), (Scope::All, "countess")] {
        let script = ada.scoped(&[scope]);
        let answer = script.put("/api/users/me/username", &json!({"username": name})).expect(200);
        assert_eq!(answer["username"], name);
        // Nor does a password that it does show matter.
        let body = json!({"username": name, "password": "wrong"});
        script.put("/api/users/me/username", &body).expect(200);
        for (method, path, _, good) in changes().into_iter().skip(1) {
            send(&script, method, path, &with(&good, "password", json!(PASSWORD))).is(INSUFFICIENT_PERMISSIONS);
        }
    }
    let reader = ada.scoped(&[Scope::AccountRead]);
    reader.put("/api/users/me/username", &json!({"username": "ada"})).is(INSUFFICIENT_PERMISSIONS);
}

fn the_switches_of_accounts_shut_changes_and_deletion_apart(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    app.switch(KillSwitch::AccountModify, true);
    for (method, path, _, _) in changes().into_iter().take(3) {
        // What the body says is not even looked at.
        send(&ada, method, path, &json!({})).is_with(UNAVAILABLE, json!({"feature": 1}));
    }
    root.put("/api/users/me/username", &json!({"username": "admin", "password": PASSWORD})).expect(200);
    send(&ada, "DELETE", "/api/users/me", &json!({"password": "wrong"})).is(INVALID_PASSWORD);
    app.switch(KillSwitch::AccountDelete, true);
    send(&ada, "DELETE", "/api/users/me", &json!({"password": PASSWORD})).is_with(UNAVAILABLE, json!({"feature": 2}));
    app.switch(KillSwitch::AccountModify, false);
    ada.put("/api/users/me/username", &json!({"username": "lovelace", "password": PASSWORD})).expect(200);
    assert!(ada.works());
}
