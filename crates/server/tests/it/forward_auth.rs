//! `GET /forward-auth`: what proxies are told of a request (`docs/API.md`).

mod envoy;
mod original;
mod pass;
mod proof;
mod requirements;
mod sign_in;

use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::identity_headers::{IdentityHeader, IdentityHeaders};
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_http::request::credential_order::CredentialOrder;
use thunderhead_http::site::redirect_origins::RedirectOrigins;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Call, Client, Cut, Response, TestApp};
use crate::credentials::{OPAQUE, by_cookie, open};

on_both_engines!(
    a_live_session_passes_and_is_described_in_headers,
    when_and_how_a_session_was_proved_is_told,
    the_operator_says_what_the_headers_are_called,
    who_has_no_live_session_is_401_and_a_banned_user_403,
    a_switch_that_is_on_is_503_for_all_but_staff,
    the_session_token_header_is_read_between_authorization_and_the_cookie,
    an_applications_own_authorization_is_left_alone_where_the_operator_says_so,
    no_answer_sets_a_cookie,
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
        assert_eq!(described(&response), [None; 8]);
    }
    response
}

fn ask(client: &Client, query: &str) -> Response {
    answer(client.call("GET", &format!("{PATH}{query}")))
}

/// A server that believes the proxies of this machine.
fn behind_a_proxy(database: TestDatabase) -> TestApp {
    TestApp::with(database, |config| config.http.trusted_proxies = this_machine())
}

/// The same with pages at auth.example.org, and applications below example.org.
pub(crate) fn before_applications(database: TestDatabase) -> TestApp {
    TestApp::with(database, |config| {
        config.http.trusted_proxies = this_machine();
        let pages = config.http.pages.as_mut().expect("pages");
        pages.public_url = "https://auth.example.org".parse().expect("an origin");
        pages.pass_domain = Some("example.org".parse().expect("a domain"));
        pages.redirects = RedirectOrigins::new(&["https://*.example.org".to_owned()]).expect("origins");
    })
}

fn this_machine() -> TrustedProxies {
    TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()])
}

/// What a proxy passes on.
fn described(response: &Response) -> [Option<&str>; 8] {
    [
        "x-user-id",
        "x-user-name",
        "x-user-staff",
        "x-session-id",
        "x-session-scopes",
        "x-auth-time",
        "x-auth-methods",
        "x-auth-level",
    ]
    .map(|name| response.header(name))
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
        let (session, proved_at) = (client.session_id().to_string(), app.seconds().to_string());
        for method in ["GET", "HEAD"] {
            let response = answer(client.call(method, PATH));
            assert_eq!(response.status, 204);
            let expected = [client.id(), name, staff, session.as_str(), scopes, &proved_at, "pwd", "aal1"].map(Some);
            assert_eq!(described(&response), expected);
        }
    }
}

fn when_and_how_a_session_was_proved_is_told(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let first = app.seconds();
    let proved = |client: &Client| -> Vec<String> {
        let response = ask(&client.at(&replica), "");
        let told =
            ["x-auth-time", "x-auth-methods", "x-auth-level"].map(|name| response.header(name).unwrap().to_owned());
        told.to_vec()
    };
    assert_eq!(proved(&ada), [first.to_string().as_str(), "pwd", "aal1"]);
    app.clock().advance_seconds(100);
    let (_, enrolled) = ada.enrol_totp(&app);
    app.clock().advance_seconds(100);
    let (second, device) = (app.seconds(), ada.login_by_backup(&enrolled.codes[0]));
    assert_eq!(proved(&device), [second.to_string().as_str(), "pwd otp mfa", "aal2"]);
    // Who asked for the password along with the app counts it anew; nobody else does.
    assert_eq!(proved(&ada)[1..], ["pwd otp mfa", "aal2"]);
    app.clock().advance_seconds(100);
    assert_eq!(proved(&device)[0], second.to_string());
    device.enrol_webauthn_by_backup(&mut Authenticator::default(), &enrolled.codes[1]);
    assert_eq!(proved(&device)[1..], ["pwd otp hwk mfa", "aal2"]);
}

