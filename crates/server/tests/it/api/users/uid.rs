//! `/api/users/:uid/sessions…`: what staff may do.

mod account;
mod factors;

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, TestApp};
use crate::errors::{
    INSUFFICIENT_PERMISSIONS, INVALID_USER, MISSING_FIELDS, NO_SUCH_SESSION, NOT_AUTHENTICATED, TOO_MANY_IDS,
};

on_both_engines!(
    staff_see_the_sessions_of_others,
    staff_end_one_some_and_all_sessions_of_others,
    all_takes_the_callers_own_session_too_and_ignores_the_query_and_the_body,
    me_is_not_a_session_on_staff_paths,
    an_unknown_user_is_404,
    a_session_under_another_users_path_is_404,
    a_body_is_checked_before_the_user_is_looked_for,
    ones_own_id_is_no_exception_for_ordinary_users,
    a_demoted_users_tokens_lose_staff_power_at_once,
    staff_can_end_the_sessions_of_a_banned_user,
);

fn path(user: &Client, rest: &str) -> String {
    format!("/api/users/{}/sessions{rest}", user.id())
}

fn ended(count: u64) -> Value {
    json!({"code": "DELETE_SESSIONS_SUCCESS", "message": "Sessions Successfully Deleted", "count": count})
}

fn staff_see_the_sessions_of_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    app.clock().advance_seconds(1);
    let later = ada.log_in("ada");
    for staff in [&root, &root.scoped(&[Scope::StaffReadSessions]), &root.scoped(&[Scope::All])] {
        for query in ["", "?limit=1", "?limit=0&offset=1", "?limit=x"] {
            let own = ada.get(&format!("/api/users/me/sessions{query}")).expect(200);
            assert_eq!(staff.get(&path(&ada, query)).expect(200), own);
        }
        let full = staff.get(&path(&ada, "?full=true")).expect(200);
        assert!(
            full["items"].as_array().unwrap().iter().all(|item| item["current"] == false && item["ip"] == "127.0.0.1")
        );
        let own = ada.get(&format!("/api/users/me/sessions/{}", later.session_id())).expect(200);
        assert_eq!(staff.get(&path(&ada, &format!("/{}", later.session_id()))).expect(200), own);
    }
    let own = root.get(&path(&root, "?full=true")).expect(200);
    let current = own["items"].as_array().unwrap().iter().filter(|item| item["current"] == true);
    assert_eq!(current.map(|item| item["id"].as_i64().unwrap()).collect::<Vec<_>>(), [root.session_id()]);
}

fn staff_end_one_some_and_all_sessions_of_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for staff in [root.clone(), root.scoped(&[Scope::StaffModifySessions]), root.scoped(&[Scope::All])] {
        let [one, some, left] = [(); 3].map(|()| ada.log_in("ada"));
        let answer = staff.delete(&path(&ada, &format!("/{}", one.session_id()))).expect(200);
        assert_eq!(answer, json!({"code": "DELETE_SESSION_SUCCESS", "message": "Session Successfully Deleted"}));
        staff.delete(&path(&ada, &format!("/{}", one.session_id()))).is(NO_SUCH_SESSION);
        let ids = json!({"ids": [some.session_id(), some.session_id().to_string(), "me", "x", 1]});
        assert_eq!(staff.delete_with(&path(&ada, ""), &ids).expect(200), ended(1));
        assert_eq!([&one, &some, &left].map(Client::works), [false, false, true]);
        let count = ada.log_in("ada").get("/api/users/me/sessions").expect(200)["count"].as_u64().unwrap();
        assert_eq!(staff.delete(&path(&ada, "/all")).expect(200), ended(count));
        assert!(!left.works());
    }
}

fn all_takes_the_callers_own_session_too_and_ignores_the_query_and_the_body(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for query in ["", "?include-self=false", "?include-self=true"] {
        let (one, other) = (root.log_in("root"), root.log_in("root"));
        let count = one.get("/api/users/me/sessions").expect(200)["count"].as_u64().unwrap();
        let call = one.call("DELETE", &path(&root, &format!("/all{query}")));
        assert_eq!(call.body("application/json", "{not json").send().expect(200), ended(count));
        assert!(!one.works() && !other.works());
    }
}

