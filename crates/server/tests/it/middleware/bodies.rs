//! Bodies of every kind, at every endpoint that reads one: always the documented 4xx, never a 5xx.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Call, Client, PASSWORD, Response, TestApp};
use crate::errors::{BODY_TOO_LARGE, MISSING_FIELDS};
use crate::routes::{ROWS, Row, Who};

on_both_engines!(
    what_is_no_json_object_misses_the_required_fields,
    every_type_in_every_field_gets_the_documented_answer,
    a_body_of_64_kib_is_read_and_one_byte_more_is_not,
    a_body_that_breaks_off_misses_the_required_fields,
    json_with_a_charset_is_json_and_packed_json_is_not,
    the_last_of_repeated_keys_counts,
    endpoints_without_a_body_ignore_one,
    odd_texts_are_texts,
);

/// The endpoints that read a body, with the fields that they demand.
const READERS: [(&str, &str, &[&str]); 23] = [
    ("POST", "/api/login", &["username", "password"]),
    ("POST", "/api/register", &["username", "email", "password", "confirmPassword"]),
    ("POST", "/api/users/me/sessions", &["name", "permissionFlags", "password"]),
    ("DELETE", "/api/users/me/sessions", &["ids"]),
    ("DELETE", "/api/users/:uid/sessions", &["ids"]),
    ("PUT", "/api/users/me/username", &["username", "password"]),
    ("PUT", "/api/users/me/email", &["email", "password"]),
    ("PUT", "/api/users/me/password", &["newPassword", "confirmNewPassword", "password"]),
    ("DELETE", "/api/users/me/password", &["password"]),
    ("DELETE", "/api/users/me", &["password"]),
    ("DELETE", "/api/users", &["ids", "password"]),
    ("PUT", "/api/users/:uid/username", &["username", "password"]),
    ("PUT", "/api/users/:uid/password", &["newPassword", "confirmNewPassword", "password"]),
    ("PUT", "/api/users/:uid/ban", &["password"]),
    ("DELETE", "/api/users/:uid/verify", &["password"]),
    ("POST", "/api/users/me/2fa/totp", &["password"]),
    ("POST", "/api/users/me/2fa/totp/confirm", &["token", "name", "code"]),
    ("POST", "/api/users/me/2fa/webauthn/confirm", &["token", "name", "response"]),
    ("POST", "/api/users/me/2fa/passkey/confirm", &["token", "name", "response"]),
    ("POST", "/api/users/me/2fa/backup", &["password"]),
    ("DELETE", "/api/users/me/2fa", &["ids", "password"]),
    ("DELETE", "/api/users/me/2fa/all", &["password"]),
    ("DELETE", "/api/killswitches", &["password"]),
];

/// Who may call these, and whom it is about.
struct Cast {
    app: TestApp,
    root: Client,
}

impl Cast {
    fn start(database: TestDatabase) -> Self {
        let app = TestApp::start(database);
        let root = app.staff("root");
        Self { app, root }
    }

    fn caller(&self, path: &str) -> Client {
        let who = ROWS.iter().find(|row| row.path == path).map(|row| row.who);
        if who.is_some_and(Who::gets_in) { self.app.anonymous() } else { self.root.clone() }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.caller(path).call(method, &path.replace(":uid", self.root.id()))
    }
}

fn what_is_no_json_object_misses_the_required_fields(database: TestDatabase) {
    let cast = Cast::start(database);
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let bodies = [
        String::new(),
        " ".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "1".to_owned(),
        "\"x\"".to_owned(),
        "[]".to_owned(),
        "[{}]".to_owned(),
        "{".to_owned(),
        "{}x".to_owned(),
        "{'username': 'ada'}".to_owned(),
        "username=ada&password=x".to_owned(),
        "<xml/>".to_owned(),
        "{\"a\": 1e999999}".to_owned(),
        "\u{feff}{}".to_owned(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"username\":{}}}", deep("[", "]")),
        "{\"a\":".repeat(10_000),
    ];
    for (method, path, fields) in READERS {
        let missing = json!({"fields": fields});
        for body in &bodies {
            let response = cast.call(method, path).body("application/json", body.as_str()).send();
            response.is_with(MISSING_FIELDS, missing.clone());
        }
        let bytes = cast.call(method, path).body("application/json", b"{\"name\": \"\xFF\xFE\"}".to_vec());
        bytes.send().is_with(MISSING_FIELDS, missing.clone());
        cast.call(method, path).send().is_with(MISSING_FIELDS, missing.clone());
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""] {
            let response = cast.call(method, path).body(content_type, "{}").send();
            response.is_with(MISSING_FIELDS, missing.clone());
        }
        cast.call(method, path).bare_body("{}").send().is_with(MISSING_FIELDS, missing.clone());
    }
}

