//! `GET /api/users` and `DELETE /api/users`.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INSUFFICIENT_PERMISSIONS, INVALID_PASSWORD, MISSING_FIELDS, NOT_AUTHENTICATED, TOO_MANY_IDS};

on_both_engines!(
    staff_list_users_newest_first_without_their_addresses,
    staff_delete_several_users_and_unknown_ones_are_skipped,
    more_than_50_ids_are_refused_before_anything_else,
    nobody_deletes_themselves_among_others,
);

fn delete(client: &Client, ids: &Value) -> Response {
    client.delete_with("/api/users", &json!({"ids": ids, "password": PASSWORD}))
}

fn deleted(count: u64) -> Value {
    json!({"code": "DELETE_USERS_SUCCESS", "message": "Users Successfully Deleted", "count": count})
}

fn staff_list_users_newest_first_without_their_addresses(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.clock().advance_seconds(1);
    let ada = app.user("ada");
    app.clock().advance_seconds(1);
    let bob = app.user("bob");
    let item = |user: &Client| json!({"id": user.id(), "username": user.name()});
    let all = [item(&bob), item(&ada), item(&root)];
    for staff in [&root, &root.scoped(&[Scope::StaffReadAccounts]), &root.scoped(&[Scope::All])] {
        assert_eq!(staff.get("/api/users").expect(200), json!({"count": 3, "items": all}));
        let page = staff.get("/api/users?limit=1&offset=1").expect(200);
        assert_eq!(page, json!({"count": 3, "items": [all[1]]}));
        assert_eq!(staff.get("/api/users?limit=0").expect(200), json!({"count": 3, "items": []}));
        assert!(!staff.get("/api/users?full=true").text().contains('@'));
    }
}

fn staff_delete_several_users_and_unknown_ones_are_skipped(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, bob, left, root) = (app.user("ada"), app.user("bob"), app.user("left"), app.staff("root"));
    let number: i64 = bob.id().parse().unwrap();
    let ids = json!([ada.id(), ada.id(), number, "1234567890123", "me", "x", "", -1, 1.5]);
    assert_eq!(delete(&root, &ids).expect(200), deleted(2));
    for gone in [&ada, &bob] {
        gone.at(&replica).get("/api/users/me").is(NOT_AUTHENTICATED);
        gone.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    assert!(left.works());
    assert_eq!(delete(&root, &ids).expect(200), deleted(0));
    assert_eq!(delete(&root, &json!([])).expect(200), deleted(0));
    let script = root.scoped(&[Scope::StaffModifyAccounts]);
    assert_eq!(script.delete_with("/api/users", &json!({"ids": [left.id()]})).expect(200), deleted(1));
    assert!(!left.works());
}

fn more_than_50_ids_are_refused_before_anything_else(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    delete(&root, &json!(vec![ada.id(); 51])).is(TOO_MANY_IDS);
    delete(&root, &json!(vec![root.id(); 51])).is(TOO_MANY_IDS);
    let wrong = json!({"ids": vec![ada.id(); 50], "password": "wrong"});
    root.delete_with("/api/users", &wrong).is(INVALID_PASSWORD);
    root.delete_with("/api/users", &json!({})).is_with(MISSING_FIELDS, json!({"fields": ["ids", "password"]}));
    assert!(ada.works());
    assert_eq!(delete(&root, &json!(vec![ada.id(); 50])).expect(200), deleted(1));
}

fn nobody_deletes_themselves_among_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let number: i64 = root.id().parse().unwrap();
    for ids in [json!([ada.id(), root.id()]), json!([number, ada.id()])] {
        delete(&root, &ids).is(INSUFFICIENT_PERMISSIONS);
        delete(&root.scoped(&[Scope::All]), &ids).is(INSUFFICIENT_PERMISSIONS);
    }
    assert!(ada.works() && root.works());
}
