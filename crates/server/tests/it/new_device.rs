//! A login with a device that the account was not used with is told of, whatever it is made with (`docs/MODEL.md`, *New
//! devices*).

use serde_json::{Value, json};
use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::PageRequest;
use thunderhead_http::request::client_ip::TrustedProxies;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, PASSWORD, Response, TestApp, backup, passkey, totp};
use crate::events::Reader;
use crate::kratos;
use crate::pages::browser::{Browser, form, hidden};

on_both_engines!(
    in_every_dialect_a_new_device_is_told_of_once,
    a_second_factor_completes_the_login_that_is_told_of,
    a_passkey_alone_is_a_login_that_is_told_of,
    a_failed_login_makes_no_device_known,
    a_device_is_new_again_after_ninety_days,
    people_and_staff_see_that_a_device_was_new,
);

/// Logs ada in at a server, from an address.
type LogIn<'a> = &'a dyn Fn(&TestApp, &str);

const DAY: i64 = 24 * 3_600;
const OFFICE: &str = "192.0.2.7";
const HOME: &str = "198.51.100.7";
const CAFE: &str = "203.0.113.7";
const ALL: [&str; 3] = [OFFICE, HOME, CAFE];

fn firefox(version: u32) -> String {
    format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0")
}

fn behind_a_proxy(database: TestDatabase) -> TestApp {
    TestApp::with(database, |config| {
        config.http.trusted_proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
    })
}

fn by(call: Call, agent: &str, address: &str) -> Call {
    call.header("User-Agent", agent).header("X-Forwarded-For", address)
}

/// Logs ada in with Firefox.
fn log_in(app: &TestApp, version: u32, address: &str) -> Response {
    let login = app.anonymous().call("POST", "/api/login").json(&json!({"username": "ada", "password": PASSWORD}));
    by(login, &firefox(version), address).send()
}

/// Whether what was told since a place is one completed login, and whether with a new device.
#[track_caller]
fn told(app: &TestApp, reader: &Reader, place: &mut String) -> bool {
    let items = reader.since(app, place);
    *place = reader.now(app);
    let logins: Vec<_> = items.iter().filter(|item| item["type"].as_str().unwrap().starts_with("session.")).collect();
    assert!(!logins.is_empty());
    let new: Vec<_> = logins.iter().filter(|item| item["data"].get("new_device").is_some()).collect();
    assert!(new.iter().all(|item| item["data"]["new_device"] == true && new.len() == 1), "{items:?}");
    !new.is_empty()
}

/// How many records of this kind tell of a new device.
fn recorded(app: &TestApp, kind: AuditKind) -> usize {
    let filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
    let page = PageRequest { limit: 1_000, offset: 0 };
    let records = block_on(app.operator().audit_list(filter, page)).unwrap().items;
    records.iter().filter(|record| record.new_device).count()
}

