//! `GET /api/staff/sessions`.

use serde_json::{Value, json};
use thunderhead_domain::policy::{SessionLimits, SessionPolicy};
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, TestApp};
use crate::errors::{INSUFFICIENT_PERMISSIONS, MISSING_FIELDS};
use crate::kratos::{enter, second_step};

on_both_engines!(
    staff_find_sessions_by_all_that_they_know_of_them,
    a_session_is_shown_with_its_user_and_how_it_ended,
    what_cannot_be_searched_for_is_told,
    what_is_found_goes_on_from_page_to_page_to_its_end,
    a_page_that_is_short_of_its_limit_says_whether_there_may_be_more,
    what_the_policy_ends_is_found_as_ended,
);

fn found(staff: &Client, query: &str) -> Vec<Value> {
    staff.get(&format!("/api/staff/sessions?{query}")).expect(200)["items"].as_array().unwrap().clone()
}

/// Whose sessions are found, newest first.
fn owners(staff: &Client, query: &str) -> Vec<String> {
    let owner = |item: &Value| item["user"]["username"].as_str().unwrap().to_owned();
    found(staff, query).iter().map(owner).collect()
}

fn staff_find_sessions_by_all_that_they_know_of_them(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    app.clock().advance_seconds(10);
    let ada = app.user("ada");
    app.clock().advance_seconds(10);
    let grace = app.user("grace");
    app.clock().advance_seconds(10);
    ada.post("/api/user/session", &json!({"user": "ada", "pass": crate::app::PASSWORD}));
    app.clock().advance_seconds(10);
    let over = grace.log_in("grace");
    over.delete("/api/users/me/sessions/me").expect(200);
    grace.enrol_totp(&app);
    app.clock().advance_seconds(10);
    second_step(&enter(&app, "grace"));
    let uuid = block_on(app.operator().account("grace")).unwrap().uuid.to_string();
    let created = |query: &str| found(&root, query)[0]["createdAt"].as_str().unwrap().to_owned();
    let of_ada = created("user=ada&dialect=current");
    for (query, expected) in [
        ("", vec!["grace", "grace", "ada", "grace", "ada", "root"]),
        ("user=&ip=%20&state=", vec!["grace", "grace", "ada", "grace", "ada", "root"]),
        ("user=ada", vec!["ada", "ada"]),
        ("user=%20ADA%20", vec!["ada", "ada"]),
        ("user=ad", vec![]),
        ("user=GRACE%40example.org", vec!["grace"; 3]),
        (&format!("user={uuid}"), vec!["grace"; 3]),
        (&format!("user={}", root.id()), vec!["root"]),
        ("user=1234567890123", vec![]),
        ("user=nobody", vec![]),
        ("dialect=legacy", vec!["ada"]),
        ("dialect=kratos", vec!["grace"]),
        ("state=live", vec!["ada", "grace", "ada", "root"]),
        ("state=ended", vec!["grace"]),
        ("state=second_factor_pending", vec!["grace"]),
        ("state=expired", vec![]),
        ("ip=127.0.0.1&user=root", vec!["root"]),
        ("ip=192.0.2.1", vec![]),
        (&format!("after={of_ada}&dialect=current"), vec!["grace", "grace", "ada"]),
        (&format!("before={of_ada}"), vec!["root"]),
        (&format!("before={of_ada}&after={of_ada}"), vec![]),
        ("before=2001-01-01", vec![]),
        ("after=2001-01-01T12:00&user=root&state=live&dialect=current&ip=127.0.0.1", vec!["root"]),
        ("user=ada&state=live&dialect=legacy", vec!["ada"]),
        ("user=ada&state=ended", vec![]),
    ] {
        assert_eq!(owners(&root, query), expected, "{query}");
    }
    for scoped in [Scope::StaffReadSessions, Scope::All] {
        let script = root.scoped(&[scoped]);
        assert_eq!(owners(&script, "dialect=kratos"), ["grace"]);
    }
    root.scoped(&[Scope::StaffReadAccounts]).get("/api/staff/sessions").is(INSUFFICIENT_PERMISSIONS);
    ada.get("/api/staff/sessions?user=ada").is(INSUFFICIENT_PERMISSIONS);
}

fn a_session_is_shown_with_its_user_and_how_it_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, ada) = (app.staff("root"), app.user("ada"));
    let own = ada.get("/api/users/me/sessions/me").expect(200);
    let text = root.get("/api/staff/sessions?user=ada").text();
    assert!(!text.contains("example.org") && !text.contains("next"), "{text}");
    let mut items = found(&root, "user=ada");
    let mut item = items.remove(0);
    assert_eq!(item["user"], json!({"id": ada.id(), "username": "ada"}));
    assert_eq!(
        (&item["state"], &item["dialect"], &item["ip"]),
        (&json!("live"), &json!("current"), &json!("127.0.0.1"))
    );
    assert!(item["end"].is_null() && item.get("userAgent").is_some(), "{item}");
    for own in ["user", "state", "dialect", "ip", "userAgent", "end"] {
        item.as_object_mut().unwrap().remove(own);
    }
    assert_eq!(item, own, "the rest is a Session");
    root.delete(&format!("/api/users/{}/sessions/{}", ada.id(), ada.session_id())).expect(200);
    let ended = &found(&root, "user=ada")[0];
    assert_eq!((&ended["state"], &ended["end"]["by"]), (&json!("ended"), &json!(root.id())));
    assert_eq!(ended["end"]["why"], "revoked_by_staff");
    assert_eq!(ended["end"]["at"], ended["updatedAt"]);
}

