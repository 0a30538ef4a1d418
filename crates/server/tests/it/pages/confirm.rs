//! Confirming that a session is in its user's hands.

use serde_json::json;
use thunderhead_domain::audit::{ActionContext, AuditFilter, AuditKind};
use thunderhead_domain::ports::{Clock as _, PageRequest};
use thunderhead_domain::session::{Actor, EndReason};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::browser::{Browser, SESSION, hidden};
use crate::app::{Cut, PASSWORD, Response, TestApp};

on_both_engines!(
    a_password_confirms_a_session_which_gets_another_token,
    a_second_factor_is_asked_for_behind_the_password,
    what_is_wrong_is_told_and_gives_no_token,
    the_cookie_stays_as_long_as_the_one_before,
    a_token_that_was_replaced_leads_to_the_sign_in_and_its_cookie_is_left_alone,
    a_session_with_a_signed_token_is_sent_to_sign_in,
    a_challenge_of_a_confirmation_opens_nothing_else_and_none_else_confirms,
    wrong_passwords_count_and_an_ended_session_is_not_confirmed,
    a_switch_keeps_sessions_from_being_confirmed,
    of_two_tabs_that_confirm_at_once_one_has_the_token,
);

const PATH: &str = "/account/confirm?rd=%2Faccount%2Fsessions";

fn by_password(browser: &mut Browser) -> Response {
    browser.post(PATH, &[("password", PASSWORD)])
}

fn recorded(app: &TestApp) -> u64 {
    let filter = AuditFilter { kind: Some(AuditKind::SessionConfirmed), ..AuditFilter::default() };
    block_on(app.storage().audit_page(filter, PageRequest { limit: 0, offset: 0 })).unwrap().count
}

fn a_password_confirms_a_session_which_gets_another_token(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let before = browser.token().unwrap().to_owned();
    let page = browser.get(PATH).text();
    for part in ["Confirm it is you", "autocomplete=\"current-password\"", "action=\"/account/confirm?rd=%2Faccount"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(browser.token(), Some(&*before), "to look changes nothing");
    let done = by_password(&mut browser);
    assert_eq!((done.status, done.header("location")), (303, Some("/account/sessions")));
    let after = browser.token().unwrap().to_owned();
    assert!(after != before && after.len() == before.len());
    assert_eq!(browser.follow(&done).status, 200);
    let old = Browser::with_token(&app, &before).get("/account/sessions");
    assert_eq!((old.status, old.header("location")), (303, Some("/login?rd=%2Faccount%2Fsessions")));
    // The session is the same one: none was opened, none has ended.
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 2);
    assert_eq!(recorded(&app), 1);
    let elsewhere = browser.post("/account/confirm?rd=https%3A%2F%2Fevil.example", &[("password", PASSWORD)]);
    assert_eq!(elsewhere.header("location"), Some("/account"));
}

fn a_second_factor_is_asked_for_behind_the_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let (phone, _) = ada.enrol_totp(&app);
    let before = browser.token().unwrap().to_owned();
    let asked = by_password(&mut browser);
    let text = asked.text();
    assert!(asked.status == 200 && text.contains("one-time-code"), "{text}");
    assert!(text.contains("action=\"/account/confirm?rd=%2Faccount%2Fsessions\""), "{text}");
    assert_eq!(browser.token(), Some(&*before));
    let [challenge, kinds, options] = ["challenge", "kinds", "options"].map(|name| hidden(&text, name));
    let answer = |code: &str| {
        let code = code.to_owned();
        [
            ("challenge", challenge.clone()),
            ("kinds", kinds.clone()),
            ("options", options.clone()),
            ("kind", "totp".to_owned()),
            ("code", code),
        ]
    };
    let send = |browser: &mut Browser, code: &str| {
        let fields = answer(code);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(PATH, &fields)
    };
    let missing = send(&mut browser, " ");
    assert!(missing.status == 400 && missing.text().contains("Type the code."), "{missing:?}");
    let wrong = send(&mut browser, "000000");
    assert!(wrong.status == 401 && wrong.text().contains("The code is wrong"), "{wrong:?}");
    let code = phone.fresh_code(&app);
    let done = send(&mut browser, &code);
    assert_eq!((done.status, done.header("location")), (303, Some("/account/sessions")));
    assert_ne!(browser.token(), Some(&*before));
    assert_eq!(recorded(&app), 1);
    // Neither challenge nor code is good twice.
    let again = send(&mut browser, &code);
    assert!(again.status == 401 && again.text().contains("Begin again"), "{again:?}");
}

fn what_is_wrong_is_told_and_gives_no_token(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let before = browser.token().unwrap().to_owned();
    let missing = browser.post(PATH, &[]);
    assert!(missing.status == 400 && missing.text().contains("Type your password."), "{missing:?}");
    let wrong = browser.post(PATH, &[("password", "wrong")]);
    assert!(wrong.status == 401 && wrong.text().contains("The password is wrong."), "{wrong:?}");
    let stale = browser.post(PATH, &[("challenge", "x"), ("kind", "totp"), ("code", "123456")]);
    assert!(stale.status == 401 && stale.text().contains("Begin again"), "{stale:?}");
    assert_eq!((browser.token(), recorded(&app)), (Some(&*before), 0));
}

fn the_cookie_stays_as_long_as_the_one_before(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let cookie = by_password(&mut browser).headers("set-cookie").remove(0).to_owned();
    assert!(cookie.starts_with(SESSION) && !cookie.contains("Max-Age"), "{cookie}");
    let mut browser = Browser::new(&app);
    let fields = [("username", "ada"), ("password", PASSWORD), ("remember", "on")];
    assert_eq!(browser.post("/login", &fields).status, 303);
    app.clock().advance_seconds(1_000);
    let cookie = by_password(&mut browser).headers("set-cookie").remove(0).to_owned();
    assert!(cookie.contains(&format!("Max-Age={}", 315_576_000 - 1_000)), "{cookie}");
}

