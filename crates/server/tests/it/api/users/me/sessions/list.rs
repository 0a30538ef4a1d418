//! `GET /api/users/me/sessions`.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Client, TestApp};

on_both_engines!(
    a_list_is_newest_first_and_leaves_details_out,
    pages_follow_each_other_without_gaps_or_repeats,
    a_limit_out_of_range_falls_back_to_50,
    an_offset_out_of_range_falls_back_to_0,
    full_lists_show_what_device_lists_need,
    ended_sessions_and_those_of_others_are_not_listed,
);

fn ids(list: &Value) -> Vec<i64> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/users/me/sessions{query}")).expect(200)
}

/// Several sessions of one user: three within one second, whose ids run backwards, then one each second.
fn several(app: &TestApp, count: usize) -> (Client, Vec<i64>) {
    let first = app.user("ada");
    let mut newest_first = vec![first.session_id()];
    for number in 1..count {
        app.clock().advance_millis(if number < 3 { 1 } else { 1_000 });
        newest_first.insert(0, first.log_in("ada").session_id());
    }
    (first, newest_first)
}

fn a_list_is_newest_first_and_leaves_details_out(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, newest_first) = several(&app, 4);
    let items: Vec<Value> = newest_first.iter().map(|id| json!({"id": id, "name": "Unknown device"})).collect();
    assert_eq!(list(&ada, ""), json!({"count": 4, "items": items}));
    assert!(newest_first.windows(2).any(|pair| pair[0] < pair[1]), "newest first is not by id: {newest_first:?}");
}

fn pages_follow_each_other_without_gaps_or_repeats(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, newest_first) = several(&app, 7);
    let mut seen = vec![];
    for offset in [0, 3, 6, 9] {
        let page = list(&ada, &format!("?limit=3&offset={offset}"));
        assert_eq!(page["count"], 7);
        seen.extend(ids(&page));
    }
    assert_eq!(seen, newest_first);
}

fn a_limit_out_of_range_falls_back_to_50(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, newest_first) = several(&app, 52);
    assert_eq!(list(&ada, "?limit=0"), json!({"count": 52, "items": []}));
    assert_eq!(ids(&list(&ada, "?limit=1")), newest_first[..1]);
    for query in
        ["", "?limit=50", "?limit=51", "?limit=-1", "?limit=x", "?limit=", "?limit=1.5", "?limit=1e1", "?limit"]
    {
        let page = list(&ada, query);
        assert_eq!((page["count"].as_i64(), ids(&page).as_slice()), (Some(52), &newest_first[..50]), "{query}");
    }
    assert_eq!(ids(&list(&ada, "?offset=50")), newest_first[50..]);
}

fn an_offset_out_of_range_falls_back_to_0(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, newest_first) = several(&app, 2);
    for query in ["?offset=-1", "?offset=x", "?offset=", "?offset=1.0", "?offset=99999999999999999999"] {
        assert_eq!(ids(&list(&ada, query)), newest_first, "{query}");
    }
    for query in ["?offset=2", "?offset=9223372036854775807"] {
        assert_eq!(list(&ada, query), json!({"count": 2, "items": []}), "{query}");
    }
}

fn full_lists_show_what_device_lists_need(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.clock().advance_seconds(1);
    let login = app.anonymous().call("POST", "/api/login").header("User-Agent", "curl/8.5.0");
    let body = json!({"username": "ada", "password": crate::app::PASSWORD});
    let curl = ada.with_token(&login.json(&body).send().token());
    // A session that asks for itself knows of a use that is not written yet.
    assert!(ada.works());
    app.flush_uses();
    for query in ["?full=true", "?full=1"] {
        let mut page = list(&ada, query);
        let own = ada.get("/api/users/me/sessions/me").expect(200);
        let others = ada.get(&format!("/api/users/me/sessions/{}", curl.session_id())).expect(200);
        for (item, (session, agent, current)) in page["items"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip([(others, json!("curl/8.5.0"), false), (own, json!(null), true)])
        {
            let mut expected = session;
            expected["ip"] = json!("127.0.0.1");
            expected["userAgent"] = agent;
            expected["current"] = json!(current);
            assert_eq!(*item, expected);
        }
    }
    for query in ["?full=false", "?full", "?full=yes"] {
        assert_eq!(list(&ada, query), list(&ada, ""));
    }
}

fn ended_sessions_and_those_of_others_are_not_listed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.user("bob");
    let ended = ada.log_in("ada");
    ended.delete("/api/users/me/sessions/me").expect(200);
    assert_eq!(list(&ada, ""), json!({"count": 1, "items": [{"id": ada.session_id(), "name": "Unknown device"}]}));
}
