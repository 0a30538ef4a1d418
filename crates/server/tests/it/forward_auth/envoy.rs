//! `/forward-auth/envoy/…`: the same for proxies that allow on 200 alone and ask with the original request's own
//! method.

use thunderhead_domain::scope::Scope;
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{behind_a_proxy, described, this_machine};
use crate::app::{Call, Client, Cut, Response, TestApp};
use crate::credentials::by_cookie;

on_both_engines!(
    who_may_is_200_by_any_method_and_on_any_path,
    the_requirements_are_the_operators_segment_and_nothing_else,
    the_method_is_the_questions_own,
    a_preflight_is_a_request_like_others,
    an_outage_of_the_database_is_503,
);

#[track_caller]
fn answer(call: Call) -> Response {
    let response = call.send();
    assert!(response.is_empty() && response.header("content-type").is_none(), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(described(&response).iter().all(Option::is_some), response.status == 200);
    response
}

fn who_may_is_200_by_any_method_and_on_any_path(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let (ada, banned) = (app.user("ada"), app.user("banned"));
    app.ban("banned");
    let reader = ada.scoped(&[Scope::FileRead]);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        for path in ["/", "/a/b?c=d", "//", "/a//b/", "/../../api/users", "/%2e%2e/x", "/a%0Ab", "/%ff", "/login"] {
            let path = format!("/forward-auth/envoy/scope=UPLOAD_FILE{path}");
            let clients = [&ada, &reader, &banned, &app.anonymous()];
            let statuses = clients.map(|client| answer(client.call(method, &path)).status);
            assert_eq!(statuses, [200, 403, 403, 401], "{method} {path}");
        }
    }
    let response = answer(reader.call("POST", "/forward-auth/envoy/-/"));
    let (session, proved_at) = (reader.session_id().to_string(), app.seconds().to_string());
    let expected = [reader.id(), "ada", "false", &session, "FILE_READ", &proved_at, "pwd", "aal1"];
    assert_eq!(described(&response), expected.map(Some));
}

fn the_requirements_are_the_operators_segment_and_nothing_else(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let ada = app.user("ada");
    let reader = ada.scoped(&[Scope::FileRead]);
    for (below, status) in [
        ("-/x", 200),
        ("-/x?scope=UPLOAD_FILE&staff=true", 200),
        ("-/x?nonsense", 200),
        ("scope=FILE_READ/x", 200),
        ("scope=FILE_READ&staff=false/x", 200),
        ("scope=UPLOAD_FILE/x", 403),
        ("scope=UPLOAD_FILE/x?scope=FILE_READ", 403),
        ("scope=UPLOAD_FILE/../-/x", 403),
        ("scope=UPLOAD_FILE/..%2f-/x", 403),
        ("scope=UPLOAD_FILE//-/x", 403),
        ("scope=FILE_READ+UPLOAD_FILE/x", 403),
        ("scope=FILE_READ%20UPLOAD_FILE/x", 403),
        ("scope=NOTHING/x", 403),
        ("Scope=FILE_READ/x", 403),
        ("staff=true/x", 403),
        // No demands at all: the client's own path must not become some.
        ("/-/x", 403),
        ("/scope=FILE_READ/x", 403),
        ("", 403),
        ("-", 403),
        ("x/y", 403),
    ] {
        let asked = reader.call("GET", &format!("/forward-auth/envoy/{below}"));
        assert_eq!(answer(asked).status, status, "{below}");
    }
    for path in
        ["/forward-auth/envoy", "//forward-auth/envoy//-/x", "/forward-auth//envoy/-/x", "/forward-authenvoy/-/"]
    {
        assert_eq!(reader.get(path).status, 404, "{path}");
    }
    // Nor is the query of a plain question the client's.
    assert_eq!(reader.get("/forward-auth?-").status, 403);
}

fn the_method_is_the_questions_own(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let unbelieved = app.replica_with(|config| config.http.trusted_proxies = Default::default());
    let ada = app.user("ada");
    let site = |site| ("Sec-Fetch-Site", site);
    let own = ("Origin", "https://files.example");
    let (proto, host) = (("X-Forwarded-Proto", "https"), ("Host", "files.example"));
    let get = ("X-Forwarded-Method", "GET");
    for (app, method, lines, status) in [
        (&app, "GET", &[site("cross-site")][..], 200),
        (&app, "HEAD", &[], 200),
        (&app, "POST", &[site("same-origin")], 200),
        (&app, "POST", &[site("cross-site")], 403),
        (&app, "POST", &[site("cross-site"), get], 403),
        (&app, "GET", &[("Upgrade", "websocket"), site("cross-site")], 403),
        (&app, "GET", &[("Upgrade", "websocket"), site("same-origin")], 200),
        (&app, "POST", &[own, proto, host], 200),
        (&app, "POST", &[own, proto], 403),
        (&app, "POST", &[("Origin", "https://evil.example"), proto, host], 403),
        // Envoy hands on what it was told to hand on: none of these headers need not mean that no browser asks.
        (&app, "DELETE", &[], 403),
        (&unbelieved, "GET", &[], 403),
        (&unbelieved, "GET", &[site("same-origin")], 200),
    ] {
        let call = by_cookie(&ada, app, method, "/forward-auth/envoy/-/x");
        let call = lines.iter().fold(call, |call, (name, value)| call.header(name, value));
        assert_eq!(answer(call).status, status, "{method} {lines:?}");
    }
}

fn a_preflight_is_a_request_like_others(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.trusted_proxies = this_machine();
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    let preflight = |client: &Client, path| {
        let call = client.call("OPTIONS", path).header("Origin", "https://app.example");
        call.header("Access-Control-Request-Method", "DELETE").send().status
    };
    let (ada, nobody) = (app.user("ada"), app.anonymous());
    assert_eq!([&ada, &nobody].map(|client| preflight(client, "/forward-auth/envoy/-/x")), [200, 401]);
    assert_eq!([&ada, &nobody].map(|client| preflight(client, "/forward-auth/envoy/staff=true/x")), [403, 401]);
    assert_eq!(preflight(&nobody, "/api/users/me"), 200);
}

fn an_outage_of_the_database_is_503(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.cut(Cut::Everything);
    let response = answer(ada.call("PUT", "/forward-auth/envoy/-/x"));
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
}
