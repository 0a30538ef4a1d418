//! Where one is signed in, and out again.

use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{PASSWORD, Response, TestApp};
use crate::kratos;

on_both_engines!(
    this_session_stands_first_and_all_dialects_are_shown,
    one_session_is_ended_and_it_is_said_by_whom,
    the_others_are_ended_and_this_one_stays,
    all_are_ended_and_one_is_out,
    a_long_list_is_paged_and_nothing_is_met_twice,
    names_are_shown_and_not_obeyed,
    nobody_ends_what_is_not_theirs,
    a_switch_shuts_what_it_shuts_in_the_api,
    tokens_for_programs_stand_elsewhere,
);

const LIST: &str = "/account/sessions";

fn rows(page: &Response) -> usize {
    assert_eq!(page.status, 200, "{page:?}");
    let text = page.text();
    let (live, _) = text.split_once("Recently ended").unwrap_or((&text, ""));
    live.matches("action=\"/account/sessions/end\"").count()
}

fn this_session_stands_first_and_all_dialects_are_shown(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.anonymous().post("/api/user/session", &serde_json::json!({"user": "ada", "pass": PASSWORD}));
    kratos::enter(&app, "ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.clock().advance_seconds(1);
    app.anonymous().log_in("ada");
    let page = browser.get(LIST);
    assert_eq!(rows(&page), 5);
    let text = page.text();
    let first = text.find("this session").unwrap();
    let others: Vec<_> =
        ["with API", "with legacy API", "with Kratos API"].map(|words| text.find(words).unwrap()).into();
    assert!(others.iter().all(|at| *at > first) && text.contains("with these pages"), "{text}");
    for part in ["aria-current=\"page\"", "<time datetime=", "127.0.0.1", "End all others", "Sign out everywhere"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("No session of yours was ended of late."), "{text}");
}

fn one_session_is_ended_and_it_is_said_by_whom(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let phone = app.anonymous().log_in("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let ended = browser.post("/account/sessions/end", &[("id", &phone.session_id().to_string())]);
    assert_eq!(ended.header("location"), Some(LIST));
    assert!(!phone.works() && ada.works());
    let page = browser.follow(&ended);
    assert!(page.text().contains("The session is ended.") && rows(&page) == 2, "{page:?}");
    let again = browser.post("/account/sessions/end", &[("id", &phone.session_id().to_string())]);
    assert!(browser.follow(&again).text().contains("over already"));
    root.delete(&format!("/api/users/{}/sessions/{}", ada.id(), ada.session_id())).expect(200);
    let text = browser.get(LIST).text();
    let (_, ended) = text.split_once("Recently ended").unwrap();
    let (staff, you) = (ended.find("ended by staff").unwrap(), ended.find("ended in a list of sessions").unwrap());
    assert!(staff < you && ended.contains(">you<") && ended.contains(">staff<"), "{ended}");
    // One's own is as good as signing out.
    let own = hidden(&text, "id");
    let out = browser.post("/account/sessions/end", &[("id", &own)]);
    assert_eq!((out.header("location"), browser.token()), (Some("/login"), None));
    for id in ["", "x", "1", "99999999999999999999"] {
        let mut other = Browser::signed_in(&app, "ada");
        assert_eq!(other.post("/account/sessions/end", &[("id", id)]).header("location"), Some(LIST), "{id}");
    }
}

fn the_others_are_ended_and_this_one_stays(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let ended = browser.post("/account/sessions/end-others", &[]);
    let page = browser.follow(&ended);
    assert!(page.text().contains("1 session was ended. You are still signed in here.") && rows(&page) == 1, "{page:?}");
    assert!(!ada.works());
    let again = browser.post("/account/sessions/end-others", &[]);
    assert!(browser.follow(&again).text().contains("There was no other session."));
}

fn all_are_ended_and_one_is_out(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let token = browser.token().unwrap().to_owned();
    let ended = browser.post("/account/sessions/end-all", &[]);
    assert_eq!((ended.header("location"), browser.token()), (Some("/login"), None));
    assert!(browser.follow(&ended).text().contains("2 sessions were ended, this one too."));
    assert!(!ada.works() && !app.anonymous().with_token(&token).works());
}

fn a_long_list_is_paged_and_nothing_is_met_twice(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for number in 0..120 {
        let call = app.anonymous().call("POST", "/api/login").header("X-Session-Name", &format!("Device {number:03}."));
        call.json(&serde_json::json!({"username": "ada", "password": PASSWORD})).send().expect(201);
        app.clock().advance_seconds(1);
    }
    let mut browser = Browser::signed_in(&app, "ada");
    let (mut path, mut seen, mut counts) = (LIST.to_owned(), String::new(), vec![]);
    loop {
        let page = browser.get(&path);
        counts.push(rows(&page));
        let text = page.text();
        seen.push_str(&text);
        let Some((_, next)) = text.split_once("rel=\"next\" href=\"") else { break };
        path = next.split('"').next().unwrap().to_owned();
    }
    // This one, and 121 others.
    assert_eq!(counts, [51, 50, 21]);
    for number in 0..120 {
        assert_eq!(seen.matches(&format!("<span class=\"name\">Device {number:03}.")).count(), 1, "{number}");
    }
    for odd in ["", "x", "1.2.3", "99999999999999999999.1.00000000-0000-0000-0000-000000000000"] {
        assert_eq!(rows(&browser.get(&format!("{LIST}?after={odd}"))), 51, "{odd}");
    }
}

fn names_are_shown_and_not_obeyed(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let evil = "<script>alert(1)</script>";
    let call = app.anonymous().call("POST", "/api/login").header("X-Session-Name", evil).header("User-Agent", evil);
    call.json(&serde_json::json!({"username": "ada", "password": PASSWORD})).send().expect(201);
    let text = Browser::signed_in(&app, "ada").get(LIST).text();
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !text.contains(evil), "{text}");
}

fn nobody_ends_what_is_not_theirs(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.user("bob");
    let mut bob = Browser::signed_in(&app, "bob");
    app.clock().advance_seconds(5);
    bob.post("/account/sessions/end", &[("id", &ada.session_id().to_string())]);
    assert!(ada.works());
    let mut visitor = Browser::new(&app);
    for path in ["/account/sessions/end", "/account/sessions/end-others", "/account/sessions/end-all"] {
        assert_eq!(visitor.post(path, &[]).header("location"), Some("/login"), "{path}");
        let mut program = Browser::with_token(&app, ada.scoped(&[Scope::All]).token());
        assert_eq!(program.post(path, &[]).status, 403, "{path}");
    }
    assert!(ada.works());
}

fn a_switch_shuts_what_it_shuts_in_the_api(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.switch(KillSwitch::AccountModify, true);
    for path in ["/account/sessions/end", "/account/sessions/end-others", "/account/sessions/end-all", "/logout"] {
        let answer = browser.post(path, &[]);
        assert!(answer.status == 503 && answer.text().contains("Switched off"), "{path}: {answer:?}");
    }
    assert_eq!(rows(&browser.get(LIST)), 2);
    app.switch(KillSwitch::Global, true);
    assert_eq!(browser.get(LIST).status, 503);
    assert!(browser.token().is_some(), "it may be good again");
}

fn tokens_for_programs_stand_elsewhere(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.scoped(&[Scope::FileRead]);
    let page = Browser::signed_in(&app, "ada").get(LIST);
    assert!(rows(&page) == 2 && !page.text().contains("script<"), "{page:?}");
}
