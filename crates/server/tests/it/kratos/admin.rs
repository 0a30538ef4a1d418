//! Everybody's sessions, for staff.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Phone, enter, error, second_step};
use crate::app::TestApp;

on_both_engines!(
    a_list_shows_what_is_asked_for,
    a_session_of_any_state_is_shown_with_its_end,
    extending_never_shortens_and_leaves_signed_tokens_alone,
    ending_any_session_is_idempotent,
    an_identitys_sessions_are_listed_and_ended,
    many_sessions_end_at_once,
    everybodys_sessions_end_in_batches,
    the_scopes_of_staff_are_asked_for,
);

const NOBODY: &str = "0191f2a4-8b1c-4def-8000-00000000002a";

fn a_list_shows_what_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.clock().advance_millis(1);
    app.user("ada");
    let device = enter(&app, "ada");
    let list = |query: &str| root.get(&format!("/auth/admin/sessions{query}"));
    let plain = list("");
    assert_eq!((plain.header("x-total-count"), plain.header("cache-control")), (None, Some(super::PRIVATE)));
    let plain = plain.expect(200);
    assert_eq!(plain.as_array().unwrap().len(), 3);
    assert!(plain[0]["id"] == device.id() && plain[2]["current"] == true);
    assert!(plain[0].get("identity").is_none() && plain[0].get("devices").is_none());
    assert_eq!((&plain[0]["revoked_at"], &plain[0]["revoked_by"]), (&Value::Null, &Value::Null));
    for query in ["?expand=identity,devices", "?expand=identity&expand=devices", "?expand=Identity&expand=Devices"] {
        let expanded = list(query).expect(200);
        assert_eq!(expanded[0]["identity"]["traits"], json!({"username": "ada"}), "{query}");
        assert_eq!(expanded[0]["devices"][0]["ip_address"], "127.0.0.1", "{query}");
    }
    device.delete("/auth/sessions").expect(200);
    let ids = |query: &str| list(query).expect(200).as_array().unwrap().len();
    assert_eq!((ids("?active=true"), ids("?active=false"), ids("")), (2, 1, 3));
    for (query, message) in [
        ("?active=maybe", "active must be true or false"),
        ("?active=", "active must be true or false"),
        ("?expand=secrets", "expand must be identity or devices"),
        ("?expand=", "expand must be identity or devices"),
        ("?page_token=x", "page_token must be one of a Link"),
    ] {
        assert_eq!(error(&list(query), 400)["message"], message);
    }
}

fn a_session_of_any_state_is_shown_with_its_end(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let ada = app.user("ada");
    let phone = Phone::enrol(&app, &ada);
    let device = enter(&app, "ada");
    let path = format!("/auth/admin/sessions/{}", device.id());
    let pending = root.get(&format!("{path}?expand=identity")).expect(200);
    assert_eq!((&pending["active"], &pending["authenticator_assurance_level"]), (&json!(true), &json!("aal1")));
    assert_eq!(pending["identity"]["traits"], json!({"username": "ada", "email": "ada@example.org"}));
    super::show(&device, &second_step(&device), &phone.backup(0)).expect(200);
    ada.delete("/api/users/me/sessions/all").expect(200);
    let ended = root.get(&path).expect(200);
    assert_eq!((&ended["active"], &ended["revoked_by"]), (&json!(false), &json!(ada.id())));
    assert_eq!((&ended["revoked_reason"], ended["revoked_at"].is_string()), (&json!("revoked"), true));
    app.ban("ada");
    assert_eq!(root.get(&format!("{path}?expand=identity")).expect(200)["identity"]["state"], "inactive");
    error(&root.get(&format!("/auth/admin/sessions/{NOBODY}")), 404);
    assert_eq!(error(&root.get("/auth/admin/sessions/me"), 400)["message"], "id must be a UUID");
    error(&root.get(&format!("{path}?expand=x")), 400);
}

fn extending_never_shortens_and_leaves_signed_tokens_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let ada = app.user("ada");
    let device = enter(&app, "ada");
    let extend = |id: &str| root.call("PATCH", &format!("/auth/admin/sessions/{id}/extend")).send();
    app.clock().advance_seconds(1_000);
    let extended = extend(device.id()).expect(200);
    let expected = thunderhead_domain::time::Timestamp::from_unix_seconds(app.seconds() + 86_400);
    assert_eq!(extended["expires_at"], expected.to_string().as_str());
    assert_eq!(extended["identity"]["traits"]["username"], "ada");
    assert_eq!(extend(device.id()).expect(200)["expires_at"], extended["expires_at"]);
    let jwt = ada.get("/api/users/me/sessions/me").expect(200);
    let before = root.get(&format!("/auth/admin/sessions/{}", jwt["uuid"].as_str().unwrap())).expect(200);
    let after = extend(jwt["uuid"].as_str().unwrap()).expect(200);
    assert_eq!(after["expires_at"], before["expires_at"]);
    // It really lasts longer than it would have.
    app.clock().advance_seconds(85_500);
    assert!(device.works() && !ada.works());
    app.clock().advance_seconds(900);
    assert!(!device.works());
    let root = root.log_in("root");
    let extend = |id: &str| root.call("PATCH", &format!("/auth/admin/sessions/{id}/extend")).send();
    error(&extend(device.id()), 404);
    error(&extend(NOBODY), 404);
    error(&extend("x"), 400);
}

