//! One's own sessions: `/api/user/session`, `/api/user/sessions`, and the same without `/user`.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{SESSION_MISSING, ended, shown};
use crate::app::{Client, TestApp};
use crate::errors::{NO_SUCH_SESSION, NOT_AUTHENTICATED};

on_both_engines!(
    the_session_in_use_and_others_are_shown,
    lists_have_whole_items_and_pages,
    one_session_is_ended_by_its_id,
    some_sessions_are_ended_and_unknown_ones_skipped,
    all_sessions_are_ended_or_all_others,
    paths_without_user_are_the_same_paths,
    head_has_the_headers_of_get,
);

fn the_session_in_use_and_others_are_shown(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    assert_eq!(ada.get("/api/user/session").expect(200), shown(&ada));
    assert_eq!(ada.get(&format!("/api/user/session/{}", other.session_id())).expect(200), shown(&other));
    let bob = app.user("bob");
    app.clock().advance_seconds(10);
    let unknown = bob.log_in("bob").session_id().to_string();
    for id in ["me", "0", "x", "99999999999999999999", unknown.as_str()] {
        ada.get(&format!("/api/user/session/{id}")).is(NO_SUCH_SESSION);
    }
}

fn lists_have_whole_items_and_pages(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.clock().advance_seconds(10);
    let later = ada.log_in("ada");
    let (first, second) = (shown(&later), shown(&ada));
    for (query, items) in [
        ("", json!([first, second])),
        ("?limit=1", json!([first])),
        ("?LIMIT=1&Offset=1", json!([second])),
        ("?limit=0", json!([])),
        ("?limit=51&offset=x", json!([first, second])),
    ] {
        let answer = ada.get(&format!("/api/user/sessions{query}")).expect(200);
        assert_eq!(answer, json!({"count": 2, "items": items}), "{query}");
    }
}

fn one_session_is_ended_by_its_id(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let other = ada.log_in("ada");
    let path = format!("/api/user/session/{}", other.session_id());
    assert_eq!(ada.delete(&path).expect(200), json!({"code": "GENERIC_SUCCESS"}));
    assert!(ada.works() && !other.works());
    ada.delete(&path).is(SESSION_MISSING);
    ada.get(&path).is(NO_SUCH_SESSION);
    for id in ["me", "0", "x", "all"] {
        ada.delete(&format!("/api/user/session/{id}")).is(SESSION_MISSING);
    }
    ada.delete(&format!("/api/session/{}", ada.session_id())).expect(200);
    ada.get("/api/user/session").is(NOT_AUTHENTICATED);
}

fn some_sessions_are_ended_and_unknown_ones_skipped(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let [one, two, three] = [(); 3].map(|()| ada.log_in("ada"));
    let end = |sessions: Value| ada.delete_with("/api/user/sessions", &json!({"sessions": sessions}));
    let ids = json!([one.session_id(), two.session_id().to_string(), two.session_id(), "me", "sid1", 1, 1.5, ""]);
    assert_eq!(end(ids.clone()).expect(200), ended(2));
    assert_eq!(end(ids).expect(200), ended(0));
    assert_eq!(end(json!([])).expect(200), ended(0));
    assert_eq!([&ada, &one, &two, &three].map(Client::works), [true, false, false, true]);
    // Unknown ones count towards the 50.
    let fifty = |last: Value| Value::Array([vec![json!("sid"); 49], vec![last]].concat());
    assert_eq!(end(fifty(json!(three.session_id()))).expect(200), ended(1));
    let mut more = fifty(json!(ada.session_id()));
    more.as_array_mut().unwrap().push(json!("sid"));
    assert_eq!(end(more).status, 400);
    assert!(ada.works());
}

fn all_sessions_are_ended_or_all_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let queries = [
        ("?allButSelf=true", true),
        ("?allbutSelf=true", true),
        ("?ALLBUTSELF=1", true),
        ("", false),
        ("?allButSelf=false", false),
        ("?allButSelf=TRUE", false),
        ("?allButSelf", false),
        ("?include-self=true", false),
    ];
    for (number, (query, spared)) in queries.into_iter().enumerate() {
        let ada = app.user(&format!("ada{number}"));
        let other = ada.log_in(ada.name());
        let answer = ada.delete(&format!("/api/user/sessions/all{query}")).expect(200);
        assert_eq!(answer, ended(if spared { 1 } else { 2 }), "{query}");
        assert_eq!((ada.works(), other.works()), (spared, false), "{query}");
    }
}

fn paths_without_user_are_the_same_paths(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let id = ada.log_in("ada").session_id();
    for path in ["/session", "/sessions", "/session/1", "/session/x", &format!("/session/{id}")] {
        let [long, short] = ["/api/user", "/api"].map(|base| ada.get(&format!("{base}{path}")));
        assert_eq!((long.status, long.json()), (short.status, short.json()), "{path}");
    }
    assert_eq!(ada.delete(&format!("/api/session/{id}")).expect(200), json!({"code": "GENERIC_SUCCESS"}));
    let other = ada.log_in("ada").session_id();
    assert_eq!(ada.delete_with("/api/sessions", &json!({"sessions": [other]})).expect(200), ended(1));
    ada.log_in("ada");
    assert_eq!(ada.delete("/api/sessions/all?allButSelf=true").expect(200), ended(1));
    assert_eq!(ada.delete("/api/sessions/all").expect(200), ended(1));
}

fn head_has_the_headers_of_get(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    let user = format!("/api/user/{}", root.id());
    for (path, status) in [
        ("/api/user/session".to_owned(), 200),
        ("/api/session".to_owned(), 200),
        ("/api/user/sessions".to_owned(), 200),
        ("/api/user/session/1".to_owned(), 404),
        (format!("{user}/sessions"), 200),
        (format!("{user}/session/{}", root.session_id()), 200),
        ("/api/user/sessions/all".to_owned(), 405),
    ] {
        let head = root.call("HEAD", &path).send();
        assert!(head.status == status && head.is_empty(), "{path} {head:?}");
        let names = ["content-type", "content-length", "deprecation", "link", "allow"];
        let get = root.get(&path);
        assert_eq!(names.map(|name| head.header(name)), names.map(|name| get.header(name)), "{path}");
    }
}
