//! `POST /introspect`: what other services are told of a token (RFC 7662, `docs/API.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::service::EventAccess;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, Cut, PASSWORD, Response, TestApp, claims};
use crate::credentials::{OPAQUE, open};
use crate::errors::UNAVAILABLE;
use crate::limits::{tight, told};

on_both_engines!(
    a_live_session_is_told_with_all_that_it_may_do,
    everything_else_is_inactive_and_nothing_more,
    a_session_is_inactive_as_soon_as_it_ends_anywhere,
    a_demoted_user_is_no_longer_told_as_staff,
    an_opaque_token_is_told_like_any_other,
    a_caller_without_a_good_secret_is_401,
    a_secret_may_be_escaped_in_basic,
    a_question_without_a_token_is_400,
    switches_shut_nothing_here,
    an_outage_is_503_and_never_inactive,
    services_are_not_counted_by_the_limits,
    when_a_service_last_asked_is_seen_by_staff_and_lags_by_a_minute,
    recording_when_services_asked_is_in_nobodys_way,
);

/// A service that may ask.
pub(crate) struct Service<'a> {
    app: &'a TestApp,
    secret: String,
}

impl<'a> Service<'a> {
    pub(crate) fn new(app: &'a TestApp) -> Self {
        let secret = block_on(app.operator().service_create("shop", EventAccess::Denied)).unwrap().expose().to_owned();
        Self { app, secret }
    }

    fn ask_at(&self, app: &TestApp, token: &str) -> Response {
        basic(app, "shop", &self.secret).body(FORM, format!("token={token}&token_type_hint=access_token")).send()
    }

    fn ask(&self, token: &str) -> Response {
        self.ask_at(self.app, token)
    }

    pub(crate) fn told_at(&self, app: &TestApp, client: &Client) -> Value {
        self.ask_at(app, client.token()).expect(200)
    }

