//! The pass: a browser shows it to the applications of a domain, and it is good for what their proxies ask alone.

use serde_json::json;
use thunderhead_domain::scope::Scope;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::sign_in::{TOLD, navigation, with};
use super::{PATH, answer, before_applications};
use crate::app::{Cut, PASSWORD, Response, TestApp};
use crate::introspect::Service;
use crate::pages::browser::{Browser, PASS, SESSION};

on_both_engines!(
    who_signs_in_is_given_a_pass_for_the_domain,
    a_pass_opens_nothing_but_what_proxies_ask,
    a_fresh_pass_takes_the_place_of_the_one_before,
    a_pass_ends_with_its_session,
    whatever_clears_the_cookie_of_a_session_clears_its_pass,
    a_pass_comes_last_and_only_where_there_is_a_domain,
    a_pass_changes_things_from_the_same_origin_only,
    a_database_that_takes_no_pass_leads_nobody_round,
);

/// Whom a proxy is told of that asks with this cookie.
fn told(app: &TestApp, cookie: &str) -> Option<String> {
    let response = answer(with(navigation(app, ""), &[("Cookie", cookie)]));
    assert_eq!(response.status, if response.header("x-user-name").is_some() { 204 } else { 401 });
    response.header("x-user-name").map(str::to_owned)
}

fn ada() -> Option<String> {
    Some("ada".to_owned())
}

fn who_signs_in_is_given_a_pass_for_the_domain(database: TestDatabase) {
    let app = before_applications(database);
    app.user("ada");
    let given = |fields: &[(&str, &str)]| {
        let answer = Browser::new(&app).post("/login", fields);
        let cookies = answer.headers("set-cookie").into_iter().filter(|cookie| cookie.starts_with(PASS));
        let cookies: Vec<_> = cookies.map(str::to_owned).collect();
        assert_eq!(cookies.len(), 1, "{answer:?}");
        let (value, attributes) = cookies[0].split_once("; ").unwrap();
        let value = value.strip_prefix("__Secure-thunderhead_pass=").unwrap();
        assert!(value.len() == 47 && value.starts_with("thk_"), "{value}");
        let mut attributes: Vec<_> = attributes.split("; ").map(str::to_owned).collect();
        attributes.sort();
        attributes
    };
    let known = [("username", "ada"), ("password", PASSWORD)];
    let expected = |age| ["Domain=example.org", "HttpOnly", age, "Path=/", "SameSite=Lax", "Secure"];
    assert_eq!(given(&known), expected("Max-Age=86400"));
    assert_eq!(given(&[known[0], known[1], ("remember", "on")]), expected("Max-Age=315576000"));
    let registration =
        [("username", "bob"), ("email", "bob@example.org"), ("new-password", PASSWORD), ("confirm-password", PASSWORD)];
    let mut browser = Browser::new(&app);
    assert_eq!(browser.post("/register", &registration).status, 303);
    assert_eq!(told(&app, &browser.pass()).as_deref(), Some("bob"));
    // Nobody else gets one.
    let wrong = Browser::new(&app).post("/login", &[("username", "ada"), ("password", "wrong")]);
    let api = app.anonymous().post("/api/login", &json!({"username": "ada", "password": PASSWORD}));
    for response in [wrong, api] {
        assert!(response.headers("set-cookie").iter().all(|cookie| !cookie.starts_with(PASS)), "{response:?}");
    }
}

fn a_pass_opens_nothing_but_what_proxies_ask(database: TestDatabase) {
    let app = before_applications(database);
    let replica = app.replica();
    let shop = Service::new(&app);
    let client = app.user("ada");
    let browser = Browser::signed_in(&app, "ada");
    let pass = browser.cookie(PASS).unwrap().to_owned();
    let by_token = client.with_token(&pass);
    for app in [&app, &replica] {
        // Twice: the second time it is cached.
        for _ in 0..2 {
            assert_eq!(told(app, &browser.pass()), ada());
            for path in ["/api/users/me", "/api/user/session", "/auth/sessions/whoami", "/forward-auth"] {
                assert_eq!(by_token.at(app).get(path).status, 401, "{path}");
                let header = app.anonymous().call("GET", path).header("X-Session-Token", &pass).send();
                assert_eq!(header.status, 401, "{path}");
                let by_cookie = app.anonymous().call("GET", path).header("Cookie", &format!("{SESSION}={pass}"));
                assert_eq!(by_cookie.send().status, 401, "{path}");
                let alone = app.anonymous().call("GET", path).header("Cookie", &browser.pass()).send();
                assert_eq!(alone.status, if path == "/forward-auth" { 403 } else { 401 }, "{path}: {alone:?}");
            }
            let pages = app.anonymous().call("GET", "/account").header("Cookie", &browser.pass()).send();
            assert_eq!((pages.status, pages.header("location")), (303, Some("/login?rd=%2Faccount")));
        }
    }
    assert_eq!(shop.told(&by_token), json!({"active": false}));
    let ended = app.anonymous().call("DELETE", "/auth/self-service/logout/api").json(&json!({"session_token": pass}));
    assert_eq!(ended.send().status, 403, "it stands for no session");
    assert_eq!(told(&app, &browser.pass()), ada());
    // Nor is a token a pass.
    for token in [client.token(), browser.token().unwrap(), "thk_", "garbage", &"x".repeat(10_000)] {
        assert_eq!(told(&app, &format!("{PASS}={token}")), None, "{token}");
    }
}

