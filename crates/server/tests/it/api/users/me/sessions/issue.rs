//! `POST /api/users/me/sessions`: scoped sessions.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{
    INSUFFICIENT_PERMISSIONS, INVALID_PASSWORD, INVALID_SECOND_FACTOR_METHOD, MALFORMED_SECOND_FACTOR, MISSING_FIELDS,
    NOT_AUTHENTICATED, REFUSED_SECOND_FACTOR, UNAVAILABLE,
};

on_both_engines!(
    a_scoped_session_comes_with_its_token,
    long_lived_sessions_last_10_years,
    a_session_expires_in_as_many_seconds_as_are_asked_for,
    a_life_out_of_range_or_besides_a_long_one_is_a_missing_field,
    every_scope_can_be_had_by_staff_and_all_by_anybody,
    flags_that_are_no_sum_of_scopes_are_a_missing_field,
    staff_bits_are_refused_to_those_who_are_not_staff,
    names_are_1_to_128_printable_characters,
    all_that_is_missing_or_mistyped_is_listed_in_order,
    the_password_is_checked_again,
    a_second_factor_answer_from_nowhere_is_refused,
    a_scoped_session_creates_no_session,
    a_session_that_has_ended_creates_no_session,
    both_switches_shut_it_in_their_order,
);

fn wish() -> Value {
    json!({"name": "script", "permissionFlags": 32, "password": PASSWORD})
}

fn wish_with(field: &str, value: Value) -> Value {
    let mut body = wish();
    body[field] = value;
    body
}

fn ask(client: &Client, body: &Value) -> Response {
    client.post("/api/users/me/sessions", body)
}

fn a_scoped_session_comes_with_its_token(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut answer = ask(&ada, &wish()).expect(201);
    let (token, uuid) = (answer["token"].take(), answer["uuid"].take());
    assert_eq!(
        answer,
        json!({
            "id": 1_768_478_399,
            "uuid": null,
            "name": "script",
            "permissionFlags": 32,
            "exp": 1_768_478_400 + 86_400,
            "usedAt": null,
            "createdAt": "2026-01-15T12:00:00.250Z",
            "updatedAt": "2026-01-15T12:00:00.250Z",
            "token": null,
        })
    );
    let script = ada.with_token(token.as_str().unwrap());
    assert_eq!(script.get("/api/users/me/sessions/me").expect(200)["uuid"], uuid);
}

fn long_lived_sessions_last_10_years(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (long_lived, lifetime) in [(json!(true), 315_576_000), (json!(false), 86_400), (json!(null), 86_400)] {
        let answer = ask(&ada, &wish_with("longLived", long_lived)).expect(201);
        assert_eq!(answer["exp"], app.seconds() + lifetime);
    }
}

fn a_session_expires_in_as_many_seconds_as_are_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (expires_in, lifetime) in [
        (json!(60), 60),
        (json!(604_800), 604_800),
        (json!(9e1), 90),
        (json!(315_576_000), 315_576_000),
        (json!(null), 86_400),
    ] {
        let mut body = wish_with("expiresIn", expires_in);
        body["longLived"] = json!(false);
        let answer = ask(&ada, &body).expect(201);
        assert_eq!(answer["exp"], app.seconds() + lifetime);
    }
    let body = wish_with("expiresIn", json!(60));
    let token = ask(&ada, &body).expect(201)["token"].as_str().unwrap().to_owned();
    let script = ada.with_token(&token);
    app.clock().advance_seconds(59);
    script.get("/api/users/me/sessions/me").expect(200);
    app.clock().advance_seconds(1);
    script.get("/api/users/me/sessions/me").is(NOT_AUTHENTICATED);
}

