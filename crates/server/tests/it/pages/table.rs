//! What holds for every page, walked row by row: who may, where a form must come from, and what browsers are told.

use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, form};
use crate::app::{Cut, Response, TestApp};

on_both_engines!(
    every_page_is_for_whom_it_is_for,
    every_form_must_come_from_a_page_of_this_site,
    every_answer_tells_browsers_what_it_must,
    a_database_that_is_away_is_a_page_and_signs_nobody_out,
    what_is_not_there_is_a_page_and_what_was_there_before_is_not,
    the_address_of_this_machine_leads_to_its_name,
    style_and_script_are_kept_for_ever,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Visitors,
    Users,
    Staff,
    /// Of a link, which is not this one.
    Holders,
}

use For::{Holders, Staff, Users, Visitors};

const LINK: &str = "/link/thk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Every page, and every form, with fields that change nothing.
const ROWS: [(&str, &str, For); 74] = [
    ("GET", "/", Visitors),
    ("GET", "/login", Visitors),
    ("POST", "/login", Visitors),
    ("GET", "/login/verify", Visitors),
    ("POST", "/login/verify", Visitors),
    ("GET", "/register", Visitors),
    ("POST", "/register", Visitors),
    ("GET", LINK, Holders),
    ("POST", LINK, Holders),
    ("GET", "/logout", Users),
    ("POST", "/logout", Users),
    ("GET", "/account", Users),
    ("GET", "/account/confirm", Users),
    ("POST", "/account/confirm", Users),
    ("GET", "/account/sessions", Users),
    ("POST", "/account/sessions/end", Users),
    ("POST", "/account/sessions/end-others", Users),
    ("POST", "/account/sessions/end-all", Users),
    ("GET", "/staff", Staff),
    ("GET", "/staff/search?q=ada", Staff),
    ("POST", "/staff/search", Staff),
    ("GET", "/staff/sessions", Staff),
    ("GET", "/staff/audit", Staff),
    ("GET", "/staff/audit.csv", Staff),
    ("GET", "/staff/switches", Staff),
    ("GET", "/staff/services", Staff),
    ("GET", "/staff/webhooks", Staff),
    ("GET", "/staff/status", Staff),
    ("GET", "/staff/users/1234567890123", Staff),
    ("GET", "/staff/users/1234567890123/end-sessions", Staff),
    ("POST", "/staff/users/1234567890123/end-sessions", Staff),
    ("GET", "/account/tokens", Users),
    ("POST", "/account/tokens/end", Users),
    ("GET", "/account/tokens/new", Users),
    ("POST", "/account/tokens/new", Users),
    ("GET", "/.well-known/change-password", Visitors),
    ("GET", "/.well-known/webauthn", Holders),
    ("GET", "/account/security", Users),
    ("POST", "/account/security/password", Users),
    ("POST", "/account/security/password/remove", Users),
    ("POST", "/account/security/name", Users),
    ("POST", "/account/security/email", Users),
    ("POST", "/account/security/factors/remove", Users),
    ("POST", "/account/security/codes", Users),
    ("GET", "/account/security/totp", Users),
    ("POST", "/account/security/totp", Users),
    ("GET", "/account/security/webauthn", Users),
    ("POST", "/account/security/webauthn", Users),
    ("GET", "/account/security/passkey", Users),
    ("POST", "/account/security/passkey", Users),
    ("GET", "/staff/users/1234567890123/ban", Staff),
    ("POST", "/staff/users/1234567890123/ban", Staff),
    ("GET", "/staff/users/1234567890123/unban", Staff),
    ("POST", "/staff/users/1234567890123/unban", Staff),
    ("GET", "/staff/users/1234567890123/verify", Staff),
    ("POST", "/staff/users/1234567890123/verify", Staff),
    ("GET", "/staff/users/1234567890123/unverify", Staff),
    ("POST", "/staff/users/1234567890123/unverify", Staff),
    ("GET", "/staff/users/1234567890123/rename", Staff),
    ("POST", "/staff/users/1234567890123/rename", Staff),
    ("GET", "/staff/users/1234567890123/remove-factors", Staff),
    ("POST", "/staff/users/1234567890123/remove-factors", Staff),
    ("GET", "/staff/users/1234567890123/link", Staff),
    ("POST", "/staff/users/1234567890123/link", Staff),
    ("GET", "/staff/users/1234567890123/promote", Staff),
    ("POST", "/staff/users/1234567890123/promote", Staff),
    ("GET", "/staff/users/1234567890123/demote", Staff),
    ("POST", "/staff/users/1234567890123/demote", Staff),
    ("GET", "/staff/users/1234567890123/delete", Staff),
    ("POST", "/staff/users/1234567890123/delete", Staff),
    ("GET", "/staff/switches/GLOBAL/on", Staff),
    ("POST", "/staff/switches/GLOBAL/on", Staff),
    ("GET", "/staff/switches/GLOBAL/off", Staff),
    ("POST", "/staff/switches/GLOBAL/off", Staff),
];

fn send(browser: &mut Browser, method: &str, path: &str) -> Response {
    if method == "GET" { browser.get(path) } else { browser.post(path, &[]) }
}

