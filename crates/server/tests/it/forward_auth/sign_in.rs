//! How browsers are led to sign in, and back; and that nobody else is.

use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{PATH, answer, before_applications};
use crate::app::{Call, Response, TestApp};
use crate::pages::browser::{Browser, SESSION};

on_both_engines!(
    a_browser_is_led_to_sign_in_and_back_to_the_same_path_and_query,
    programs_and_changes_are_told_a_status_and_led_nowhere,
    nobody_is_led_where_no_cookie_arrives,
    what_signing_in_does_not_mend_leads_nowhere,
    envoy_is_answered_alike,
    without_pages_nobody_is_led_to_them,
);

pub(super) const APP: &str = "app.example.org";
/// What a proxy tells of a page of the application.
pub(super) const TOLD: [(&str, &str); 4] = [
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", APP),
    ("X-Forwarded-Uri", "/files?a=b&c=%20d"),
];
const NAVIGATE: (&str, &str) = ("Sec-Fetch-Mode", "navigate");
const LOGIN: &str = "https://auth.example.org/login?rd=https%3A%2F%2Fapp.example.org%2Ffiles%3Fa%3Db%26c%3D%2520d";

pub(super) fn with(call: Call, lines: &[(&str, &str)]) -> Call {
    lines.iter().fold(call, |call, (name, value)| call.header(name, value))
}

/// What a proxy asks when a browser is about to show the page.
pub(super) fn navigation(app: &TestApp, query: &str) -> Call {
    with(app.anonymous().call("GET", &format!("{PATH}{query}")), &[&TOLD[..], &[NAVIGATE]].concat())
}

fn led(response: &Response) -> (u16, Option<&str>) {
    (response.status, response.header("location"))
}

fn a_browser_is_led_to_sign_in_and_back_to_the_same_path_and_query(database: TestDatabase) {
    let app = before_applications(database);
    app.user("ada");
    let asked = answer(navigation(&app, "?login=302"));
    assert_eq!(led(&asked), (302, Some(LOGIN)));
    let beside = answer(navigation(&app, "?login=401&scope=FILE_READ"));
    assert_eq!((led(&beside), beside.header("www-authenticate")), ((401, Some(LOGIN)), Some("Bearer")));
    let mut browser = Browser::new(&app);
    let path = LOGIN.strip_prefix("https://auth.example.org").unwrap();
    let page = browser.get(path).text();
    assert!(page.contains("You will go on to <b>app.example.org</b>"), "{page}");
    let back = browser.sign_in(path, "ada");
    assert_eq!((back.status, back.header("location")), (303, Some("https://app.example.org/files?a=b&c=%20d")));
    let passes = with(navigation(&app, "?login=302"), &[("Cookie", &browser.pass())]);
    assert_eq!(answer(passes).header("x-user-name"), Some("ada"));
}

fn programs_and_changes_are_told_a_status_and_led_nowhere(database: TestDatabase) {
    let app = before_applications(database);
    let ask = |lines: &[(&str, &str)]| answer(with(app.anonymous().call("GET", &format!("{PATH}?login=302")), lines));
    let html = ("Accept", "text/html,*/*;q=0.8");
    let (method, rest) = TOLD.split_first().unwrap();
    for (lines, is_led) in [
        (&[*method, NAVIGATE][..], true),
        (&[*method, html], true),
        (&[("X-Original-Method", "HEAD"), NAVIGATE], true),
        (&[*method], false),
        (&[*method, ("Accept", "*/*")], false),
        (&[*method, html, ("Sec-Fetch-Mode", "cors")], false),
        (&[*method, html, ("Sec-Fetch-Mode", "websocket")], false),
        (&[*method, NAVIGATE, ("Upgrade", "websocket")], false),
        (&[("X-Forwarded-Method", "POST"), NAVIGATE], false),
        (&[("X-Forwarded-Method", "OPTIONS"), NAVIGATE], false),
        (&[*method, ("X-Original-Method", "POST"), NAVIGATE], false),
        (&[NAVIGATE], false),
    ] {
        let response = ask(&[rest, lines].concat());
        let expected = if is_led { (302, Some(LOGIN)) } else { (401, None) };
        assert_eq!(led(&response), expected, "{lines:?}");
    }
    assert_eq!(led(&answer(navigation(&app, ""))), (401, None), "nobody has asked for it");
    let head = with(app.anonymous().call("HEAD", &format!("{PATH}?login=302")), &TOLD).header(NAVIGATE.0, NAVIGATE.1);
    assert_eq!(led(&answer(head)), (302, Some(LOGIN)));
    for query in ["?login=303", "?login=", "?login=302&login=401", "?Login=302"] {
        assert_eq!(led(&answer(navigation(&app, query))), (403, None), "{query}");
    }
}

