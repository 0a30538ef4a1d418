//! `GET /api/users` and `DELETE /api/users`.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{INSUFFICIENT_PERMISSIONS, INVALID_PASSWORD, MISSING_FIELDS, NOT_AUTHENTICATED, TOO_MANY_IDS};

on_both_engines!(
    staff_list_users_newest_first_without_their_addresses,
    staff_find_users_by_what_they_know_of_them,
    what_is_found_comes_by_name_from_page_to_page_and_is_counted_no_further_than_a_thousand,
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

fn staff_find_users_by_what_they_know_of_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let (ada, adam, bob) = (app.user("Ada"), app.user("adam"), app.user("bob"));
    let uuid = block_on(app.operator().account("bob")).unwrap().uuid.to_string();
    for (query, expected) in [
        ("ada", vec![&ada, &adam]),
        ("%20ADA%20", vec![&ada, &adam]),
        ("ad%61m", vec![&adam]),
        ("bob%40example.org", vec![&bob]),
        ("BOB%40EXAMPLE.ORG", vec![&bob]),
        (bob.id(), vec![&bob]),
        (uuid.as_str(), vec![&bob]),
        ("bob%40example", vec![]),
        ("nobody", vec![]),
        ("%25", vec![]),
        ("_", vec![]),
        ("1234567890123", vec![]),
        ("ada%00", vec![]),
        ("%ff", vec![]),
        (&"x".repeat(2_000), vec![]),
    ] {
        let items: Vec<_> = expected.iter().map(|user| json!({"id": user.id(), "username": user.name()})).collect();
        let found = root.get(&format!("/api/users?q={query}")).expect(200);
        assert_eq!(found, json!({"count": items.len(), "items": items}), "{query}");
    }
    // A query that says nothing is none, and so is one for what only a list has.
    for query in ["q=", "q=%20", "cursor=ada", "Q=ada"] {
        assert_eq!(root.get(&format!("/api/users?{query}")).expect(200)["count"], 4, "{query}");
    }
    root.scoped(&[Scope::StaffReadSessions]).get("/api/users?q=ada").is(INSUFFICIENT_PERMISSIONS);
    ada.get("/api/users?q=ada").is(INSUFFICIENT_PERMISSIONS);
}

fn what_is_found_comes_by_name_from_page_to_page_and_is_counted_no_further_than_a_thousand(database: TestDatabase) {
    let on_sqlite = database.url().sqlite_path().is_some();
    let app = TestApp::start(database);
    let root = app.staff("root");
    for name in ["c3", "c1", "C2", "b1"] {
        app.user(name);
    }
    let names = |query: &str| {
        let found = root.get(&format!("/api/users?q=c&{query}")).expect(200);
        assert_eq!(found["count"], 3, "{query}");
        let items = found["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("limit=2"), ["c1", "C2"]);
    assert_eq!(names("limit=2&cursor=C2"), ["c3"]);
    assert_eq!(names("limit=2&cursor=c3"), [""; 0]);
    assert_eq!(names("limit=0"), [""; 0]);
    // What is blank counts as absent, and so does an offset; another place than a name there is not.
    assert_eq!(names("cursor=%20&offset=2"), ["c1", "C2", "c3"]);
    root.get("/api/users?q=c&cursor=a%20b").is_with(MISSING_FIELDS, json!({"fields": ["cursor"]}));
    for (query, next) in [("q=c&limit=2", Some("C2")), ("q=c&limit=3", None), ("q=c1&limit=1", None), ("limit=2", None)]
    {
        let page = root.get(&format!("/api/users?{query}")).expect(200);
        assert_eq!(page.get("next"), next.map(Value::from).as_ref(), "{query}");
    }
    let row =
        "INSERT INTO users (id, uuid, username, username_key, email, email_key, password_hash, credential_version,
        staff, created_at, updated_at) SELECT id + 1000 + n, ";
    let numbers = "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 1001) ";
    let uuid = if on_sqlite { "unhex(printf('%032x', n))" } else { "decode(lpad(to_hex(n), 32, '0'), 'hex')" };
    let name = "'many' || n";
    app.tamper(&format!(
        "{numbers}{row}{uuid}, {name}, {name}, {name}, {name}, '', 1, FALSE, 1, 1 FROM series, users
         WHERE username_key = 'root'"
    ));
    let found = root.get("/api/users?q=many").expect(200);
    assert_eq!((found["count"].clone(), found["items"].as_array().unwrap().len()), (json!(1_000), 50));
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