fn me_is_not_a_session_on_staff_paths(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    root.get(&path(&root, "/me")).is(NO_SUCH_SESSION);
    root.delete(&path(&root, "/me")).is(NO_SUCH_SESSION);
    assert_eq!(root.delete_with(&path(&root, ""), &json!({"ids": ["me"]})).expect(200), ended(0));
    assert!(root.works());
}

fn an_unknown_user_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for user in ["1234567890123", "0000000000000", "root", "x", "ME", "-1", "99999999999999999999", "%00", "%FF"] {
        let session = root.session_id();
        root.get(&format!("/api/users/{user}/sessions")).is(INVALID_USER);
        root.get(&format!("/api/users/{user}/sessions/{session}")).is(INVALID_USER);
        root.get(&format!("/api/users/{user}/sessions/x")).is(INVALID_USER);
        root.delete(&format!("/api/users/{user}/sessions/{session}")).is(INVALID_USER);
        root.delete(&format!("/api/users/{user}/sessions/all")).is(INVALID_USER);
        root.delete_with(&format!("/api/users/{user}/sessions"), &json!({"ids": [session]})).is(INVALID_USER);
    }
    assert!(root.works());
}

fn a_session_under_another_users_path_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.clock().advance_seconds(10);
    let ada = app.user("ada");
    root.get(&path(&ada, &format!("/{}", root.session_id()))).is(NO_SUCH_SESSION);
    root.delete(&path(&ada, &format!("/{}", root.session_id()))).is(NO_SUCH_SESSION);
    let ids = json!({"ids": [root.session_id()]});
    assert_eq!(root.delete_with(&path(&ada, ""), &ids).expect(200), ended(0));
    root.get(&path(&ada, "/1")).is(NO_SUCH_SESSION);
    root.get(&path(&ada, "/x")).is(NO_SUCH_SESSION);
    assert!(root.works() && ada.works());
}

fn a_body_is_checked_before_the_user_is_looked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let unknown = "/api/users/1234567890123/sessions";
    root.delete_with(unknown, &json!({"ids": 1})).is_with(MISSING_FIELDS, json!({"fields": ["ids"]}));
    root.delete(unknown).is_with(MISSING_FIELDS, json!({"fields": ["ids"]}));
    root.delete_with(unknown, &json!({"ids": vec![1; 51]})).is(TOO_MANY_IDS);
}

fn ones_own_id_is_no_exception_for_ordinary_users(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for client in [&ada, &ada.scoped(&[Scope::All])] {
        client.get(&path(&ada, "")).is(INSUFFICIENT_PERMISSIONS);
        client.delete(&path(&ada, "/all")).is(INSUFFICIENT_PERMISSIONS);
        client.get("/api/users/1234567890123/sessions").is(INSUFFICIENT_PERMISSIONS);
    }
}

fn a_demoted_users_tokens_lose_staff_power_at_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let tokens = [root.clone(), root.scoped(&[Scope::StaffReadSessions]), root.scoped(&[Scope::All])];
    for token in &tokens {
        assert!(token.works_as_staff(&ada) && token.at(&replica).works_as_staff(&ada));
    }
    block_on(app.operator().account_demote("root")).unwrap();
    // What was issued with staff scopes is over, the rest is no longer staff's.
    let answers = [INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED, INSUFFICIENT_PERMISSIONS];
    for (token, answer) in tokens.iter().zip(answers) {
        token.get(&path(&ada, "")).is(answer);
        token.at(&replica).get(&path(&ada, "")).is(answer);
    }
    block_on(app.operator().account_promote("root")).unwrap();
    for token in &tokens {
        token.get(&path(&ada, "")).is(NOT_AUTHENTICATED);
    }
}

fn staff_can_end_the_sessions_of_a_banned_user(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    app.ban("ada");
    assert_eq!(root.get(&path(&ada, "")).expect(200), json!({"count": 0, "items": []}));
    assert_eq!(root.delete(&path(&ada, "/all")).expect(200), ended(0));
    root.delete(&path(&ada, "/all")).expect(200);
    root.delete(&path(&root, "/all")).expect(200);
    root.get(&path(&ada, "")).is(NOT_AUTHENTICATED);
}