fn a_life_out_of_range_or_besides_a_long_one_is_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut both = wish_with("expiresIn", json!(60));
    both["longLived"] = json!(true);
    let not_lives = [
        json!(59),
        json!(0),
        json!(-60),
        json!(60.5),
        json!("60"),
        json!(315_576_001),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(true),
        json!([60]),
        json!({}),
    ];
    for body in not_lives.into_iter().map(|life| wish_with("expiresIn", life)).chain([both]) {
        ask(&ada, &body).is_with(MISSING_FIELDS, json!({"fields": ["expiresIn"]}));
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn every_scope_can_be_had_by_staff_and_all_by_anybody(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for (scope, _) in Scope::TABLE {
        let body = wish_with("permissionFlags", json!(scope.bit()));
        assert_eq!(ask(&root, &body).expect(201)["permissionFlags"], scope.bit());
        assert_eq!(ask(&ada, &body).status, if scope.is_staff() { 403 } else { 201 }, "{scope}");
    }
    for flags in [json!(6), json!(511), json!(32.0), json!(3.2e1)] {
        ask(&ada, &wish_with("permissionFlags", flags)).expect(201);
    }
    ask(&root, &wish_with("permissionFlags", json!((1 << 21) - 1))).expect(201);
}

fn flags_that_are_no_sum_of_scopes_are_a_missing_field(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let not_flags = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("2"),
        json!(1 << 21),
        json!(1_i64 << 32),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(-0.0),
        json!(true),
        json!([2]),
        json!({}),
        json!(null),
    ];
    for flags in not_flags {
        for client in [&ada, &root] {
            let refused = ask(client, &wish_with("permissionFlags", flags.clone()));
            refused.is_with(MISSING_FIELDS, json!({"fields": ["permissionFlags"]}));
        }
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn staff_bits_are_refused_to_those_who_are_not_staff(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for flags in [512, 1_048_576, 512 | 2, 512 | 1, (1 << 21) - 1] {
        let mut body = wish_with("permissionFlags", json!(flags));
        ask(&ada, &body).is(INSUFFICIENT_PERMISSIONS);
        body["password"] = json!("wrong");
        ask(&ada, &body).is(INSUFFICIENT_PERMISSIONS);
    }
}

fn names_are_1_to_128_printable_characters(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["x", "Straße 雷 \u{1F329}", &"ß".repeat(128), "a'; DROP TABLE sessions; --"] {
        assert_eq!(ask(&ada, &wish_with("name", json!(name))).expect(201)["name"], name);
    }
    for name in ["", " ", "a\nb", "\0", "\u{7f}", &"x".repeat(129)] {
        ask(&ada, &wish_with("name", json!(name))).is_with(MISSING_FIELDS, json!({"fields": ["name"]}));
    }
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let wrong = json!({"password": 1, "expiresIn": "1h", "longLived": "yes", "permissionFlags": "2", "name": []});
    for (body, fields) in [
        (json!({}), json!(["name", "permissionFlags", "password"])),
        (wrong, json!(["name", "permissionFlags", "longLived", "expiresIn", "password"])),
        (wish_with("password", json!(null)), json!(["password"])),
        (wish_with("longLived", json!(1)), json!(["longLived"])),
        (json!({"2fa": 1, "name": "", "longLived": 0}), json!(["name", "permissionFlags", "longLived", "2fa"])),
    ] {
        ask(&ada, &body).is_with(MISSING_FIELDS, json!({"fields": fields}));
    }
    let fields = json!({"fields": ["name", "permissionFlags", "password"]});
    for body in ["", "null", "[]", "{", "\"x\"", "1"] {
        ada.call("POST", "/api/users/me/sessions")
            .body("application/json", body)
            .send()
            .is_with(MISSING_FIELDS, fields.clone());
    }
}

fn the_password_is_checked_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for password in ["wrong", "", "correct horse battery staple ", "CORRECT HORSE BATTERY STAPLE"] {
        ask(&ada, &wish_with("password", json!(password))).is(INVALID_PASSWORD);
    }
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_second_factor_answer_from_nowhere_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let answer = |token: &str, kind: &str| wish_with("2fa", json!({"token": token, "type": kind, "code": "1"}));
    ask(&ada, &answer("garbage", "totp")).is(MALFORMED_SECOND_FACTOR);
    ask(&ada, &answer(ada.token(), "totp")).is(REFUSED_SECOND_FACTOR);
    ask(&ada, &answer(ada.token(), "sms")).is(INVALID_SECOND_FACTOR_METHOD);
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_scoped_session_creates_no_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let every: Vec<Scope> = Scope::TABLE.into_iter().map(|(scope, _)| scope).collect();
    for scoped in [ada.scoped(&[Scope::All]), root.scoped(&[Scope::All]), root.scoped(&every)] {
        ask(&scoped, &wish()).is(INSUFFICIENT_PERMISSIONS);
        ask(&scoped, &json!({})).is(INSUFFICIENT_PERMISSIONS);
    }
}

fn a_session_that_has_ended_creates_no_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    other.delete("/api/users/me/sessions/me").expect(200);
    ask(&other, &wish()).is(NOT_AUTHENTICATED);
}

fn both_switches_shut_it_in_their_order(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    app.switch(KillSwitch::AccountLogin, true);
    ask(&ada, &wish()).is_with(UNAVAILABLE, json!({"feature": 4}));
    app.switch(KillSwitch::AccountModify, true);
    ask(&ada, &wish()).is_with(UNAVAILABLE, json!({"feature": 1}));
    app.switch(KillSwitch::Global, true);
    ask(&ada, &wish()).is_with(UNAVAILABLE, json!({"feature": 8}));
    ask(&root, &wish()).expect(201);
}