/// One value of every type, and some that are hard to swallow. Five types come first.
fn every_type() -> Vec<Value> {
    let mut deep = json!("bottom");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    vec![
        json!({}),
        json!(1.5),
        json!("text"),
        json!(["x", 1]),
        json!(true),
        json!(null),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(1e308),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("\u{202e}\u{1F329}"),
        json!("x".repeat(40_000)),
        json!([]),
        json!([null]),
        json!({"token": null, "type": null}),
        json!({"$ne": null}),
        deep,
    ]
}

/// What a wrong value of a field may be answered with, apart from `MissingFields`.
const OTHER_ANSWERS: [&str; 8] = [
    "INVALID_USER_ERROR",
    "INVALID_PASSWORD_ERROR",
    "INVALID_USERNAME_ERROR",
    "INVALID_EMAIL_ERROR",
    "PASSWORDS_DO_NOT_MATCH_ERROR",
    "INVALID_SECOND_FACTOR_RESPONSE_ERROR",
    "INVALID_SECOND_FACTOR_METHOD_ERROR",
    "USER_EXISTS_ERROR",
];

/// Whether the field was read as good, or not at all.
fn documented(row: &Row, field: &str, value: &Value, response: &Response) -> bool {
    let told = || format!("{} {} {field} = {value:.60}: {response:?}", row.method, row.path);
    let body = response.json();
    // Who has no second factor is told so, or that what they sent shows none.
    let lacks_a_factor = row.success >= 400 && response.status == row.success && body["code"] != "MISSING_FIELDS_ERROR";
    if response.status < 400 || lacks_a_factor {
        assert_eq!(response.status, row.success, "{}", told());
        return true;
    }
    match body["code"].as_str() {
        Some("MISSING_FIELDS_ERROR") => {
            assert_eq!((response.status, &body["fields"]), (400, &json!([field])), "{}", told());
        }
        // Only a text that the field could have held is checked by what it says.
        Some(code) => assert!(OTHER_ANSWERS.contains(&code) && (value.is_string() || field == "2fa"), "{}", told()),
        None => panic!("{}", told()),
    }
    false
}

fn every_type_in_every_field_gets_the_documented_answer(database: TestDatabase) {
    let cast = Cast::start(database);
    let optional = ["rememberMe", "longLived", "expiresIn", "2fa", "other"];
    let session = cast.root.session_id();
    for row in &ROWS {
        let Some(good) = row.body(&cast.app, &cast.root, 1) else { continue };
        let names: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
        let people = || {
            // Who has no factor changes nothing of it.
            let changed = row.is_of_an_account() && !row.path.starts_with("/api/users/me/2fa");
            let about = if changed { cast.app.spare() } else { cast.root.log_in("root") };
            let caller = match row.who {
                Who::Guest | Who::Login => cast.app.anonymous(),
                Who::User => about.clone(),
                Who::Staff => cast.root.log_in("root"),
            };
            (about, caller)
        };
        for field in names.iter().map(String::as_str).chain(optional) {
            let mut unchanged = None;
            let (mut tried, mut left_aside) = (0, 0);
            for value in every_type() {
                // What five types do not turn into a fault is read by nobody here.
                if left_aside == 5 && tried == 5 {
                    break;
                }
                // Wrong passwords add up, but not for ever.
                cast.app.clock().advance_seconds(900);
                let (about, caller) = unchanged.take().unwrap_or_else(people);
                let mut body = row.body(&cast.app, &about, session).unwrap();
                body[field] = value.clone();
                let path = row.path_about(&about, session);
                let answer = caller.call(row.method, &path).json(&body).send();
                tried += 1;
                left_aside += usize::from(documented(row, field, &value, &answer));
                // A body that is no good is refused before anything is done.
                unchanged = (answer.status == 400).then_some((about, caller));
            }
        }
    }
}