fn ending_any_session_is_idempotent(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.user("ada");
    let device = enter(&app, "ada");
    let end = |id: &str| root.delete(&format!("/auth/admin/sessions/{id}"));
    for _ in 0..2 {
        let response = end(device.id());
        assert!(response.status == 204 && response.is_empty(), "{response:?}");
    }
    assert!(!device.works());
    let shown = root.get(&format!("/auth/admin/sessions/{}", device.id())).expect(200);
    assert_eq!((&shown["revoked_reason"], &shown["revoked_by"]), (&json!("revoked_by_staff"), &json!(root.id())));
    error(&end(NOBODY), 404);
    error(&end("x"), 400);
}

fn an_identitys_sessions_are_listed_and_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.user("ada");
    let device = enter(&app, "ada");
    let id = device.session["identity"]["id"].as_str().unwrap();
    let path = format!("/auth/admin/identities/{id}/sessions");
    let listed = root.get(&path);
    assert_eq!(listed.header("x-total-count"), Some("2"));
    let listed = listed.expect(200);
    assert_eq!(listed[0]["id"], device.id());
    assert_eq!(listed[0]["identity"]["traits"], json!({"username": "ada"}));
    assert_eq!(root.delete(&path).status, 204);
    assert!(!device.works() && root.works());
    error(&root.delete(&path), 404);
    assert_eq!(root.get(&format!("{path}?active=true")).text(), "[]");
    assert_eq!(root.get(&format!("{path}?active=false")).expect(200).as_array().unwrap().len(), 2);
    let nobody = format!("/auth/admin/identities/{NOBODY}/sessions");
    error(&root.get(&nobody), 404);
    error(&root.delete(&nobody), 404);
    error(&root.get("/auth/admin/identities/ada/sessions"), 400);
    error(&root.get(&format!("{path}?active=1")), 400);
}

fn many_sessions_end_at_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (one, other, bobs) = (enter(&app, "ada"), enter(&app, "ada"), enter(&app, "bob"));
    let disable = |body: &Value| root.post("/auth/admin/sessions", body);
    let by_id = json!({"action": "disable", "sessions": [one.id(), bobs.id(), one.id(), NOBODY]});
    assert_eq!(disable(&by_id).expect(200), json!({"processed": 2, "more": false}));
    assert!(!one.works() && !bobs.works() && other.works() && ada.works());
    assert_eq!(disable(&by_id).expect(200), json!({"processed": 0, "more": false}));
    let identity = &other.session["identity"]["id"];
    let by_identity = json!({"action": "disable", "identities": [identity, NOBODY]});
    assert_eq!(disable(&by_identity).expect(200), json!({"processed": 2, "more": false}));
    assert!(!other.works() && !ada.works() && bob.works() && root.works());
    let many: Vec<_> = (0..501).map(|_| NOBODY).collect();
    for body in [
        json!({}),
        json!([]),
        json!({"action": "enable", "sessions": []}),
        json!({"action": "disable"}),
        json!({"action": "disable", "sessions": [], "identities": []}),
        json!({"action": "disable", "sessions": "*"}),
        json!({"action": "disable", "sessions": ["*"]}),
        json!({"action": "disable", "sessions": [1]}),
        json!({"action": "disable", "identities": ["*", NOBODY]}),
        json!({"action": "disable", "identities": many}),
        json!({"action": "disable", "sessions": many}),
    ] {
        error(&disable(&body), 400);
    }
    let most: Vec<_> = (0..500).map(|_| NOBODY).collect();
    disable(&json!({"action": "disable", "sessions": most})).expect(200);
    assert!(bob.works());
}

fn everybodys_sessions_end_in_batches(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    for number in 0..500 {
        crate::credentials::open(&app, ada.user_id(), &format!("{number:032}"), false);
    }
    let everybody = json!({"action": "disable", "identities": ["*"]});
    let disable = || root.post("/auth/admin/sessions", &everybody).expect(200);
    assert_eq!(disable(), json!({"processed": 500, "more": true}));
    assert!(root.works(), "who is to ask for the rest");
    assert_eq!(disable(), json!({"processed": 3, "more": false}));
    assert!(!root.works() && !ada.works() && !bob.works());
}

fn the_scopes_of_staff_are_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let (reader, modifier) = (root.scoped(&[Scope::StaffReadSessions]), root.scoped(&[Scope::StaffModifySessions]));
    reader.get("/auth/admin/sessions").expect(200);
    // With or without a scheme.
    reader.with_token(&format!("Bearer {}", reader.token())).get("/auth/admin/sessions").expect(200);
    error(&modifier.get("/auth/admin/sessions"), 403);
    let path = format!("/auth/admin/sessions/{NOBODY}");
    error(&reader.delete(&path), 403);
    error(&modifier.delete(&path), 404);
    let nobody = app.anonymous().call("GET", "/auth/admin/sessions").header("X-Session-Token", root.token());
    error(&nobody.send(), 401);
    let ada = app.user("ada");
    assert_eq!(error(&ada.get("/auth/admin/sessions"), 403)["reason"], "The caller is not staff.");
}
