//! `/api/killswitches`.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{PASSWORD, TestApp, registration};
use crate::errors::{INVALID_ENDPOINT, INVALID_PASSWORD, MISSING_FIELDS, UNAVAILABLE};

on_both_engines!(
    the_list_names_every_switch_with_its_state,
    a_switch_is_turned_on_and_off_and_all_are_turned_off,
    a_switch_works_on_every_replica_at_once,
    global_leaves_staff_in_who_turn_it_off_again,
    an_unknown_switch_is_404_once_the_password_is_right,
    a_script_with_the_scope_needs_no_password,
);

fn proof() -> Value {
    json!({"password": PASSWORD})
}

/// The list with these switches on.
fn list(on: &[KillSwitch]) -> Value {
    let item =
        |(switch, name): (KillSwitch, &str)| json!({"id": switch.id(), "name": name, "state": on.contains(&switch)});
    json!({"count": KillSwitch::TABLE.len(), "items": KillSwitch::TABLE.map(item)})
}

fn the_list_names_every_switch_with_its_state(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let first = root.get("/api/killswitches").expect(200)["items"][0].clone();
    assert_eq!(first, json!({"id": 0, "name": "ACCOUNT_CREATE", "state": false}));
    assert_eq!(root.get("/api/killswitches").expect(200), list(&[]));
    app.switch(KillSwitch::FileDelete, true);
    assert_eq!(root.get("/api/killswitches").expect(200), list(&[KillSwitch::FileDelete]));
}

fn a_switch_is_turned_on_and_off_and_all_are_turned_off(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (switch, _) in KillSwitch::TABLE {
        let path = format!("/api/killswitches/{}", switch.id());
        for _ in 0..2 {
            assert_eq!(root.put(&path, &proof()).expect(200), list(&[switch]));
        }
        for _ in 0..2 {
            assert_eq!(root.delete_with(&path, &proof()).expect(200), list(&[]));
        }
    }
    let all = KillSwitch::TABLE.map(|(switch, _)| switch);
    for switch in all {
        root.put(&format!("/api/killswitches/{}", switch.id()), &proof()).expect(200);
    }
    assert_eq!(root.get("/api/killswitches").expect(200), list(&all));
    assert_eq!(root.delete_with("/api/killswitches", &proof()).expect(200), list(&[]));
    assert_eq!(root.delete_with("/api/killswitches", &proof()).expect(200), list(&[]));
}

fn a_switch_works_on_every_replica_at_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let root = app.staff("root");
    root.put("/api/killswitches/0", &proof()).expect(200);
    for server in [&replica, &app] {
        let refused = server.anonymous().post("/api/register", &registration("ada"));
        refused.is_with(UNAVAILABLE, json!({"feature": 0}));
    }
    root.at(&replica).delete_with("/api/killswitches/0", &proof()).expect(200);
    app.anonymous().post("/api/register", &registration("ada")).expect(201);
}

fn global_leaves_staff_in_who_turn_it_off_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    root.put("/api/killswitches/8", &proof()).expect(200);
    ada.get("/api/users/me").is_with(UNAVAILABLE, json!({"feature": 8}));
    app.anonymous().get("/api/killswitches").is_with(UNAVAILABLE, json!({"feature": 8}));
    assert!(root.works());
    assert_eq!(root.delete_with("/api/killswitches", &proof()).expect(200), list(&[]));
    assert!(ada.works());
}

fn an_unknown_switch_is_404_once_the_password_is_right(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let unknown = KillSwitch::TABLE.len().to_string();
    for id in [&*unknown, "x", "%20", "00", "-1", "+1", "1.0", "1e0", "GLOBAL", "8%00", "99999999999999999999"] {
        for method in ["PUT", "DELETE"] {
            let call = |body: &Value| root.call(method, &format!("/api/killswitches/{id}")).json(body).send();
            call(&proof()).is(INVALID_ENDPOINT);
        }
    }
    for path in [&*format!("/api/killswitches/{unknown}"), "/api/killswitches/8"] {
        root.put(path, &json!({"password": "wrong"})).is(INVALID_PASSWORD);
        root.put(path, &json!({})).is_with(MISSING_FIELDS, json!({"fields": ["password"]}));
    }
    assert_eq!(root.get("/api/killswitches").expect(200), list(&[]));
}

fn a_script_with_the_scope_needs_no_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let script = app.staff("root").scoped(&[Scope::StaffModifyKillswitches]);
    assert_eq!(script.put("/api/killswitches/5", &json!({})).expect(200), list(&[KillSwitch::FileCreate]));
    assert_eq!(script.call("DELETE", "/api/killswitches/5").send().expect(200), list(&[]));
    assert_eq!(script.delete("/api/killswitches").expect(200), list(&[]));
}