fn a_token_that_was_replaced_leads_to_the_sign_in_and_its_cookie_is_left_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let mut tab = Browser::with_token(&app, browser.token().unwrap());
    assert_eq!(by_password(&mut browser).status, 303);
    assert_eq!(tab.get("/account").status, 303);
    assert!(tab.token().is_some(), "another tab's cookie would be lost");
    app.clock().advance_seconds(61);
    assert_eq!(tab.get("/account").status, 303);
    assert_eq!(tab.token(), None);
    assert_eq!(browser.get("/account").status, 200);
}

fn a_session_with_a_signed_token_is_sent_to_sign_in(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for send in [|browser: &mut Browser| browser.get(PATH), by_password] {
        let mut browser = Browser::with_token(&app, ada.token());
        assert_eq!(browser.get("/account").status, 200);
        let answer = send(&mut browser);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login?rd=%2Faccount%2Fsessions")));
        assert_eq!(browser.token(), None, "or the sign-in page would lead back");
        assert_eq!(browser.follow(&answer).status, 200);
    }
    assert!(ada.works());
}

fn a_challenge_of_a_confirmation_opens_nothing_else_and_none_else_confirms(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let (phone, _) = ada.enrol_totp(&app);
    let text = by_password(&mut browser).text();
    let own = hidden(&text, "challenge");
    let mut stranger = Browser::new(&app);
    let of_login = hidden(&stranger.sign_in("/login", "ada").text(), "challenge");
    let code = phone.fresh_code(&app);
    let fields = |challenge| [("challenge", challenge), ("kind", "totp"), ("code", code.as_str())];
    assert_eq!(stranger.post("/login/verify", &fields(&own)).status, 401);
    assert_eq!(browser.post(PATH, &fields(&of_login)).status, 401);
    // Another session's is as little good.
    let mut other = Browser::new(&app);
    let challenge = hidden(&other.sign_in("/login", "ada").text(), "challenge");
    let fresh = phone.fresh_code(&app);
    let answer = other.post("/login/verify", &[("challenge", &challenge), ("kind", "totp"), ("code", &fresh)]);
    assert_eq!(answer.status, 303, "{answer:?}");
    let fresh = phone.fresh_code(&app);
    let fields = |challenge| [("challenge", challenge), ("kind", "totp"), ("code", fresh.as_str())];
    assert_eq!(other.post(PATH, &fields(&own)).status, 401);
    let path = "/api/users/me/sessions";
    let body = json!({"name": "x", "permissionFlags": 32, "2fa": {"token": own, "type": "totp", "code": fresh}});
    assert_eq!(ada.post(path, &body).status, 401);
    assert_eq!(browser.post(PATH, &fields(&own)).status, 303, "nothing was spent");
}

fn wrong_passwords_count_and_an_ended_session_is_not_confirmed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    for _ in 0..10 {
        assert_eq!(browser.post(PATH, &[("password", "wrong")]).status, 401);
    }
    let throttled = by_password(&mut browser);
    assert!(throttled.status == 429 && throttled.header("retry-after").is_some(), "{throttled:?}");
    app.clock().advance_seconds(1);
    assert_eq!(by_password(&mut browser).status, 303, "a right one clears the count");
    assert_eq!(browser.post(PATH, &[("password", "wrong")]).status, 401);
    let (user, at) = (ada.user_id(), app.clock().now());
    app.before("session_confirm", move |storage| {
        let action = ActionContext { at, by: Actor::User(user), client_ip: None };
        block_on(storage.session_end_all(user, EndReason::Revoked, action)).unwrap();
    });
    let ended = by_password(&mut browser);
    assert_eq!((ended.status, ended.header("location")), (303, Some("/login")));
}

fn a_switch_keeps_sessions_from_being_confirmed(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.switch(KillSwitch::AccountModify, true);
    assert_eq!(by_password(&mut browser).status, 503);
    app.switch(KillSwitch::AccountModify, false);
    app.cut(Cut::Operation("session_confirm"));
    assert_eq!(by_password(&mut browser).status, 503);
    app.cut(Cut::Nothing);
    assert_eq!((browser.get("/account").status, recorded(&app)), (200, 0), "nothing is half done");
    assert_eq!(by_password(&mut browser).status, 303);
}

fn of_two_tabs_that_confirm_at_once_one_has_the_token(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let (token, other) = (Browser::signed_in(&app, "ada").token().unwrap().to_owned(), app.replica());
    let tabs = std::thread::scope(|scope| {
        let threads = [&app, &other].map(|app| {
            let token = token.as_str();
            scope.spawn(move || {
                let mut tab = Browser::with_token(app, token);
                let answer = by_password(&mut tab);
                (answer.header("location").map(str::to_owned), tab.token().map(str::to_owned))
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let won: Vec<_> = tabs.iter().filter(|(location, _)| location.as_deref() == Some("/account/sessions")).collect();
    let [(_, Some(new))] = won.as_slice() else { panic!("{tabs:?}") };
    assert_eq!(Browser::with_token(&app, new).get("/account").status, 200);
    let lost = tabs.iter().find(|(_, kept)| kept.as_ref() != Some(new)).unwrap();
    assert_eq!(lost.1.as_deref(), Some(&*token), "its cookie is left alone: {lost:?}");
    assert_eq!(recorded(&app), 1);
}