fn a_fresh_pass_takes_the_place_of_the_one_before(database: TestDatabase) {
    let app = before_applications(database);
    let replica = app.replica();
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.clock().advance_seconds(400);
    let before = browser.pass();
    for _ in 0..2 {
        assert_eq!([&app, &replica].map(|app| told(app, &before)), [ada(), ada()]);
    }
    let rd = "/login?rd=https%3A%2F%2Fapp.example.org%2Fx";
    let led = browser.get(rd);
    assert_eq!((led.status, led.header("location")), (303, Some("https://app.example.org/x")));
    let cookie = led.headers("set-cookie").join(" ");
    assert!(cookie.contains("Max-Age=86000") && !cookie.contains(SESSION), "{cookie}");
    let after = browser.pass();
    assert_ne!(before, after);
    assert_eq!([&replica, &app].map(|app| told(app, &before)), [None, None]);
    assert_eq!([&app, &replica].map(|app| told(app, &after)), [ada(), ada()]);
    // Another session of the same user keeps its own.
    let other = Browser::signed_in(&app, "ada");
    assert_eq!([&other.pass(), &after].map(|pass| told(&replica, pass)), [ada(), ada()]);
    // A token for programs gets none.
    let scoped = app.anonymous().log_in("ada").scoped(&[Scope::All]);
    let shown = Browser::with_token(&app, scoped.token()).get(rd);
    assert!(shown.status == 200 && shown.headers("set-cookie").is_empty(), "{shown:?}");
}

fn a_pass_ends_with_its_session(database: TestDatabase) {
    let app = before_applications(database);
    let replica = app.replica();
    let client = app.user("ada");
    let remember = |browser: &Browser| {
        for _ in 0..2 {
            assert_eq!(told(&replica, &browser.pass()), ada());
        }
        browser.pass()
    };
    let mut out = Browser::signed_in(&app, "ada");
    let pass = remember(&out);
    let answer = out.post("/logout", &[]);
    let cleared = answer.headers("set-cookie").into_iter().find(|cookie| cookie.starts_with(PASS)).unwrap();
    let attributes = ["=; ", "Domain=example.org", "Max-Age=0", "Path=/", "Secure", "HttpOnly"];
    assert!(attributes.iter().all(|part| cleared.contains(part)), "{cleared}");
    assert_eq!((told(&replica, &pass), told(&app, &pass)), (None, None));
    let browser = Browser::signed_in(&app, "ada");
    let pass = remember(&browser);
    client.delete("/api/users/me/sessions/all").expect(200);
    assert_eq!((told(&replica, &pass), told(&app, &pass)), (None, None));
    let browser = Browser::signed_in(&app, "ada");
    let pass = remember(&browser);
    app.clock().advance_seconds(86_399);
    assert_eq!(told(&replica, &pass), ada());
    app.clock().advance_seconds(1);
    assert_eq!((told(&replica, &pass), told(&app, &pass)), (None, None));
}

