//! `GET /forward-auth`: what proxies are told of a request (`spec/services.md`).

use thunderhead_domain::judgement::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, Cut, Response, TestApp};
use crate::credentials::{OPAQUE, by_cookie, open};

on_both_engines!(
    a_live_session_passes_and_is_described_in_headers,
    who_has_no_live_session_is_401_and_a_banned_user_403,
    all_scopes_that_are_named_must_be_held,
    unknown_names_let_nobody_through,
    staff_alone_pass_where_staff_is_asked_for,
    a_switch_that_is_on_is_503_for_all_but_staff,
    the_session_token_header_is_read_between_authorization_and_the_cookie,
    a_cookie_changes_things_from_the_same_origin_only,
    an_outage_is_503,
);

const PATH: &str = "/forward-auth";

/// Asks, and demands what every answer has: no body, and no leave to keep it.
#[track_caller]
fn answer(call: Call) -> Response {
    let response = call.send();
    assert!(response.is_empty(), "{response:?}");
    assert_eq!(response.header("content-type"), None, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    if response.status != 204 {
        assert_eq!(described(&response), [None; 5]);
    }
    response
}

fn ask(client: &Client, query: &str) -> Response {
    answer(client.call("GET", &format!("{PATH}{query}")))
}

/// What a proxy passes on.
fn described(response: &Response) -> [Option<&str>; 5] {
    ["x-user-id", "x-user-name", "x-user-staff", "x-session-id", "x-session-scopes"].map(|name| response.header(name))
}

fn a_live_session_passes_and_is_described_in_headers(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let reader = ada.scoped(&[Scope::FileRead, Scope::UploadFile]);
    for (client, name, staff, scopes) in [
        (&ada, "ada", "false", "FULL"),
        (&root, "root", "true", "FULL"),
        (&reader, "ada", "false", "UPLOAD_FILE FILE_READ"),
    ] {
        let session = client.session_id().to_string();
        for method in ["GET", "HEAD"] {
            let response = answer(client.call(method, PATH));
            assert_eq!(response.status, 204);
            let expected = [client.id(), name, staff, session.as_str(), scopes].map(Some);
            assert_eq!(described(&response), expected);
        }
    }
}

fn who_has_no_live_session_is_401_and_a_banned_user_403(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let expired = app.user("expired");
    app.clock().advance_seconds(86_400);
    let (ada, banned) = (app.user("ada"), app.user("banned"));
    let ended = ada.log_in("ada");
    assert_eq!(ask(&ended.at(&replica), "").status, 204);
    ended.delete("/api/users/me/sessions/me").expect(200);
    app.ban("banned");
    open(&app, ada.user_id(), OPAQUE, true);
    let nobody = app.anonymous();
    let owing = ada.with_token(OPAQUE);
    let garbage = ada.with_token("garbage");
    for client in [&nobody, &garbage, &expired, &ended.at(&replica), &owing] {
        for method in ["GET", "HEAD"] {
            let response = answer(client.call(method, PATH));
            assert_eq!((response.status, response.header("www-authenticate")), (401, Some("Bearer")));
        }
    }
    assert_eq!(ask(&banned.at(&replica), "").status, 403);
    let twice = ada.call("GET", PATH).header("Authorization", ada.token());
    assert_eq!(answer(twice).status, 401);
}

fn all_scopes_that_are_named_must_be_held(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let reader = ada.scoped(&[Scope::FileRead, Scope::UploadFile]);
    let watcher = root.scoped(&[Scope::StaffReadFiles]);
    let everything = ada.scoped(&[Scope::All]);
    for (client, query, status) in [
        (&reader, "?scope=FILE_READ", 204),
        (&reader, "?scope=FILE_READ+UPLOAD_FILE", 204),
        (&reader, "?scope=FILE_READ%20UPLOAD_FILE", 204),
        (&reader, "?scope=FILE_READ&scope=UPLOAD_FILE", 204),
        (&reader, "?scope=", 204),
        (&reader, "?scope=FILE_MODIFY", 403),
        (&reader, "?scope=FILE_READ+FILE_MODIFY", 403),
        (&reader, "?scope=FILE_READ&scope=FILE_MODIFY", 403),
        (&reader, "?scope=STAFF_READ_FILES", 403),
        (&ada, "?scope=FILE_MODIFY+UPLOAD_FILE", 204),
        (&ada, "?scope=STAFF_READ_FILES", 403),
        (&everything, "?scope=FILE_MODIFY", 204),
        (&everything, "?scope=STAFF_READ_FILES", 403),
        (&root, "?scope=STAFF_READ_FILES", 204),
        (&watcher, "?scope=STAFF_READ_FILES", 204),
        (&watcher, "?scope=STAFF_READ_FILES+STAFF_MODIFY_FILES", 403),
        (&watcher, "?scope=FILE_READ", 403),
    ] {
        assert_eq!(ask(client, query).status, status, "{query}");
    }
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(ask(&watcher, "?scope=STAFF_READ_FILES").status, 403);
    assert_eq!(ask(&root, "?scope=STAFF_READ_FILES").status, 403);
}

fn unknown_names_let_nobody_through(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for query in [
        "?scope=file_read",
        "?scope=FILE_READ+NOTHING",
        "?scope=FILE_READ,UPLOAD_FILE",
        "?scope=7",
        "?scope=FULL",
        "?switch=",
        "?switch=8",
        "?switch=global",
        "?switch=FILE_CREATE+FILE_READ",
        "?switch=FILE_CREATE&switch=FILE_MODIFY",
    ] {
        assert_eq!([&ada, &root].map(|client| ask(client, query).status), [403; 2], "{query}");
    }
}

fn staff_alone_pass_where_staff_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let strict = app.replica_with(|options| options.policy.staff_factor = StaffFactor::Required);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for query in ["?staff=true", "?staff=1"] {
        let script = root.scoped(&[Scope::FileRead]);
        let clients = [&root, &script, &ada, &app.anonymous()];
        assert_eq!(clients.map(|client| ask(client, query).status), [204, 204, 403, 401]);
        assert_eq!(ask(&root.at(&strict), query).status, 403, "no second factor");
    }
    assert_eq!(ask(&ada, "?staff=false").status, 204);
    assert_eq!(ask(&root.at(&strict), "").status, 204);
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(ask(&root, "?staff=true").status, 403);
}

