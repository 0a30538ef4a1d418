//! `/api/users/:uid` and what stands right below it: accounts of others, as staff see and change them.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, TestApp};
use crate::errors::{
    BANNED, INSUFFICIENT_PERMISSIONS, INVALID_EMAIL, INVALID_PASSWORD, INVALID_USER, INVALID_USERNAME, MISSING_FIELDS,
    NOT_AUTHENTICATED, PASSWORDS_DO_NOT_MATCH, USER_EXISTS, USER_REQUIRES_SECOND_FACTOR,
};

on_both_engines!(
    staff_see_a_user_as_the_user_does,
    a_ban_ends_the_users_sessions_at_once_and_is_told_to_them,
    a_lifted_ban_lets_the_user_log_in_anew,
    staff_verify_an_address_and_take_it_back,
    staff_change_the_name_and_the_address_of_others,
    a_password_set_by_staff_ends_all_sessions_of_the_user,
    nobody_is_promoted_without_a_second_factor,
    a_demoted_users_scoped_session_loses_its_power_at_once,
    staff_delete_a_user,
    nobody_bans_demotes_or_deletes_themselves,
    an_unknown_user_is_404_once_the_password_is_right,
    scripts_need_no_password_and_reach_only_what_scopes_reach,
);

const NEW: &str = "amber quarry lantern 9";

fn path(user: &Client, rest: &str) -> String {
    format!("/api/users/{}{rest}", user.id())
}

fn proof() -> Value {
    json!({"password": PASSWORD})
}

/// Every change, with a good body but for the proof of identity, and whether a scoped session may make it.
fn changes() -> [(&'static str, &'static str, Value, bool); 10] {
    [
        ("PUT", "/ban", json!({"reason": "spam"}), true),
        ("DELETE", "/ban", json!({}), true),
        ("PUT", "/verify", json!({}), true),
        ("DELETE", "/verify", json!({}), true),
        ("PUT", "/username", json!({"username": "lovelace"}), true),
        ("PUT", "/email", json!({"email": "lovelace@example.org"}), false),
        ("PUT", "/password", json!({"newPassword": NEW, "confirmNewPassword": NEW}), false),
        ("PUT", "/staff", json!({}), false),
        ("DELETE", "/staff", json!({}), false),
        ("DELETE", "", json!({}), true),
    ]
}

fn proved(body: &Value, password: &str) -> Value {
    let mut body = body.clone();
    body["password"] = json!(password);
    body
}

fn staff_see_a_user_as_the_user_does(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let shown = ada.get("/api/users/me").expect(200);
    for staff in [&root, &root.scoped(&[Scope::StaffReadAccounts]), &root.scoped(&[Scope::All])] {
        assert_eq!(staff.get(&path(&ada, "")).expect(200), shown);
        for unknown in ["1234567890123", "x", "-1", "ada", "99999999999999999999"] {
            staff.get(&format!("/api/users/{unknown}")).is(INVALID_USER);
        }
    }
    assert_eq!(root.get(&path(&root, "")).expect(200)["staff"], true);
}

fn a_ban_ends_the_users_sessions_at_once_and_is_told_to_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, bob, root) = (app.user("ada"), app.user("bob"), app.staff("root"));
    let sessions = [ada.clone(), ada.scoped(&[Scope::All])];
    let answer = root.put(&path(&ada, "/ban"), &json!({"reason": "spam", "password": PASSWORD})).expect(200);
    assert_eq!((&answer["bannedAt"], &answer["id"]), (&json!("2026-01-15T12:00:00.250Z"), &json!(ada.id())));
    for session in &sessions {
        session.at(&replica).get("/api/users/me").is(BANNED);
        session.get("/api/users/me").is(BANNED);
    }
    app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD})).is(BANNED);
    for reason in [json!(1), json!("a\nb"), json!("a\u{202e}b"), json!("x".repeat(1_025))] {
        let body = json!({"reason": reason, "password": PASSWORD});
        root.put(&path(&bob, "/ban"), &body).is_with(MISSING_FIELDS, json!({"fields": ["reason"]}));
    }
    assert!(bob.works());
    root.put(&path(&bob, "/ban"), &proof()).expect(200);
    bob.get("/api/users/me").is(BANNED);
}

fn a_lifted_ban_lets_the_user_log_in_anew(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    root.put(&path(&ada, "/ban"), &proof()).expect(200);
    let answer = root.delete_with(&path(&ada, "/ban"), &proof()).expect(200);
    assert_eq!(answer["bannedAt"], json!(null));
    ada.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(ada.log_in("ada").works());
    root.delete_with(&path(&ada, "/ban"), &proof()).expect(200);
}

fn staff_verify_an_address_and_take_it_back(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let answer = root.put(&path(&ada, "/verify"), &proof()).expect(200);
    assert_eq!(answer["verifiedAt"], "2026-01-15T12:00:00.250Z");
    assert_eq!(ada.get("/api/users/me").expect(200), answer);
    assert_eq!(root.delete_with(&path(&ada, "/verify"), &proof()).expect(200)["verifiedAt"], json!(null));
    assert_eq!(ada.get("/api/users/me").expect(200)["verifiedAt"], json!(null));
}