fn whatever_clears_the_cookie_of_a_session_clears_its_pass(database: TestDatabase) {
    let app = before_applications(database);
    let without = app.replica_with(|config| config.http.pages.as_mut().unwrap().pass_domain = None);
    app.user("ada");
    let cleared = |response: &Response| {
        let cookies = response.headers("set-cookie").into_iter().filter(|cookie| cookie.contains("Max-Age=0"));
        let mut names: Vec<_> = cookies.map(|cookie| cookie.split('=').next().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let (both, neither): (&[&str], &[&str]) = (&[SESSION, PASS], &[]);
    let dead = |app: &TestApp, path: &str| Browser::with_token(app, &"x".repeat(32)).get(path);
    for path in ["/account", "/auth/sessions/whoami", "/api/users/me"] {
        let response = dead(&app, path);
        assert_eq!(cleared(&response), both, "{path}: {response:?}");
        let told = response.headers("set-cookie").into_iter().find(|cookie| cookie.starts_with(PASS)).unwrap();
        assert!(told.contains("Domain=example.org") && told.contains("Secure"), "{told}");
        assert_eq!(cleared(&dead(&without, path)), [SESSION], "{path}");
    }
    // Logging out, in every dialect that does it by a cookie.
    for by_page in [true, false] {
        let mut browser = Browser::signed_in(&app, "ada");
        let pass = browser.pass();
        let done = if by_page {
            browser.post("/logout", &[])
        } else {
            let begun = browser.get("/auth/self-service/logout/browser").expect(200);
            let token = begun["logout_token"].as_str().unwrap();
            browser.get(&format!("/auth/self-service/logout?token={token}"))
        };
        assert_eq!(cleared(&done), both, "{done:?}");
        assert_eq!((browser.cookie(SESSION), browser.cookie(PASS), told(&app, &pass)), (None, None, None));
    }
    // What leaves the session's cookie leaves the pass.
    let mut browser = Browser::signed_in(&app, "ada");
    assert_eq!(cleared(&browser.get("/auth/self-service/logout?token=x")), neither);
    let old = browser.token().unwrap().to_owned();
    assert_eq!(browser.post("/account/confirm", &[("password", PASSWORD)]).status, 303);
    assert_eq!(cleared(&Browser::with_token(&app, &old).get("/account")), neither, "another tab");
    assert!(browser.cookie(PASS).is_some());
}

fn a_pass_comes_last_and_only_where_there_is_a_domain(database: TestDatabase) {
    let app = before_applications(database);
    let without = app.replica_with(|config| config.http.pages.as_mut().unwrap().pass_domain = None);
    let order = |names: &[&str]| CredentialOrder::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let first = app.replica_with(|config| config.http.forward_auth_credentials = order(&["pass", "cookie"]).unwrap());
    let never = app.replica_with(|config| config.http.forward_auth_credentials = order(&["cookie"]).unwrap());
    let (bob, _) = (app.user("bob"), app.user("ada"));
    let pass = Browser::signed_in(&app, "ada").pass();
    let both = format!("{pass}; {SESSION}={}", bob.token());
    let bob = Some("bob".to_owned());
    assert_eq!([&app, &first, &never, &without].map(|app| told(app, &pass)), [ada(), ada(), None, None]);
    assert_eq!([&app, &first, &never].map(|app| told(app, &both)), [bob.clone(), ada(), bob]);
    let dead = format!("{pass}; {SESSION}=garbage");
    assert_eq!([&app, &first].map(|app| told(app, &dead)), [None, ada()]);
    assert_eq!(told(&app, &format!("{pass}; {pass}")), None);
}

fn a_pass_changes_things_from_the_same_origin_only(database: TestDatabase) {
    let app = before_applications(database);
    app.user("ada");
    let pass = Browser::signed_in(&app, "ada").pass();
    let post = ("X-Forwarded-Method", "POST");
    for (lines, status) in [
        (&[TOLD[0]][..], 204),
        (&[TOLD[0], ("Sec-Fetch-Site", "cross-site")], 204),
        (&[post, ("Sec-Fetch-Site", "same-origin")], 204),
        (&[post, ("Sec-Fetch-Site", "same-site")], 403),
        (&[post, ("Sec-Fetch-Site", "cross-site")], 403),
        (&[TOLD[0], ("Upgrade", "websocket"), ("Sec-Fetch-Site", "same-site")], 403),
        (&[], 403),
    ] {
        let call = app.anonymous().call("GET", PATH).header("Cookie", &pass);
        assert_eq!(answer(with(call, lines)).status, status, "{lines:?}");
    }
}

fn a_database_that_takes_no_pass_leads_nobody_round(database: TestDatabase) {
    let app = before_applications(database);
    app.user("ada");
    app.cut(Cut::Operation("session_set_pass"));
    let mut browser = Browser::signed_in(&app, "ada");
    assert!(browser.cookie(PASS).is_none(), "the session stands without");
    let page = browser.get("/login?rd=https%3A%2F%2Fapp.example.org%2Fx");
    assert_eq!((page.status, page.header("location")), (503, None), "{page:?}");
    app.cut(Cut::Nothing);
    assert_eq!(browser.get("/login?rd=https%3A%2F%2Fapp.example.org%2Fx").status, 303);
    assert_eq!(told(&app, &browser.pass()), ada());
}