fn what_cannot_be_searched_for_is_told(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    for (query, fields) in [
        ("ip=192.0.2", vec!["ip"]),
        ("ip=192.0.2.0%2F24", vec!["ip"]),
        ("before=yesterday", vec!["before"]),
        ("after=1700000000", vec!["after"]),
        ("after=2026-02-30", vec!["after"]),
        ("dialect=Kratos", vec!["dialect"]),
        ("state=idle", vec!["state"]),
        ("state=%ff", vec!["state"]),
        ("cursor=7", vec!["cursor"]),
        (
            "cursor=x&state=x&dialect=x&after=x&before=x&ip=x&user=x",
            vec!["ip", "before", "after", "dialect", "state", "cursor"],
        ),
    ] {
        let answer = root.get(&format!("/api/staff/sessions?{query}"));
        answer.is_with(MISSING_FIELDS, json!({ "fields": fields }));
    }
    // As in every list, what is no limit is the default, and what is unknown is left aside.
    assert_eq!(found(&root, "limit=x&offset=7&page=3").len(), 1);
    assert!(found(&root, "limit=0").is_empty());
}

fn what_is_found_goes_on_from_page_to_page_to_its_end(database: TestDatabase) {
    let app = TestApp::start(database);
    let (root, ada) = (app.staff("root"), app.user("ada"));
    for _ in 0..6 {
        app.clock().advance_seconds(1);
        ada.log_in("ada");
    }
    for (query, limit, pages) in
        [("user=ada", 3, 3), ("", 4, 2), ("state=live&user=ada", 7, 1), ("ip=127.0.0.1", 50, 1)]
    {
        let (mut met, mut asked, mut next) = (Vec::new(), 0, String::new());
        loop {
            let page = root.get(&format!("/api/staff/sessions?{query}&limit={limit}{next}")).expect(200);
            asked += 1;
            met.extend(page["items"].as_array().unwrap().iter().map(|item| item["uuid"].to_string()));
            let Some(place) = page.get("next") else { break };
            next = format!("&cursor={}", place.as_str().unwrap());
        }
        let all = found(&root, &format!("{query}&limit=50"));
        let expected: Vec<_> = all.iter().map(|item| item["uuid"].to_string()).collect();
        assert_eq!((met, asked), (expected, pages), "{query}");
    }
}

fn a_page_that_is_short_of_its_limit_says_whether_there_may_be_more(database: TestDatabase) {
    let on_sqlite = database.url().sqlite_path().is_some();
    let app = TestApp::start(database);
    let (root, ada) = (app.staff("root"), app.user("ada"));
    ada.log_in("ada").delete("/api/users/me/sessions/me").expect(200);
    let uuid = if on_sqlite { "unhex(printf('%032x', n))" } else { "decode(lpad(to_hex(n), 32, '0'), 'hex')" };
    let later = app.millis() + 1_000;
    app.tamper(&format!(
        "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 5500) \
         INSERT INTO sessions (uuid, user_id, id, name, expires_at, created_at, updated_at, dialect, authentications, \
         second_factor_pending) SELECT {uuid}, {}, n, 'x', {later} + 1000000, {later} + n, 0, 'current', '', FALSE FROM series",
        ada.id()
    ));
    let first = root.get("/api/staff/sessions?state=ended").expect(200);
    let place = first["next"].as_str().unwrap();
    assert_eq!(first["items"], json!([]));
    let second = root.get(&format!("/api/staff/sessions?state=ended&cursor={place}")).expect(200);
    assert_eq!((second["items"].as_array().unwrap().len(), second.get("next")), (1, None));
}

fn what_the_policy_ends_is_found_as_ended(database: TestDatabase) {
    let limits = SessionLimits { idle: Some(3_600), ..SessionLimits::DEFAULT };
    let app = TestApp::with(database, |config| {
        config.policy.sessions = SessionPolicy { users: limits, staff: SessionLimits::DEFAULT };
    });
    let (root, _ada) = (app.staff("root"), app.user("ada"));
    assert_eq!(owners(&root, "state=live&user=ada"), ["ada"]);
    app.clock().advance_seconds(3_661);
    assert_eq!(owners(&root, "state=live"), ["root"]);
    let ended = &found(&root, "state=ended")[0];
    assert_eq!((&ended["end"]["by"], &ended["end"]["why"]), (&json!("system"), &json!("idle")));
}
