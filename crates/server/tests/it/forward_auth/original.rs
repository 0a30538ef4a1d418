//! What a cookie may do: it depends on the request that the proxy asks about, and on who tells of it.

use rustix::process::Signal;
use serde_json::Value;
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{PATH, answer, behind_a_proxy, this_machine};
use crate::app::{Call, TestApp, registration};
use crate::credentials::by_cookie;
use crate::process::{Connection, Process};

on_both_engines!(
    a_cookie_changes_things_from_the_same_origin_only,
    a_cookie_passes_no_proxy_that_does_not_tell_the_method,
    a_cookie_opens_no_websocket_for_another_site,
    the_origin_that_was_asked_for_and_configured_ones_are_the_same,
);

fn with(call: Call, lines: &[(&str, &str)]) -> Call {
    lines.iter().fold(call, |call, (name, value)| call.header(name, value))
}

fn a_cookie_changes_things_from_the_same_origin_only(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let ada = app.user("ada");
    for name in ["X-Forwarded-Method", "X-Original-Method"] {
        for (method, site, status) in [
            ("GET", "cross-site", 204),
            ("HEAD", "cross-site", 204),
            ("OPTIONS", "cross-site", 204),
            ("POST", "cross-site", 403),
            ("DELETE", "same-site", 403),
            ("BREW", "cross-site", 403),
            ("get", "cross-site", 403),
            ("not a method", "cross-site", 403),
            ("POST", "same-origin", 204),
            ("POST", "none", 204),
        ] {
            let lines = [("Sec-Fetch-Site", site), (name, method)];
            let shown = with(by_cookie(&ada, &app, "GET", PATH), &lines);
            assert_eq!(answer(shown).status, status, "{method:?} {site}");
            let shown = with(ada.call("GET", PATH), &lines);
            assert_eq!(answer(shown).status, 204, "what is no cookie was put there on purpose");
        }
    }
    let post = ("X-Forwarded-Method", "POST");
    for lines in [
        &[post, ("Origin", "https://evil.example")][..],
        &[post, ("X-Original-Method", "GET"), ("Sec-Fetch-Site", "cross-site")],
        &[("X-Original-Method", "POST"), ("X-Forwarded-Method", "GET"), ("Sec-Fetch-Site", "cross-site")],
    ] {
        assert_eq!(answer(with(by_cookie(&ada, &app, "GET", PATH), lines)).status, 403, "{lines:?}");
    }
}

fn a_cookie_passes_no_proxy_that_does_not_tell_the_method(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let unbelieved = app.replica_with(|config| config.http.trusted_proxies = Default::default());
    let (ada, dead) = (app.user("ada"), app.anonymous().with_token("garbage"));
    let get = ("X-Forwarded-Method", "GET");
    let site = |site| ("Sec-Fetch-Site", site);
    for (app, lines, status) in [
        (&app, &[][..], 403),
        (&app, &[site("cross-site")], 403),
        (&app, &[site("same-site")], 403),
        (&app, &[("Origin", "https://evil.example")], 403),
        (&app, &[("X-HTTP-Method-Override", "GET")], 403),
        (&app, &[site("same-origin")], 204),
        (&app, &[site("none")], 204),
        (&app, &[get], 204),
        (&unbelieved, &[get], 403),
        (&unbelieved, &[("X-Original-Method", "GET")], 403),
        (&unbelieved, &[get, site("same-origin")], 204),
    ] {
        assert_eq!(answer(with(by_cookie(&ada, app, "GET", PATH), lines)).status, status, "{lines:?}");
        assert_eq!(answer(with(by_cookie(&dead, app, "GET", PATH), lines)).status, 401, "{lines:?}");
        assert_eq!(answer(with(ada.at(app).call("GET", PATH), lines)).status, 204, "{lines:?}");
    }
}

fn a_cookie_opens_no_websocket_for_another_site(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let ada = app.user("ada");
    let get = ("X-Forwarded-Method", "GET");
    let evil = ("Origin", "https://evil.example");
    for handshake in
        [("Upgrade", "websocket"), ("Upgrade", "WebSocket"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    {
        for (lines, status) in [
            (&[get, handshake, evil][..], 403),
            (&[get, handshake, ("Sec-Fetch-Site", "cross-site")], 403),
            (&[handshake], 403),
            (&[get, handshake, ("Sec-Fetch-Site", "same-origin")], 204),
        ] {
            let asked = with(by_cookie(&ada, &app, "GET", PATH), lines);
            assert_eq!(answer(asked).status, status, "{lines:?}");
            assert_eq!(answer(with(ada.call("GET", PATH), lines)).status, 204, "{lines:?}");
        }
    }
    let other = with(by_cookie(&ada, &app, "GET", PATH), &[get, evil, ("Upgrade", "h2c")]);
    assert_eq!(answer(other).status, 204);
}

fn the_origin_that_was_asked_for_and_configured_ones_are_the_same(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.trusted_proxies = this_machine();
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    let unbelieved = app.replica_with(|config| config.http.trusted_proxies = Default::default());
    let ada = app.user("ada");
    let post = ("X-Forwarded-Method", "POST");
    let own = ("Origin", "https://files.example");
    let (proto, host) = (("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "files.example"));
    let url = ("X-Original-URL", "https://files.example/upload?a=b");
    for (app, lines, status) in [
        (&app, &[post, ("Origin", "https://app.example")][..], 204),
        (&app, &[post, own], 403),
        (&app, &[post, own, proto, host], 204),
        (&app, &[own, proto, host], 204),
        (&app, &[("X-Original-Method", "POST"), own, url], 204),
        (&app, &[post, own, ("X-Forwarded-Proto", "http"), host], 403),
        (&app, &[post, ("Origin", "https://evil.example"), proto, host], 403),
        (&app, &[post, own, proto, host, ("Sec-Fetch-Site", "cross-site")], 403),
        (&unbelieved, &[post, own, proto, host], 403),
    ] {
        assert_eq!(answer(with(by_cookie(&ada, app, "GET", PATH), lines)).status, status, "{lines:?}");
    }
}

#[test]
fn what_a_proxy_does_wrong_is_logged_once_with_the_reason() {
    let process = Process::start(&[("TRUSTED_PROXIES", "192.0.2.1"), ("HTTP__DRAIN_MS", "0")]);
    let mut client = Connection::open(process.address).unwrap();
    let registered = client.ask("POST", "/api/register", &registration("ada").to_string()).unwrap();
    let body: Value = serde_json::from_str(&registered.body).unwrap();
    let token = body["token"].as_str().unwrap();
    let cookie = format!("Cookie: __Host-thunderhead_session={token}\r\n");
    for _ in 0..3 {
        for (path, headers) in [
            ("/forward-auth", cookie.clone()),
            ("/forward-auth", format!("{cookie}X-Forwarded-Method: GET\r\n")),
            ("/forward-auth?Scope=s3cret", String::new()),
        ] {
            assert_eq!(client.ask_with("GET", path, &headers, "").unwrap().status, 403);
        }
    }
    process.signal(Signal::TERM);
    let log = process.end().log;
    for reason in [
        "a question that does not tell the method of the request",
        "a question of somebody who is not among trusted_proxies",
        "there is no parameter \\\"Scope\\\"",
    ] {
        assert_eq!(log.matches(reason).count(), 1, "{reason}: {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}
