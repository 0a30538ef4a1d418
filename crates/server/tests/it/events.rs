//! `GET /events`: what other services are told of, in order and without loss (`docs/API.md`, *The feed*).

mod ends;
mod wait;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thunderhead_domain::ports::Clock as _;
use thunderhead_domain::service::EventAccess;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Cut, PASSWORD, Response, TestApp, claims};
use crate::errors::UNAVAILABLE;
use crate::limits::tight;

on_both_engines!(
    a_service_is_told_in_order_of_what_has_happened,
    pages_follow_each_other_and_repeat_nothing,
    only_the_types_that_are_asked_for_are_told,
    a_service_begins_with_what_is_to_come,
    personal_data_are_for_services_that_may_have_them,
    who_may_not_read_the_feed_is_told_nothing,
    what_is_not_understood_is_400,
    a_cursor_that_nobody_can_go_on_from_is_410,
    an_outage_is_503_and_nothing_is_lost,
    nothing_stands_before_the_feed,
    a_change_on_one_replica_is_told_at_another_at_once,
);

/// A service that reads the feed.
pub(crate) struct Reader {
    name: &'static str,
    secret: String,
}

impl Reader {
    pub(crate) fn new(app: &TestApp, name: &'static str, events: EventAccess) -> Self {
        let secret = block_on(app.operator().service_create(name, events)).unwrap().expose().to_owned();
        Self { name, secret }
    }

    pub(crate) fn plain(app: &TestApp) -> Self {
        Self::new(app, "reader", EventAccess::Plain)
    }

    pub(crate) fn call(&self, app: &TestApp, query: &str) -> Call {
        let credentials = STANDARD.encode(format!("{}:{}", self.name, self.secret));
        let call = app.anonymous().call("GET", &format!("/events{query}"));
        call.header("Authorization", &format!("Basic {credentials}"))
    }

    pub(crate) fn get(&self, app: &TestApp, query: &str) -> Response {
        self.call(app, query).send()
    }

    /// The place of now.
    pub(crate) fn now(&self, app: &TestApp) -> String {
        next(&self.get(app, "?after=latest").expect(200))
    }

    /// All that was told since a place, in pages.
    pub(crate) fn since(&self, app: &TestApp, place: &str) -> Vec<Value> {
        let (mut place, mut all) = (place.to_owned(), Vec::new());
        loop {
            let page = self.get(app, &format!("?after={place}&limit=1000")).expect(200);
            let items = page["items"].as_array().unwrap();
            if items.is_empty() {
                return all;
            }
            all.extend(items.iter().cloned());
            place = next(&page);
        }
    }
}

pub(crate) fn next(page: &Value) -> String {
    page["next"].as_str().expect("where to go on").to_owned()
}

fn types(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["type"].as_str().unwrap()).collect()
}

fn a_service_is_told_in_order_of_what_has_happened(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let begin = reader.now(&app);
    let ada = app.user("ada");
    app.clock().advance_seconds(1);
    let ended_at = app.clock().now();
    ada.delete("/api/users/me/sessions/me").expect(200);
    app.switch(KillSwitch::AccountLogin, true);
    let items = reader.since(&app, &begin);
    assert_eq!(types(&items), ["user.created", "session.created", "session.ended", "switch.changed"]);
    let uuid = items[0]["data"]["user_uuid"].clone();
    assert!(uuid.as_str().unwrap().len() == 36);
    assert_eq!(items[0]["data"], json!({"user_id": ada.id(), "user_uuid": uuid, "by": "self"}));
    let mut session = json!({
        "user_id": ada.id(),
        "user_uuid": uuid,
        "session_id": ada.session_id(),
        "session_uuid": claims(ada.token())["jti"],
        "by": "self",
        "exp": claims(ada.token())["exp"],
    });
    assert_eq!(items[1]["data"], session);
    session["reason"] = json!("revoked");
    assert_eq!(items[2]["data"], session);
    assert_eq!(items[2]["at"].as_str().unwrap(), ended_at.to_string());
    assert_eq!(items[3]["data"], json!({"by": "operator", "switch": "ACCOUNT_LOGIN", "state": "on"}));
    let mut keys: Vec<_> = items[3].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["at", "data", "id", "type"]);
    // Whoever asks again is told the same, by the same ids.
    assert_eq!(reader.since(&app, &begin), items);
}