/// A login whose body is so many bytes long.
fn login_of(length: usize) -> Vec<u8> {
    let mut body = json!({"username": "root", "password": PASSWORD}).to_string().into_bytes();
    body.resize(length, b' ');
    body
}

fn a_body_of_64_kib_is_read_and_one_byte_more_is_not(database: TestDatabase) {
    let cast = Cast::start(database);
    let limit = 64 * 1_024;
    let json = "application/json";
    cast.call("POST", "/api/login").body(json, login_of(limit)).send().expect(201);
    for length in [limit + 1, 4 * limit, 100 * limit] {
        let ask = |(method, path, _): (&'static str, &'static str, &[&str])| {
            let head = format!(
                "{method} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {json}\r\nContent-Length: {length}\r\n",
                path.replace(":uid", cast.root.id()),
            );
            let caller = cast.caller(path);
            let credential = if path == "/api/login" || path == "/api/register" {
                String::new()
            } else {
                format!("Authorization: {}\r\n", caller.token())
            };
            (method, path, cast.app.raw().send(format!("{head}{credential}\r\n").as_bytes()))
        };
        // The answer comes before the body: nobody need send it. The server waits a moment for it, for all at once.
        let asked: Vec<_> = READERS.into_iter().map(ask).collect();
        for (method, path, connection) in asked {
            let answer = connection.answer().unwrap();
            assert_eq!(answer.status, BODY_TOO_LARGE.status, "{method} {path} {length}");
            assert_eq!(answer.json(), json!({"code": BODY_TOO_LARGE.code, "message": BODY_TOO_LARGE.message}));
        }
    }
    let mut chunked = b"POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n10001\r\n"
        .to_vec();
    chunked.extend(login_of(limit + 1));
    chunked.extend(b"\r\n0\r\n\r\n");
    assert_eq!(cast.app.raw().send(&chunked).answer().unwrap().status, 413);
    assert_eq!(cast.app.anonymous().get("/api/").status, 200);
}

fn a_body_that_breaks_off_misses_the_required_fields(database: TestDatabase) {
    let app = TestApp::start(database);
    let request = b"POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{\"username\":";
    let answer = app.raw().send(request).hang_up().answer();
    assert!(answer.is_none_or(|answer| answer.status == 400), "nobody may be left to answer");
    assert_eq!(app.anonymous().get("/api/").status, 200);
}

fn json_with_a_charset_is_json_and_packed_json_is_not(database: TestDatabase) {
    let cast = Cast::start(database);
    let body = json!({"username": "root", "password": PASSWORD}).to_string();
    let login = || cast.call("POST", "/api/login");
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/JSON;x=y", "application/json;"]
    {
        login().body(content_type, body.clone()).send().expect(201);
    }
    let packed = login().body("application/json", body).header("Content-Encoding", "gzip");
    packed.send().is_with(MISSING_FIELDS, json!({"fields": ["username", "password"]}));
}

fn the_last_of_repeated_keys_counts(database: TestDatabase) {
    let cast = Cast::start(database);
    let body = format!(r#"{{"username": "nobody", "username": "root", "password": 1, "password": "{PASSWORD}"}}"#);
    cast.call("POST", "/api/login").body("application/json", body).send().expect(201);
}

fn endpoints_without_a_body_ignore_one(database: TestDatabase) {
    let cast = Cast::start(database);
    for (method, path) in [
        ("GET", "/api/users/me"),
        ("GET", "/api/users/me/sessions"),
        ("GET", "/api/users/me/sessions/me"),
        ("DELETE", "/api/users/me/sessions/all"),
        ("DELETE", "/api/users/me/sessions/me"),
    ] {
        for body in [json!({"password": "x"}).to_string(), "{not json".to_owned(), "x".repeat(100_000)] {
            let call = cast.app.user(&format!("user{}", cast.app.number())).call(method, path);
            assert_eq!(call.body("application/json", body).send().status, 200, "{method} {path}");
        }
    }
}

fn odd_texts_are_texts(database: TestDatabase) {
    let cast = Cast::start(database);
    for name in ["' OR 1=1 --", "root\0", "%00", "\u{1F329}", "../../etc/passwd", "{{7*7}}", "ROOT\u{130}"] {
        let response = cast.call("POST", "/api/login").json(&json!({"username": name, "password": PASSWORD})).send();
        assert_eq!(response.status, 404, "{name:?}: {response:?}");
    }
}