fn staff_change_the_name_and_the_address_of_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let rename = |name: &str| root.put(&path(&ada, "/username"), &json!({"username": name, "password": PASSWORD}));
    let readdress = |email: &str| root.put(&path(&ada, "/email"), &json!({"email": email, "password": PASSWORD}));
    root.put(&path(&ada, "/verify"), &proof()).expect(200);
    assert_eq!(rename("lovelace").expect(200)["username"], "lovelace");
    let answer = readdress("lovelace@example.org").expect(200);
    assert_eq!((&answer["email"], &answer["verifiedAt"]), (&json!("lovelace@example.org"), &json!(null)));
    assert_eq!(ada.get("/api/users/me").expect(200), answer);
    assert_eq!(ada.log_in("lovelace").id(), ada.id());
    rename("ROOT").is(USER_EXISTS);
    rename("a b").is(INVALID_USERNAME);
    readdress("ROOT@example.org").is(USER_EXISTS);
    readdress("nowhere").is(INVALID_EMAIL);
    assert_eq!(ada.get("/api/users/me").expect(200), answer);
}

fn a_password_set_by_staff_ends_all_sessions_of_the_user(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let set = |user: &Client, new: &str, confirmation: &str| {
        let body = json!({"newPassword": new, "confirmNewPassword": confirmation, "password": PASSWORD});
        root.put(&path(user, "/password"), &body)
    };
    set(&ada, NEW, "other").is(PASSWORDS_DO_NOT_MATCH);
    for weak in ["short", "password", "ada@example.org"] {
        set(&ada, weak, weak).is_with(MISSING_FIELDS, json!({"fields": ["newPassword"]}));
    }
    assert!(ada.works());
    set(&ada, NEW, NEW).expect(200);
    ada.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
    let log_in = |password: &str| app.anonymous().post("/api/login", &json!({"username": "ada", "password": password}));
    log_in(PASSWORD).is(INVALID_PASSWORD);
    log_in(NEW).expect(201);
    // Of one's own, all but the one in use.
    let other = root.log_in("root");
    set(&root, NEW, NEW).expect(200);
    assert!(root.works() && !other.works());
}

fn nobody_is_promoted_without_a_second_factor(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    root.put(&path(&ada, "/staff"), &proof()).is(USER_REQUIRES_SECOND_FACTOR);
    root.put(&path(&ada, "/staff"), &json!({"password": "wrong"})).is(INVALID_PASSWORD);
    ada.get("/api/users").is(INSUFFICIENT_PERMISSIONS);
    assert_eq!(ada.get("/api/users/me").expect(200)["staff"], false);
}

fn a_demoted_users_scoped_session_loses_its_power_at_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, root) = (app.staff("ada"), app.staff("root"));
    let tokens = [ada.clone(), ada.scoped(&[Scope::StaffReadAccounts]), ada.scoped(&[Scope::All])];
    for token in &tokens {
        token.at(&replica).get("/api/users").expect(200);
    }
    assert_eq!(root.delete_with(&path(&ada, "/staff"), &proof()).expect(200)["staff"], false);
    let answers = [INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED, INSUFFICIENT_PERMISSIONS];
    for (token, answer) in tokens.iter().zip(answers) {
        token.at(&replica).get("/api/users").is(answer);
        token.get("/api/users").is(answer);
    }
    assert!(ada.works(), "a demotion ends what was issued with staff scopes, and nothing else");
}

fn staff_delete_a_user(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let answer = root.delete_with(&path(&ada, ""), &proof()).expect(200);
    assert_eq!(answer, json!({"code": "DELETE_USER_SUCCESS", "message": "User Successfully Deleted"}));
    ada.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
    root.get(&path(&ada, "")).is(INVALID_USER);
    root.delete_with(&path(&ada, ""), &proof()).is(INVALID_USER);
}

fn nobody_bans_demotes_or_deletes_themselves(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (method, rest) in [("PUT", "/ban"), ("DELETE", "/staff"), ("DELETE", "")] {
        for staff in [&root, &root.log_in("root")] {
            staff.call(method, &path(&root, rest)).json(&proof()).send().is(INSUFFICIENT_PERMISSIONS);
        }
    }
    root.get("/api/users").expect(200);
    block_on(app.operator().account_demote("root")).unwrap();
    root.get("/api/users").is(INSUFFICIENT_PERMISSIONS);
}

fn an_unknown_user_is_404_once_the_password_is_right(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for (method, rest, good, _) in changes() {
        for unknown in ["1234567890123", "0000000000000", "x", "ada"] {
            let call = |body: &Value| root.call(method, &format!("/api/users/{unknown}{rest}")).json(body).send();
            call(&good).is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
            call(&proved(&good, "wrong")).is(INVALID_PASSWORD);
            call(&proved(&good, PASSWORD)).is(INVALID_USER);
        }
        let known = root.call(method, &path(&ada, rest));
        known.json(&proved(&good, "wrong")).send().is(INVALID_PASSWORD);
    }
    assert!(ada.works());
}

fn scripts_need_no_password_and_reach_only_what_scopes_reach(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for script in [root.scoped(&[Scope::StaffModifyAccounts]), root.scoped(&[Scope::All])] {
        for (method, rest, good, scoped) in changes() {
            let user = app.spare();
            let body = if rest == "/username" { json!({"username": user.name()}) } else { good };
            let response = script.call(method, &path(&user, rest)).json(&body).send();
            if scoped {
                response.expect(200);
            } else {
                response.is(INSUFFICIENT_PERMISSIONS);
            }
        }
    }
}