fn pages_follow_each_other_and_repeat_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    for number in 0..7 {
        app.user(&format!("user{number}"));
    }
    let all = reader.since(&app, &next(&reader.get(&app, "?limit=1").expect(200)));
    assert_eq!(all.len(), 13);
    let (mut place, mut paged) = (String::new(), Vec::new());
    loop {
        let after = if place.is_empty() { String::new() } else { format!("&after={place}") };
        let page = reader.get(&app, &format!("?limit=4{after}")).expect(200);
        let items = page["items"].as_array().unwrap().clone();
        if items.is_empty() {
            assert_eq!(next(&page), place);
            break;
        }
        assert!(items.len() <= 4);
        assert_eq!(items.last().unwrap()["id"], page["next"]);
        paged.extend(items);
        place = next(&page);
    }
    assert_eq!(paged[1..], all);
    assert_eq!(reader.get(&app, "").expect(200)["items"].as_array().unwrap().len(), 14);
    // The id of an event is a place, too.
    assert_eq!(reader.since(&app, paged[5]["id"].as_str().unwrap()), paged[6..]);
}

fn only_the_types_that_are_asked_for_are_told(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let ada = app.user("ada");
    ada.delete("/api/users/me/sessions/me").expect(200);
    app.ban("ada");
    let told = |kinds: &str| -> Vec<String> {
        let page = reader.get(&app, &format!("?types={kinds}")).expect(200);
        types(page["items"].as_array().unwrap()).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(told("session.*"), ["session.created", "session.ended"]);
    assert_eq!(told("user.banned,session.ended"), ["session.ended", "user.banned"]);
    assert_eq!(told("*").len(), 4);
    let none = reader.get(&app, "?types=key.rotated").expect(200);
    assert_eq!((none["items"].as_array().unwrap().len(), next(&none)), (0, reader.now(&app)));
}

fn a_service_begins_with_what_is_to_come(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    app.user("ada");
    let page = reader.get(&app, "?after=latest&types=session.*&limit=7").expect(200);
    assert_eq!(page["items"], json!([]));
    app.user("eve");
    assert_eq!(types(&reader.since(&app, &next(&page))), ["user.created", "session.created"]);
}

fn personal_data_are_for_services_that_may_have_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let plain = Reader::plain(&app);
    let personal = Reader::new(&app, "personal", EventAccess::Personal);
    let begin = plain.now(&app);
    let ada = app.user("ada");
    let login = app.anonymous().call("POST", "/api/login").header("User-Agent", "Browser/1.0");
    login.json(&json!({"username": "ada", "password": PASSWORD})).send().expect(201);
    let root = app.staff("root");
    root.put(&format!("/api/users/{}/ban", ada.id()), &json!({"password": PASSWORD, "reason": "spam"})).expect(200);
    let (told, more) = (plain.since(&app, &begin), personal.since(&app, &begin));
    assert_eq!(told.len(), more.len());
    let hidden = ["client_ip", "actor_id", "username", "user_agent"];
    for (plain, personal) in told.iter().zip(&more) {
        let mut personal = personal.clone();
        let data = personal["data"].as_object_mut().unwrap();
        hidden.iter().for_each(|name| drop(data.remove(*name)));
        assert_eq!(*plain, personal);
        let text = plain.to_string();
        for secret in ["127.0.0.1", "\"ada\"", "Browser/1.0", "spam"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(more[2]["data"]["user_agent"], "Browser/1.0");
    let ban = more.iter().find(|item| item["type"] == "user.banned").unwrap();
    assert_eq!(ban["data"]["actor_id"], root.id());
    assert_eq!((&ban["data"]["username"], &ban["data"]["client_ip"]), (&json!("ada"), &json!("127.0.0.1")));
    // Why somebody was banned is staff's own business.
    assert!(!ban.to_string().contains("spam"));
}

fn who_may_not_read_the_feed_is_told_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (reader, other) = (Reader::plain(&app), Reader::new(&app, "other", EventAccess::Denied));
    let unknown = |call: Call| {
        let response = call.send();
        assert_eq!(response.expect(401), json!({"error": "invalid_client"}));
        assert_eq!(response.header("www-authenticate"), Some("Basic realm=\"thunderhead\""));
    };
    unknown(app.anonymous().call("GET", "/events"));
    unknown(ada.call("GET", "/events"));
    unknown(Reader { name: "reader", secret: other.secret.clone() }.call(&app, ""));
    unknown(app.anonymous().call("GET", &format!("/events?client_id=reader&client_secret={}", reader.secret)));
    assert_eq!(other.get(&app, "").expect(403), json!({"error": "insufficient_scope"}));
    // Who may not ask learns nothing of what could be asked.
    assert_eq!(other.get(&app, "?x=y").status, 403);
    reader.get(&app, "").expect(200);
    block_on(app.operator().service_revoke("reader")).unwrap();
    unknown(reader.call(&app, ""));
}

fn what_is_not_understood_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    for query in ["?after=x", "?after=1-2", "?limit=0", "?limit=1001", "?types=session", "?types=", "?afer=latest"] {
        assert_eq!(reader.get(&app, query).expect(400), json!({"error": "invalid_request"}), "{query}");
    }
    let wrong = app.anonymous().post("/events", &json!({}));
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    let head = reader.call(&app, "").send();
    assert_eq!((head.status, head.header("cache-control")), (200, Some("no-store")));
}