fn a_switch_that_is_on_is_503_for_all_but_staff(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for (switch, name) in KillSwitch::TABLE {
        let query = format!("?switch={name}");
        assert_eq!(ask(&ada.at(&replica), &query).status, 204);
        app.switch(switch, true);
        let shut = ask(&ada.at(&replica), &query);
        assert_eq!((shut.status, shut.header("retry-after")), (503, Some("1")));
        assert_eq!(ask(&root, &query).status, 204);
        assert_eq!(ask(&ada, "").status, if switch == KillSwitch::Global { 503 } else { 204 });
        assert_eq!(ask(&ada, "?switch=FILE_CREATE").status == 503, matches!(name, "FILE_CREATE" | "GLOBAL"));
        app.switch(switch, false);
    }
}

fn the_session_token_header_is_read_between_authorization_and_the_cookie(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob, eve) = (app.user("ada"), app.user("bob"), app.user("eve"));
    let header = |call: Call, client: &Client| call.header("X-Session-Token", client.token());
    let name = |call: Call| answer(call).header("x-user-name").map(str::to_owned);
    assert_eq!(name(header(app.anonymous().call("GET", PATH), &ada)).as_deref(), Some("ada"));
    assert_eq!(name(header(by_cookie(&bob, &app, "GET", PATH), &ada)).as_deref(), Some("ada"));
    assert_eq!(name(header(eve.call("GET", PATH), &ada)).as_deref(), Some("eve"));
    assert_eq!(name(by_cookie(&bob, &app, "GET", PATH)).as_deref(), Some("bob"));
    // A bad one is not rescued by a good one of less rank, and two are none.
    let garbage = ada.with_token("garbage");
    assert_eq!(answer(header(garbage.call("GET", PATH), &ada)).status, 401);
    assert_eq!(answer(header(by_cookie(&bob, &app, "GET", PATH), &garbage)).status, 401);
    assert_eq!(answer(header(header(app.anonymous().call("GET", PATH), &ada), &ada)).status, 401);
}

fn a_cookie_changes_things_from_the_same_origin_only(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (method, site, status) in [
        (None, "cross-site", 204),
        (Some("GET"), "cross-site", 204),
        (Some("HEAD"), "cross-site", 204),
        (Some("POST"), "cross-site", 403),
        (Some("DELETE"), "same-site", 403),
        (Some("BREW"), "cross-site", 403),
        (Some("not a method"), "same-origin", 403),
        (Some("POST"), "same-origin", 204),
        (Some("POST"), "none", 204),
    ] {
        let dressed = |call: Call| {
            let call = call.header("Sec-Fetch-Site", site);
            if let Some(method) = method { call.header("X-Forwarded-Method", method) } else { call }
        };
        assert_eq!(answer(dressed(by_cookie(&ada, &app, "GET", PATH))).status, status, "{method:?} {site}");
        assert_eq!(answer(dressed(ada.call("GET", PATH))).status, 204, "what is no cookie was put there on purpose");
    }
    let evil = by_cookie(&ada, &app, "GET", PATH).header("X-Forwarded-Method", "PUT");
    assert_eq!(answer(evil.header("Origin", "https://evil.example")).status, 403);
}

fn an_outage_is_503(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.cut(Cut::Everything);
    for client in [&ada, &app.anonymous(), &ada.with_token("garbage")] {
        let response = ask(client, "?scope=FILE_READ");
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    }
    app.cut(Cut::Nothing);
    assert_eq!(ask(&ada, "").status, 204);
}