fn the_operator_says_what_the_headers_are_called(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let mut names = IdentityHeader::ALL.map(|header| header.default_name().to_owned());
        (names[1], names[7]) = ("Remote-User".to_owned(), "X-Assurance".to_owned());
        config.http.forward_auth_headers = IdentityHeaders::new(&names).unwrap();
    });
    let ada = app.user("ada");
    for response in [ada.get(PATH), ada.get("/forward-auth/envoy/-/x")] {
        assert_eq!((response.header("remote-user"), response.header("x-assurance")), (Some("ada"), Some("aal1")));
        let told = described(&response).map(|value| value.is_some());
        assert_eq!(told, [true, false, true, true, true, true, true, false]);
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
    let pending = ada.with_token(OPAQUE);
    let garbage = ada.with_token("garbage");
    for client in [&nobody, &garbage, &expired, &ended.at(&replica), &pending] {
        for method in ["GET", "HEAD"] {
            let response = answer(client.call(method, PATH));
            assert_eq!((response.status, response.header("www-authenticate")), (401, Some("Bearer")));
        }
    }
    assert_eq!(ask(&banned.at(&replica), "").status, 403);
    let twice = ada.call("GET", PATH).header("Authorization", ada.token());
    assert_eq!(answer(twice).status, 401);
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
    let app = behind_a_proxy(database);
    let by_cookie = |client: &Client| by_cookie(client, &app, "GET", PATH).header("X-Forwarded-Method", "GET");
    let (ada, bob, eve) = (app.user("ada"), app.user("bob"), app.user("eve"));
    let header = |call: Call, client: &Client| call.header("X-Session-Token", client.token());
    let name = |call: Call| answer(call).header("x-user-name").map(str::to_owned);
    assert_eq!(name(header(app.anonymous().call("GET", PATH), &ada)).as_deref(), Some("ada"));
    assert_eq!(name(header(by_cookie(&bob), &ada)).as_deref(), Some("ada"));
    assert_eq!(name(header(eve.call("GET", PATH), &ada)).as_deref(), Some("eve"));
    assert_eq!(name(by_cookie(&bob)).as_deref(), Some("bob"));
    // A bad one is not rescued by a good one of less rank, and two are none.
    let garbage = ada.with_token("garbage");
    assert_eq!(answer(header(garbage.call("GET", PATH), &ada)).status, 401);
    assert_eq!(answer(header(by_cookie(&bob), &garbage)).status, 401);
    assert_eq!(answer(header(header(app.anonymous().call("GET", PATH), &ada), &ada)).status, 401);
}

fn an_applications_own_authorization_is_left_alone_where_the_operator_says_so(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.trusted_proxies = this_machine());
    let named = |names: &[&str]| CredentialOrder::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let without = app.replica_with(|config| {
        config.http.forward_auth_credentials = named(&["token", "cookie"]).unwrap();
    });
    let last = app.replica_with(|config| {
        config.http.forward_auth_credentials = named(&["cookie", "authorization"]).unwrap();
    });
    let ada = app.user("ada");
    let by_cookie = |app: &TestApp, authorization: &str| {
        let call = by_cookie(&ada, app, "GET", PATH).header("X-Forwarded-Method", "GET");
        answer(call.header("Authorization", authorization)).status
    };
    let basic = "Basic YTpi";
    assert_eq!([&app, &without, &last].map(|app| by_cookie(app, basic)), [401, 204, 204]);
    assert_eq!([&app, &without, &last].map(|app| ask(&ada.at(app), "").status), [204, 401, 204]);
    // The API knows no such setting.
    assert!(ada.at(&without).works());
}

fn no_answer_sets_a_cookie(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let dead = app.user("ada").with_token("garbage");
    let response = answer(by_cookie(&dead, &app, "GET", PATH).header("X-Forwarded-Method", "GET"));
    assert_eq!((response.status, response.header("set-cookie")), (401, None), "proxies copy it, or not");
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
