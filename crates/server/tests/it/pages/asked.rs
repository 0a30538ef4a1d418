//! How often a page asks the database, beside the check of the session: for what it shows, and for nothing twice.

use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::browser::Browser;
use crate::app::TestApp;

on_both_engines!(
    a_page_asks_for_what_it_shows_and_for_nothing_twice,
    what_is_not_there_is_not_asked_for,
    who_is_known_is_not_asked_for_again,
);

/// What checks a session, and the switches.
const CHECK: [&str; 2] = ["session_authority", "changes_since"];

/// What a page asks for, once the session is known.
fn asks(app: &TestApp, browser: &mut Browser, path: &str) -> Vec<&'static str> {
    assert_eq!(browser.get(path).status, 200, "{path}");
    app.asked();
    assert_eq!(browser.get(path).status, 200, "{path}");
    app.asked().into_iter().filter(|operation| !CHECK.contains(operation)).collect()
}

#[track_caller]
fn expect(app: &TestApp, browser: &mut Browser, rows: &[(&str, &[&str])]) {
    for (path, expected) in rows {
        assert_eq!(asks(app, browser, path), *expected, "{path}");
    }
}

fn a_page_asks_for_what_it_shows_and_for_nothing_twice(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.scoped(&[Scope::FileRead]);
    let mut browser = Browser::signed_in(&app, "ada");
    ada.enrol_totp(&app);
    expect(
        &app,
        &mut browser,
        &[
            ("/account", &["backup_codes_left", "session_list", "audit_search"]),
            ("/account/sessions", &["session_list", "session_recently_ended"]),
            ("/account/tokens", &["session_list"]),
            ("/account/security", &["factor_list", "backup_codes_left", "factor_keys"]),
            ("/account/confirm", &["factor_keys"]),
            ("/logout", &[]),
        ],
    );
    app.user("grace");
    let forms: [(&str, &[&str]); 4] = [
        ("/account/tokens/new", &[]),
        ("/account/security/totp", &[]),
        ("/account/security/webauthn", &[]),
        ("/account/security/passkey", &[]),
    ];
    expect(&app, &mut Browser::signed_in(&app, "grace"), &forms);
    let link = block_on(app.operator().link_create("ada")).unwrap().1.path();
    expect(&app, &mut Browser::new(&app), &[("/login", &[]), ("/register", &[]), (&link, &["link_find"])]);

    app.staff("root");
    let mut root = Browser::signed_in(&app, "root");
    app.switch(thunderhead_domain::switch::KillSwitch::FileCreate, true);
    let wrong = serde_json::json!({"username": "ada", "password": "wrong"});
    app.anonymous().post("/api/login", &wrong);
    block_on(app.auth().flush_failures()).unwrap();
    let of_ada = format!("/staff/users/{}", ada.id());
    let session = ada.get("/api/users/me/sessions/me").expect(200)["uuid"].as_str().unwrap().to_owned();
    let newest = ["account_newest", "session_list", "failed_logins_newest", "audit_search", "account_find_some"];
    expect(
        &app,
        &mut root,
        &[
            ("/staff", &newest),
            ("/staff/search?q=ada", &["account_search"]),
            (&format!("/staff/search?q={}", ada.id()), &["account_find"]),
            ("/staff/search?q=127.0.0.1", &["account_search", "session_search"]),
            ("/staff/sessions", &["session_search"]),
            ("/staff/sessions?user=ada&state=live", &["account_find", "session_search"]),
            (&format!("/staff/search?q={session}"), &["account_find", "account_search", "session_find_with_user"]),
            (&of_ada, &["account_find", "session_list", "factor_list", "audit_search"]),
            (&format!("{of_ada}/ban"), &["account_find"]),
            (&format!("{of_ada}/link"), &["account_find"]),
            (&format!("/staff/sessions/{session}/end"), &["session_find_with_user"]),
            ("/staff/audit", &["audit_search", "account_find_some"]),
            ("/staff/switches", &["switches_turned"]),
            ("/staff/switches/GLOBAL/on", &[]),
            ("/staff/services", &["service_list"]),
            ("/staff/webhooks", &["webhook_list"]),
            ("/staff/status", &["signing_keys"]),
        ],
    );
}

fn what_is_not_there_is_not_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    expect(&app, &mut browser, &[("/account", &["session_list", "audit_search"]), ("/account/security", &[])]);
    assert!(browser.get("/account/security").text().contains("There is none."));
    app.staff("root");
    let mut root = Browser::signed_in(&app, "root");
    let of_ada = format!("/staff/users/{}", ada.id());
    expect(&app, &mut root, &[(&of_ada, &["account_find", "session_list", "audit_search"])]);
}

/// The user whose page it is, and the member of staff who looks.
fn who_is_known_is_not_asked_for_again(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.staff("root");
    let mut root = Browser::signed_in(&app, "root");
    let of_ada = format!("/staff/users/{}", ada.id());
    assert_eq!(root.post(&format!("{of_ada}/verify"), &[]).status, 303);
    let page = root.get(&of_ada).text();
    assert!(page.contains(">root</a>") && page.contains("Address verified"), "{page}");
    assert!(!asks(&app, &mut root, &of_ada).contains(&"account_find_some"));
    let other = app.staff("other");
    let body = serde_json::json!({"password": crate::app::PASSWORD});
    other.put(&format!("/api/users/{}/ban", ada.id()), &body).expect(200);
    let page = root.get(&of_ada).text();
    assert!(page.contains(">other</a>"), "{page}");
    assert!(asks(&app, &mut root, &of_ada).contains(&"account_find_some"));
}