fn every_page_is_for_whom_it_is_for(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (method, path, whom) in ROWS {
        let scoped = app.anonymous().log_in("ada").scoped(&[Scope::All]);
        let visitor = send(&mut Browser::new(&app), method, path);
        let program = send(&mut Browser::with_token(&app, scoped.token()), method, path);
        let user = send(&mut Browser::signed_in(&app, "ada"), method, path);
        match whom {
            Users | Staff => {
                let leads = visitor.header("location").unwrap_or_default();
                assert!(visitor.status == 303 && leads.starts_with("/login"), "{method} {path}: {visitor:?}");
                assert_eq!(leads.contains("rd="), method == "GET", "{method} {path}: {leads}");
                assert_eq!(program.status, 403, "{method} {path}");
            }
            Visitors => assert!([200, 303, 400].contains(&visitor.status), "{method} {path}: {visitor:?}"),
            Holders => assert_eq!((visitor.status, program.status), (404, 404), "{method} {path}"),
        }
        let answers: &[u16] = match whom {
            Staff => &[403],
            Holders => &[404],
            Users | Visitors => &[200, 303, 400],
        };
        assert!(answers.contains(&user.status), "{method} {path}: {user:?}");
        let dead = send(&mut Browser::with_token(&app, "x".repeat(32).as_str()), method, path);
        assert_eq!(dead.status, visitor.status, "{method} {path}");
        let clears = dead.headers("set-cookie").iter().any(|cookie| cookie.contains("session=;"));
        assert_eq!(clears, matches!(whom, Users | Staff), "{method} {path}");
    }
}

fn every_form_must_come_from_a_page_of_this_site(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for signed_in in [false, true] {
        let browser = if signed_in { Browser::signed_in(&app, "ada") } else { Browser::new(&app) };
        for (_, path, _) in ROWS.into_iter().filter(|(method, ..)| *method == "POST") {
            for headers in [
                &[][..],
                &[("Sec-Fetch-Site", "cross-site")],
                &[("Sec-Fetch-Site", "same-site")],
                &[("Sec-Fetch-Site", "none")],
                &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://auth.example")],
                &[("Origin", "https://evil.example")],
                &[("Origin", "null")],
            ] {
                let call = browser.call("POST", path);
                let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
                let answer = call.body("application/x-www-form-urlencoded", form(&[("id", "1")])).send();
                assert!(
                    answer.status == 403 && answer.headers("set-cookie").is_empty(),
                    "{path} {headers:?}: {answer:?}"
                );
            }
        }
        let check = browser.call("GET", "/account/sessions").header("Sec-Fetch-Site", "cross-site").send();
        assert_eq!(check.status == 200, signed_in, "looking is harmless: {check:?}");
    }
}

fn every_answer_tells_browsers_what_it_must(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (method, path, _) in ROWS {
        for mut browser in [Browser::new(&app), Browser::signed_in(&app, "ada")] {
            let answer = send(&mut browser, method, path);
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{method} {path}");
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{policy}");
            for (name, value) in [
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("strict-transport-security", "max-age=31536000"),
                ("cache-control", "no-store"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{method} {path}");
            }
            let text = answer.text();
            for inline in ["style=", "<style", "onclick=", "<script>", "javascript:"] {
                assert!(!text.contains(inline), "{method} {path}: {inline}");
            }
            assert_eq!(text.matches("<h1>").count(), usize::from(!text.is_empty()), "{method} {path}: {text}");
        }
    }
}

fn a_database_that_is_away_is_a_page_and_signs_nobody_out(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.cut(Cut::Everything);
    for (method, path, _) in ROWS {
        let answer = send(&mut browser, method, path);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{method} {path}: {answer:?}");
        assert!(answer.text().contains("Not available right now"), "{method} {path}");
    }
    assert!(browser.token().is_some());
    // Pages look like pages even then.
    let text = browser.get("/account").text();
    let (_, rest) = text.split_once("rel=\"stylesheet\" href=\"").unwrap();
    assert_eq!(browser.get(rest.split('"').next().unwrap()).status, 200);
}

fn what_is_not_there_is_a_page_and_what_was_there_before_is_not(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut browser = Browser::new(&app);
    for path in ["/account/nothing", "/login/x", "/register/x/y", "/staff/nothing"] {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("text/html; charset=utf-8")), "{path}");
    }
    let wrong = browser.get("/account/sessions/end");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    let elsewhere = browser.get("/nowhere");
    assert_eq!((elsewhere.status, elsewhere.header("content-type")), (404, Some("application/json")));
    let without = app.replica_with(|config| config.http.pages = None);
    for path in ["/login", "/account", "/assets/x"] {
        let answer = Browser::new(&without).get(path);
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/json")), "{path}");
    }
}

fn the_address_of_this_machine_leads_to_its_name(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.pages.as_mut().unwrap().public_url = "http://localhost:4711".parse().unwrap();
    });
    let asked = |host: &str, path: &str| app.anonymous().call("GET", path).header("Host", host).send();
    for host in ["127.0.0.1:4711", "[::1]:4711", "127.0.0.1"] {
        let answer = asked(host, "/login?rd=%2Faccount");
        let leads = answer.header("location");
        assert_eq!((answer.status, leads), (303, Some("http://localhost:4711/login?rd=%2Faccount")), "{host}");
    }
    assert_eq!(asked("localhost:4711", "/login").status, 200);
    assert!(asked("localhost:4711", "/login").header("strict-transport-security").is_none());
    assert_eq!(asked("127.0.0.1:4711", "/api/").status, 200);
}

fn style_and_script_are_kept_for_ever(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let site = config.http.pages.as_mut().unwrap();
        site.css = Some("h1 { color: red }".into());
        site.name = "Ada & Co.".to_owned();
    });
    let mut browser = Browser::new(&app);
    let text = browser.get("/login").text();
    assert!(text.contains("<title>Sign in – Ada &amp; Co.</title>"), "{text}");
    let assets: Vec<_> = text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for path in assets {
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=31536000, immutable")));
        assert_eq!(browser.call("HEAD", path).send().status, 200);
        assert_eq!(answer.header("ratelimit-limit"), None);
    }
    assert_eq!(browser.get("/assets/style-0000000000000000.css").status, 404);
}