fn a_cursor_that_nobody_can_go_on_from_is_410(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let begin = reader.now(&app);
    let ada = app.user("ada");
    let all = reader.since(&app, &begin);
    let gone = |place: &str| {
        let body = reader.get(&app, &format!("?after={place}")).expect(410);
        assert_eq!(body["error"], "cursor_gone");
        body["first"].as_str().unwrap().to_owned()
    };
    assert_eq!(gone("7000-0000000000000001"), begin);
    assert_eq!(gone("1-0000000000000001"), begin);
    app.clock().advance_seconds(100);
    ada.log_in("ada");
    reader.now(&app);
    let before = thunderhead_domain::time::Timestamp::from_unix_seconds(app.seconds() - 50);
    assert!(block_on(app.storage().prune_audit(before)).unwrap() > 0);
    let first = gone(&begin);
    assert_eq!(first, all[1]["id"].as_str().unwrap());
    assert_eq!(types(&reader.since(&app, &first)), ["session.created"]);
    assert_eq!(reader.get(&app, "").expect(200)["items"], Value::Array(reader.since(&app, &first)));
}

fn an_outage_is_503_and_nothing_is_lost(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let begin = reader.now(&app);
    app.user("ada");
    for operation in ["service_find", "feed_status", "feed_number", "feed_page"] {
        app.cut(Cut::Operation(operation));
        let response = reader.get(&app, &format!("?after={begin}"));
        assert!(response.header("retry-after").is_some(), "{operation}");
        response.is(UNAVAILABLE);
        assert!(app.cut(Cut::Nothing) > 0, "{operation}");
    }
    assert_eq!(types(&reader.since(&app, &begin)), ["user.created", "session.created"]);
}

fn nothing_stands_before_the_feed(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    let reader = Reader::plain(&app);
    app.switch(KillSwitch::Global, true);
    for _ in 0..20 {
        let response = reader.get(&app, "");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("ratelimit-limit"), None);
    }
}

fn a_change_on_one_replica_is_told_at_another_at_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let replicas = [app.replica(), app.replica()];
    let reader = Reader::plain(&app);
    let mut place = reader.now(&app);
    let ada = app.user("ada");
    for turn in 0..6 {
        let session = ada.log_in("ada");
        session.at(&replicas[turn % 2]).delete("/api/users/me/sessions/me").expect(200);
        let page = reader.get(&replicas[(turn + 1) % 2], &format!("?after={place}&types=session.ended")).expect(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{page}");
        assert_eq!(items[0]["data"]["session_uuid"], claims(session.token())["jti"]);
        place = next(&page);
    }
}