fn nobody_is_led_where_no_cookie_arrives(database: TestDatabase) {
    let app = before_applications(database);
    let no_pass = app.replica_with(|config| config.http.pages.as_mut().unwrap().pass_domain = None);
    let unbelieved = app.replica_with(|config| config.http.trusted_proxies = Default::default());
    let ask = |app: &TestApp, proto: &str, host: &str| {
        let call = app.anonymous().call("GET", &format!("{PATH}?login=302"));
        let lines = [("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host), TOLD[0], TOLD[3], NAVIGATE];
        let response = answer(with(call, &lines));
        assert_eq!(response.status == 302, response.header("location").is_some());
        response.status
    };
    for (proto, host, statuses) in [
        ("https", "app.example.org", [302, 401, 401]),
        ("https", "APP.example.org:8443", [302, 401, 401]),
        ("https", "example.org", [302, 401, 401]),
        ("https", "auth.example.org", [302, 302, 401]),
        ("http", "auth.example.org", [401; 3]),
        ("http", "app.example.org", [401; 3]),
        ("https", "badexample.org", [401; 3]),
        ("https", "app.example.org.evil.example", [401; 3]),
        ("https", "evil.example", [401; 3]),
        ("https", "app.example.org, evil.example", [401; 3]),
        ("https", "app.example.org@evil.example", [401; 3]),
        ("https", "", [401; 3]),
        ("", "app.example.org", [401; 3]),
    ] {
        assert_eq!([&app, &no_pass, &unbelieved].map(|app| ask(app, proto, host)), statuses, "{proto}://{host}");
    }
    // Two that tell of it must tell the same.
    for (url, status) in [("https://app.example.org/files?a=b&c=%20d", 302), ("https://app.example.org/", 401)] {
        assert_eq!(answer(navigation(&app, "?login=302").header("X-Original-URL", url)).status, status, "{url}");
    }
}

fn what_signing_in_does_not_mend_leads_nowhere(database: TestDatabase) {
    let app = before_applications(database);
    let (ada, banned) = (app.user("ada"), app.user("banned"));
    app.ban("banned");
    let ask = |query: &str, lines: &[(&str, &str)]| {
        let response = answer(with(navigation(&app, query), lines));
        (response.status, response.header("location").is_some())
    };
    let cookie = |token: &str| format!("{SESSION}={token}");
    // What the browser is going to have instead, after it has signed in.
    assert_eq!(ask("?login=302", &[("Cookie", &cookie("garbage"))]), (302, true));
    assert_eq!(ask("?login=302", &[("Cookie", "__Secure-thunderhead_pass=garbage")]), (302, true));
    // What it keeps.
    for lines in [
        &[("Authorization", "Basic YTpi")][..],
        &[("X-Session-Token", "garbage")],
        &[("Cookie", "__Secure-thunderhead_pass=a; __Secure-thunderhead_pass=a")],
    ] {
        assert_eq!(ask("?login=302", lines), (401, false), "{lines:?}");
        assert_eq!(ask("?login=401", lines), (401, false), "{lines:?}");
    }
    assert_eq!(ask("?login=302", &[("Cookie", &cookie(banned.token()))]), (403, false));
    let ada = cookie(ada.token());
    assert_eq!(ask("?login=302", &[("Cookie", &ada)]), (204, false));
    assert_eq!(ask("?login=302&staff=true", &[("Cookie", &ada)]), (403, false));
    assert_eq!(ask("?login=302&scope=STAFF_READ_FILES", &[("Cookie", &ada)]), (403, false));
    app.switch(KillSwitch::FileCreate, true);
    assert_eq!(ask("?login=302&switch=FILE_CREATE", &[]), (503, false));
}

fn envoy_is_answered_alike(database: TestDatabase) {
    let app = before_applications(database);
    let ask = |method: &str, below: &str, lines: &[(&str, &str)]| {
        let call = app.anonymous().call(method, &format!("/forward-auth/envoy/{below}")).header("Host", APP);
        let response = with(call, lines).send();
        assert!(response.is_empty(), "{response:?}");
        (response.status, response.header("location").map(str::to_owned))
    };
    let (proto, page) = (TOLD[1], "files?a=b&c=%20d");
    for (requirements, status) in [("login=302", 302), ("login=401&scope=FILE_READ", 401)] {
        for method in ["GET", "HEAD"] {
            let asked = ask(method, &format!("{requirements}/{page}"), &[proto, NAVIGATE]);
            assert_eq!(asked, (status, Some(LOGIN.to_owned())), "{method} {requirements}");
        }
        for (method, lines) in [("POST", &[proto, NAVIGATE][..]), ("GET", &[proto]), ("GET", &[NAVIGATE])] {
            assert_eq!(ask(method, &format!("{requirements}/{page}"), lines), (401, None), "{method} {lines:?}");
        }
    }
    assert_eq!(ask("GET", &format!("-/{page}"), &[proto, NAVIGATE]), (401, None));
    assert_eq!(ask("GET", "-/x?login=302", &[proto, NAVIGATE]), (401, None), "the client's own query");
}

fn without_pages_nobody_is_led_to_them(database: TestDatabase) {
    let app = before_applications(database);
    let bare = app.replica_with(|config| config.http.pages = None);
    assert_eq!(led(&answer(navigation(&bare, "?login=302"))), (401, None));
}