    pub(crate) fn told(&self, client: &Client) -> Value {
        self.ask(client.token()).expect(200)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn question(app: &TestApp) -> Call {
    app.anonymous().call("POST", "/introspect")
}

fn basic(app: &TestApp, name: &str, secret: &str) -> Call {
    question(app).header("Authorization", &format!("Basic {}", STANDARD.encode(format!("{name}:{secret}"))))
}

fn inactive() -> Value {
    json!({"active": false})
}

#[track_caller]
fn refused(call: Call) {
    let response = call.send();
    assert_eq!(response.expect(401), json!({"error": "invalid_client"}));
    assert_eq!(response.header("www-authenticate"), Some("Basic realm=\"thunderhead\""));
}

fn a_live_session_is_told_with_all_that_it_may_do(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let reader = ada.scoped(&[Scope::FileRead, Scope::AccountRead]);
    let everything = ada.scoped(&[Scope::All]);
    let watcher = root.scoped(&[Scope::UploadFile, Scope::StaffReadFiles]);
    for (client, name, staff, scope, flags) in [
        (&ada, "ada", false, "FULL", json!(null)),
        (&root, "root", true, "FULL", json!(null)),
        (&reader, "ada", false, "ACCOUNT_READ FILE_READ", json!(132)),
        (&everything, "ada", false, "ALL", json!(1)),
        (&watcher, "root", true, "UPLOAD_FILE STAFF_READ_FILES", json!(32_770)),
    ] {
        let claims = claims(client.token());
        let expected = json!({
            "active": true,
            "sub": client.id(),
            "username": name,
            "scope": scope,
            "permission_flags": flags,
            "staff": staff,
            "sid": client.session_id(),
            "jti": claims["jti"],
            "iat": claims["iat"],
            "exp": app.seconds() + 86_400,
            "iss": "https://auth.example",
            "token_type": "session",
            "auth_time": app.seconds(),
            "amr": ["pwd"],
            "acr": "aal1",
        });
        assert_eq!(shop.told(client), expected);
    }
}

fn everything_else_is_inactive_and_nothing_more(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let expired = app.user("expired");
    app.clock().advance_seconds(86_400);
    let (ada, banned, gone) = (app.user("ada"), app.user("banned"), app.user("gone"));
    let ended = ada.log_in("ada");
    ended.delete("/api/users/me/sessions/me").expect(200);
    app.ban("banned");
    gone.delete_with("/api/users/me", &json!({"password": PASSWORD})).expect(200);
    open(&app, ada.user_id(), OPAQUE, true);
    let authenticated = format!("Bearer {}", ada.token());
    let mutilated = &ada.token()[..ada.token().len() - 2];
    let clients = [&expired, &ended, &banned, &gone].map(Client::token);
    let texts = [OPAQUE, "", "garbage", "a.b.c", authenticated.as_str(), mutilated, shop.secret.as_str()];
    for token in clients.into_iter().chain(texts) {
        assert_eq!(shop.ask(token).expect(200), inactive(), "{token}");
    }
    assert_eq!(shop.told(&ada)["active"], true);
}

fn a_session_is_inactive_as_soon_as_it_ends_anywhere(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let shop = Service::new(&app);
    let ada = app.user("ada");
    let ended = ada.log_in("ada");
    assert_eq!(shop.ask_at(&replica, ended.token()).expect(200)["active"], true);
    ended.delete("/api/users/me/sessions/me").expect(200);
    assert_eq!(shop.ask_at(&replica, ended.token()).expect(200), inactive());
    app.ban("ada");
    assert_eq!(shop.ask_at(&replica, ada.token()).expect(200), inactive());
}

fn a_demoted_user_is_no_longer_told_as_staff(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let root = app.staff("root");
    let mixed = root.scoped(&[Scope::FileRead, Scope::StaffReadFiles]);
    assert_eq!(shop.told(&mixed)["scope"], "FILE_READ STAFF_READ_FILES");
    block_on(app.operator().account_demote("root")).unwrap();
    assert_eq!(shop.told(&mixed), inactive());
    let told = shop.told(&root);
    assert_eq!((&told["scope"], &told["staff"]), (&json!("FULL"), &json!(false)));
}

fn an_opaque_token_is_told_like_any_other(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let ada = app.user("ada");
    let session = open(&app, ada.user_id(), OPAQUE, false);
    let told = shop.ask(OPAQUE).expect(200);
    assert_eq!((&told["active"], &told["sid"], &told["sub"]), (&json!(true), &json!(session), &json!(ada.id())));
    assert_eq!(
        ["auth_time", "amr", "acr"].map(|name| told.get(name)),
        [None; 3],
        "nothing is known of how it was proved"
    );
}

fn a_caller_without_a_good_secret_is_401(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let (ada, secret) = (app.user("ada"), shop.secret.as_str());
    let body = format!("token={}", ada.token());
    for (name, secret) in [("shop", "wrong"), ("shop", ""), ("Shop", secret), ("other", secret), ("", ""), ("ä", "b")]
    {
        refused(basic(&app, name, secret).body(FORM, body.clone()));
        refused(question(&app).body(FORM, format!("{body}&client_id={name}&client_secret={secret}")));
    }
    let pair = STANDARD.encode(format!("shop:{secret}"));
    for authorization in ["Basic", "Basic ???", "Basic c2hvcA==", &format!("Bearer {pair}"), &pair, ada.token(), ""] {
        let in_body = format!("{body}&client_id=shop&client_secret={secret}");
        refused(question(&app).header("Authorization", authorization).body(FORM, in_body));
    }
    refused(question(&app).body(FORM, body.clone()));
    refused(question(&app));
    // The scheme is a word in any case, and the secret may come in the body.
    let lower = question(&app).header("Authorization", &format!("basic {pair}")).body(FORM, body.clone());
    assert_eq!(lower.send().expect(200)["active"], true);
    let in_body = question(&app).body(FORM, format!("{body}&client_id=shop&client_secret={secret}"));
    assert_eq!(in_body.send().expect(200)["active"], true);
    block_on(app.operator().service_revoke("shop")).unwrap();
    refused(basic(&app, "shop", secret).body(FORM, body));
}

/// RFC 6749, section 2.3.1: some clients escape whatever is no letter or digit.
fn a_secret_may_be_escaped_in_basic(database: TestDatabase) {
    let app = TestApp::start(database);
    let secret =
        block_on(app.operator().service_create("web-shop.1", EventAccess::Denied)).unwrap().expose().to_owned();
    let ada = app.user("ada");
    let escaped = |text: &str| -> String {
        let one =
            |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") };
        text.bytes().map(one).collect()
    };
    let body = format!("token={}", ada.token());
    for (name, shown) in [(escaped("web-shop.1"), escaped(&secret)), (escaped("web-shop.1"), secret.clone())] {
        let call = basic(&app, &name, &shown).body(FORM, body.clone());
        assert_eq!(call.send().expect(200)["active"], true, "{name}");
    }
    refused(basic(&app, "web-shop.1", &escaped(&escaped(&secret))).body(FORM, body.clone()));
    refused(basic(&app, "web-shop.1", "%FF").body(FORM, body));
}

fn a_question_without_a_token_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let ask = |call: Call| assert_eq!(call.send().expect(400), json!({"error": "invalid_request"}));
    let asking = || basic(&app, "shop", &shop.secret);
    ask(asking());
    for body in ["", "tokens=x", "token_type_hint=access_token"] {
        ask(asking().body(FORM, body));
    }
    ask(asking().body("application/json", r#"{"token": "x"}"#));
}

fn switches_shut_nothing_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let ada = app.user("ada");
    for (switch, _) in KillSwitch::TABLE {
        app.switch(switch, true);
        assert_eq!(shop.told(&ada)["active"], true);
    }
}

fn an_outage_is_503_and_never_inactive(database: TestDatabase) {
    let app = TestApp::start(database);
    let shop = Service::new(&app);
    let ada = app.user("ada");
    assert_eq!(shop.told(&ada)["active"], true);
    for cut in [Cut::Everything, Cut::Operation("service_find"), Cut::Operation("changes_since")] {
        app.cut(cut);
        for token in [ada.token(), "garbage"] {
            let response = shop.ask(token);
            response.is(UNAVAILABLE);
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        app.cut(Cut::Nothing);
        assert_eq!(shop.told(&ada)["active"], true);
    }
}

fn services_are_not_counted_by_the_limits(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    let shop = Service::new(&app);
    for _ in 0..7 {
        let answers = [shop.ask("garbage"), app.anonymous().get("/forward-auth")];
        assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 401]);
        assert!(answers.iter().all(|answer| told(answer) == [None; 4]));
    }
}

fn when_a_service_last_asked_is_seen_by_staff_and_lags_by_a_minute(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.staff("root");
    let shop = Service::new(&app);
    let flush = || block_on(app.auth().services.flush_uses()).unwrap();
    let asked = || {
        flush();
        let services = block_on(app.operator().service_list()).unwrap();
        services[0].asked_at.map(|at| at.unix_seconds())
    };
    let seen = || crate::pages::browser::Browser::signed_in(&app, "root").get("/staff/services").text();
    // Who does not know the secret has not asked.
    assert_eq!(basic(&app, "shop", "wrong").body(FORM, "token=x".to_owned()).send().status, 401);
    assert_eq!(asked(), None);
    assert!(seen().contains("Last asked") && seen().contains(">never<"), "{}", seen());
    let first = app.seconds();
    shop.told(&ada);
    assert_eq!(asked(), Some(first));
    app.clock().advance_seconds(59);
    shop.told(&ada);
    assert_eq!(asked(), Some(first));
    app.clock().advance_seconds(1);
    // A question that is refused for another reason is one, too.
    assert_eq!(basic(&app, "shop", &shop.secret).body(FORM, String::new()).send().status, 400);
    assert_eq!(asked(), Some(first + 60));
    app.clock().advance_seconds(600);
    assert!(seen().contains("10 minutes ago") && !seen().contains(">never<"), "{}", seen());
    // Another replica writes it, too.
    let replica = app.replica();
    shop.ask_at(&replica, ada.token()).expect(200);
    block_on(replica.auth().services.flush_uses()).unwrap();
    assert_eq!(asked(), Some(first + 660));
}

fn recording_when_services_asked_is_in_nobodys_way(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let shop = Service::new(&app);
    app.cut(Cut::Operation("service_record_uses"));
    assert_eq!(shop.told(&ada)["active"], true);
    assert!(block_on(app.auth().services.flush_uses()).is_err());
    assert_eq!(shop.told(&ada)["active"], true);
    app.cut(Cut::Nothing);
    block_on(app.auth().services.flush_uses()).unwrap();
    let services = block_on(app.operator().service_list()).unwrap();
    assert_eq!(services[0].asked_at.map(|at| at.unix_seconds()), Some(app.seconds()));
}