fn in_every_dialect_a_new_device_is_told_of_once(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let (replica, reader) = (app.replica(), Reader::plain(&app));
    let agents = ["curl/8.5.0", "Wget/1.25.0", "okhttp/5.3.0", "axios/1.7.2"];
    by(app.anonymous().call("POST", "/api/register"), agents[0], OFFICE)
        .json(&crate::app::registration("ada"))
        .send()
        .expect(201);
    let mut place = reader.now(&app);
    let current = |app: &TestApp, address: &str| {
        let login = app.anonymous().call("POST", "/api/login").json(&json!({"username": "ada", "password": PASSWORD}));
        by(login, agents[0], address).send().expect(201);
    };
    let legacy = |app: &TestApp, address: &str| {
        let login = app.anonymous().call("POST", "/api/user/session").json(&json!({"user": "ada", "pass": PASSWORD}));
        by(login, agents[1], address).send().expect(201);
    };
    let of_kratos = |app: &TestApp, address: &str| {
        let flow = kratos::begin(app, "api", "");
        by(kratos::submission(app, &flow, &kratos::password("ada")), agents[2], address).send().expect(200);
    };
    let page = |app: &TestApp, address: &str| {
        let call = Browser::new(app).call("POST", "/login").header("Sec-Fetch-Site", "same-origin");
        let fields = form(&[("username", "ada"), ("password", PASSWORD)]);
        let call = call.body("application/x-www-form-urlencoded", fields);
        assert_eq!(by(call, agents[3], address).send().status, 303);
    };
    let dialects: [LogIn<'_>; 4] = [&current, &legacy, &of_kratos, &page];
    for (number, log_in) in dialects.into_iter().enumerate() {
        for address in ALL {
            log_in(&app, address);
            // It was made with this one.
            assert_eq!(told(&app, &reader, &mut place), (number, address) != (0, OFFICE), "{number} {address}");
            log_in(&replica, address);
            assert!(!told(&app, &reader, &mut place), "{number} {address}");
        }
    }
    assert_eq!(recorded(&app, AuditKind::LoggedIn), 11);
}

fn a_second_factor_completes_the_login_that_is_told_of(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let reader = Reader::plain(&app);
    let ada = app.user("ada");
    let (phone, enrolled) = ada.enrol_totp(&app);
    let mut place = reader.now(&app);
    // A password alone makes nothing known.
    for _ in 0..2 {
        assert_eq!(log_in(&app, 128, OFFICE).status, 401);
    }
    assert!(reader.since(&app, &place).is_empty());
    for new in [true, false] {
        let challenge = log_in(&app, 128, OFFICE).expect(401);
        let answer = totp(&challenge, &phone.fresh_code(&app));
        let answered = by(app.anonymous().call("POST", "/api/login"), &firefox(128), OFFICE);
        answered.json(&json!({"2fa": answer})).send().expect(201);
        assert_eq!(told(&app, &reader, &mut place), new);
    }
    // Where the session has its factor pending, too.
    for (number, new) in [true, false].into_iter().enumerate() {
        let flow = kratos::begin(&app, "api", "");
        let submitted = kratos::submission(&app, &flow, &kratos::password("ada"));
        let body = by(submitted, &firefox(128), HOME).send().expect(200);
        assert!(!told(&app, &reader, &mut place));
        let token = body["session_token"].as_str().unwrap().to_owned();
        let as_pending = |method, path: &str| {
            let call = app.anonymous().call(method, path).header("X-Session-Token", &token);
            by(call, &firefox(128), HOME)
        };
        let flow = as_pending("GET", "/auth/self-service/login/api?aal=aal2").send().expect(200);
        let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
        let code = kratos::lookup_secret(&enrolled.codes[number]);
        as_pending("POST", &path).json(&code).send().expect(200);
        assert_eq!(told(&app, &reader, &mut place), new);
    }
    assert_eq!([AuditKind::LoggedIn, AuditKind::SessionSteppedUp].map(|kind| recorded(&app, kind)), [1, 1]);
    // On pages the second step is a request of its own, too.
    let posted = |path: &str, fields: &[(&str, &str)]| {
        let call = Browser::new(&app).call("POST", path).header("Sec-Fetch-Site", "same-origin");
        by(call.body("application/x-www-form-urlencoded", form(fields)), &firefox(128), CAFE).send()
    };
    for (number, new) in [true, false].into_iter().enumerate() {
        let asked = posted("/login", &[("username", "ada"), ("password", PASSWORD)]).text();
        let [challenge, kinds, options] = ["challenge", "kinds", "options"].map(|name| hidden(&asked, name));
        let fields = [("challenge", &*challenge), ("kinds", &*kinds), ("options", &*options)];
        let code = [("kind", "backup"), ("code", &*enrolled.codes[number + 2])];
        assert_eq!(posted("/login/verify", &[fields.as_slice(), &code].concat()).status, 303);
        assert_eq!(told(&app, &reader, &mut place), new);
    }
}

fn a_passkey_alone_is_a_login_that_is_told_of(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let (replica, reader) = (app.replica(), Reader::plain(&app));
    let mut key = Authenticator::default();
    app.user("ada").enrol_passkey(&mut key);
    let mut answer = || passkey(&app.anonymous().passkey_challenge(), &mut key);
    let mut place = reader.now(&app);
    let api = |app: &TestApp, answer: &Value, address: &str| {
        let login = app.anonymous().call("POST", "/api/login").json(&json!({"passkey": answer}));
        by(login, &firefox(128), address).send()
    };
    let page = |app: &TestApp, answer: &Value, address: &str| {
        let fields = form(&[
            ("passkey-token", answer["token"].as_str().unwrap()),
            ("passkey-response", &answer["response"].to_string()),
        ]);
        let call = Browser::new(app).call("POST", "/login").header("Sec-Fetch-Site", "same-origin");
        by(call.body("application/x-www-form-urlencoded", fields), &firefox(128), address).send()
    };
    // What is no good makes nothing known.
    let mut wrong = answer();
    wrong["response"]["response"]["signature"] = json!("AAAA");
    api(&app, &wrong, OFFICE).expect(401);
    api(&app, &answer(), OFFICE).expect(201);
    assert!(told(&app, &reader, &mut place));
    // It is one device with whatever it logs in, and wherever.
    assert_eq!(page(&replica, &answer(), OFFICE).status, 303);
    assert!(!told(&app, &reader, &mut place));
    assert_eq!(page(&app, &answer(), HOME).status, 303);
    assert!(told(&app, &reader, &mut place));
    api(&replica, &answer(), HOME).expect(201);
    assert!(!told(&app, &reader, &mut place));
    assert_eq!(recorded(&app, AuditKind::LoggedIn), 2);
}

fn a_failed_login_makes_no_device_known(database: TestDatabase) {
    let app = behind_a_proxy(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    let wrong = json!({"username": "ada", "password": "wrong"});
    by(app.anonymous().call("POST", "/api/login").json(&wrong), &firefox(128), OFFICE).send().expect(401);
    let challenge = log_in(&app, 128, OFFICE).expect(401);
    let answer = |code: &str| {
        let call = by(app.anonymous().call("POST", "/api/login"), &firefox(128), OFFICE);
        call.json(&json!({"2fa": backup(&challenge, code)})).send()
    };
    answer("000000").expect(401);
    assert_eq!(recorded(&app, AuditKind::LoggedIn), 0);
    answer(&enrolled.codes[0]).expect(201);
    assert_eq!(recorded(&app, AuditKind::LoggedIn), 1);
}

fn a_device_is_new_again_after_ninety_days(database: TestDatabase) {
    let app = behind_a_proxy(database);
    app.user("ada");
    let mut new = 0;
    for (days, version, is_new) in [(0, 128, true), (90, 145, false), (91, 145, true), (1, 146, false)] {
        app.clock().advance_seconds(days * DAY);
        log_in(&app, version, OFFICE).expect(201);
        new += usize::from(is_new);
        assert_eq!(recorded(&app, AuditKind::LoggedIn), new, "{days}");
    }
}

fn people_and_staff_see_that_a_device_was_new(database: TestDatabase) {
    let app = behind_a_proxy(database);
    app.user("ada");
    app.staff("root");
    let ada = log_in(&app, 128, OFFICE).token();
    log_in(&app, 128, OFFICE).expect(201);
    let own = Browser::with_token(&app, &ada).get("/account").text();
    assert_eq!(own.matches("new device").count(), 1, "{own}");
    let mut staff = Browser::signed_in(&app, "root");
    let page = staff.get("/staff/audit?user=ada&kind=logged-in").text();
    assert_eq!(page.matches("new device").count(), 1, "{page}");
    let file = staff.get("/staff/audit.csv?user=ada").text();
    assert!(file.lines().next().unwrap().ends_with(",detail,new_device"), "{file}");
    let logins = |end: &str| file.lines().filter(|line| line.contains(",logged-in,") && line.ends_with(end)).count();
    assert_eq!([logins(",true"), logins(",false")], [1, 2], "{file}");
}
