//! Bodies of three kinds, good and bad, at the endpoints that read one.

use serde_json::{Value, json};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::ended;
use crate::app::{Client, PASSWORD, Response, TestApp};
use crate::errors::{Expected, INVALID_PASSWORD, MISSING_FIELDS};

on_both_engines!(
    the_three_kinds_say_the_same,
    remember_me_is_read_from_forms,
    sessions_are_read_from_forms_however_they_are_sent,
    what_is_no_body_of_any_kind_misses_the_required_fields,
    repeated_texts_and_files_are_no_texts,
    a_form_of_64_kib_is_read_and_one_byte_more_is_not,
    a_form_that_breaks_off_misses_the_required_fields,
    the_current_dialect_reads_json_alone,
);

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=----old";
const TOO_LARGE: Expected = Expected { status: 413, code: "BODY_TOO_LARGE_ERROR", message: "Request Body Too Large" };

/// A form in both kinds.
fn forms(fields: &[(&str, &str)]) -> [(&'static str, String); 2] {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pair = |(name, value): &(&str, &str)| format!("{}={}", escaped(name), escaped(value));
    let part = |(name, value): &(&str, &str)| {
        format!("------old\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let query: Vec<String> = fields.iter().map(pair).collect();
    let parts: String = fields.iter().map(part).collect();
    [(URLENCODED, query.join("&")), (MULTIPART, parts + "------old--\r\n")]
}

fn log_in(app: &TestApp, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
    app.anonymous().call("POST", "/api/user/session").body(content_type, body).send()
}

fn the_three_kinds_say_the_same(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let password = "ünter & über = +%41";
    let change = json!({"newPassword": password, "confirmNewPassword": password, "password": PASSWORD});
    ada.put("/api/users/me/password", &change).expect(200);
    for names in [["user", "pass"], ["username", "password"]] {
        for (name, password, status) in [("ada", password, 201), ("nobody", "x", 404), ("ada", "wrong", 401)] {
            let fields = [(names[0], name), (names[1], password)];
            let object: Value = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let json = ("application/json", object.to_string());
            for (content_type, body) in forms(&fields).into_iter().chain([json]) {
                assert_eq!(log_in(&app, content_type, body).status, status, "{content_type} {fields:?}");
            }
        }
    }
}

fn remember_me_is_read_from_forms(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (text, seconds) in
        [("true", 315_576_000), ("1", 315_576_000), ("on", 315_576_000), ("false", 2_592_000), ("", 2_592_000)]
    {
        for (content_type, body) in forms(&[("user", "ada"), ("pass", PASSWORD), ("rememberMe", text)]) {
            let answer = log_in(&app, content_type, body).expect(201);
            assert_eq!(answer["exp"], app.seconds() + seconds, "{content_type} {text}");
        }
    }
    for (content_type, body) in forms(&[("user", "ada"), ("pass", PASSWORD), ("rememberMe", "maybe")]) {
        log_in(&app, content_type, body).is_with(MISSING_FIELDS, json!({"fields": ["rememberMe"]}));
    }
}

fn sessions_are_read_from_forms_however_they_are_sent(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let staff_path = format!("/api/user/{}/sessions", ada.id());
    for (caller, path) in [(&ada, "/api/user/sessions"), (&ada, "/api/sessions"), (&root, staff_path.as_str())] {
        for kind in 0..2 {
            let [a, b] = [(); 2].map(|()| ada.log_in("ada").session_id().to_string());
            let both = format!("{a},{b}");
            let end = |fields: &[(&str, &str)]| {
                let (content_type, body) = forms(fields)[kind].clone();
                caller.call("DELETE", path).body(content_type, body).send()
            };
            assert_eq!(end(&[("sessions", &a)]).expect(200), ended(1));
            assert_eq!(end(&[("sessions", &both), ("sessions", "sid")]).expect(200), ended(1));
            let [a, b] = [(); 2].map(|()| ada.log_in("ada").session_id().to_string());
            assert_eq!(end(&[("sessions[]", &a), ("sessions[]", &b)]).expect(200), ended(2));
            assert_eq!(end(&[("sessions", "")]).expect(200), ended(0));
            end(&[("session", &a)]).is_with(MISSING_FIELDS, json!({"fields": ["sessions"]}));
            end(&[("sessions[x]", &a)]).is_with(MISSING_FIELDS, json!({"fields": ["sessions"]}));
            assert_eq!(end(&[("sessions", &",".repeat(49))]).expect(200), ended(0));
            assert_eq!(end(&[("sessions", &",".repeat(50))]).expect(400)["code"], "BODY_TOO_LARGE_ERROR");
        }
    }
    assert!(ada.works() && root.works());
}

fn what_is_no_body_of_any_kind_misses_the_required_fields(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let missing = |response: Response, fields: &[&str]| response.is_with(MISSING_FIELDS, json!({"fields": fields}));
    let [(_, query), (_, parts)] = forms(&[("user", "ada"), ("pass", PASSWORD)]);
    for (content_type, body) in [
        ("application/json", "user=ada&pass=x".as_bytes()),
        ("text/plain", query.as_bytes()),
        ("", query.as_bytes()),
        ("application/json", query.as_bytes()),
        (MULTIPART, query.as_bytes()),
        (URLENCODED, parts.as_bytes()),
        ("multipart/form-data", parts.as_bytes()),
        ("multipart/form-data; boundary=", parts.as_bytes()),
        ("multipart/form-data; boundary=new", parts.as_bytes()),
        ("multipart/mixed; boundary=----old", parts.as_bytes()),
        (URLENCODED, b"user=ada&pass=%FF"),
        (URLENCODED, b"user=ada&pass=x&other=\xff"),
        (URLENCODED, b""),
        (MULTIPART, b""),
        (MULTIPART, b"------old\r\nContent-Disposition: form-data; name=user\r\n\r\n\xff\r\n------old--"),
        (MULTIPART, b"------old\r\n\r\nuser\r\n------old--"),
        (MULTIPART, b"\r\n\r\n\0"),
    ] {
        missing(log_in(&app, content_type, body), &["user", "pass"]);
        let end = ada.call("DELETE", "/api/user/sessions").body(content_type, body).send();
        missing(end, &["sessions"]);
    }
    let packed = app.anonymous().call("POST", "/api/session").header("Content-Encoding", "gzip");
    missing(packed.body(URLENCODED, query.as_str()).send(), &["user", "pass"]);
    missing(app.anonymous().call("POST", "/api/session").bare_body(query).send(), &["user", "pass"]);
    missing(app.anonymous().call("POST", "/api/session").send(), &["user", "pass"]);
}

fn repeated_texts_and_files_are_no_texts(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (content_type, body) in forms(&[("user", "ada"), ("pass", "x"), ("pass", PASSWORD)]) {
        log_in(&app, content_type, body).is_with(MISSING_FIELDS, json!({"fields": ["pass"]}));
    }
    let file = format!(
        "------old\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nada\r\n------old\r\n\
         Content-Disposition: form-data; name=\"pass\"; filename=\"pass.txt\"\r\nContent-Type: text/plain\r\n\r\n\
         {PASSWORD}\r\n------old--\r\n"
    );
    log_in(&app, MULTIPART, file).is_with(MISSING_FIELDS, json!({"fields": ["pass"]}));
}

fn a_form_of_64_kib_is_read_and_one_byte_more_is_not(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (content_type, body) in forms(&[("user", "ada"), ("pass", "wrong"), ("rest", "REST")]) {
        let padded = |length: usize| {
            // An escaped letter is three bytes.
            let rest = if content_type == URLENCODED { "%52%45%53%54" } else { "REST" };
            let filler = "x".repeat(length - (body.len() - rest.len()));
            body.replace(rest, &filler)
        };
        let (fits, over) = (padded(65_536), padded(65_537));
        assert_eq!((fits.len(), over.len()), (65_536, 65_537));
        log_in(&app, content_type, fits).is(INVALID_PASSWORD);
        log_in(&app, content_type, over.as_str()).is(TOO_LARGE);
    }
    log_in(&app, "application/json", " ".repeat(65_537)).is(TOO_LARGE);
}

fn a_form_that_breaks_off_misses_the_required_fields(database: TestDatabase) {
    let app = TestApp::start(database);
    for (content_type, body) in forms(&[("user", "ada"), ("pass", PASSWORD)]) {
        let length = body.len() + 1;
        let request = format!(
            "POST /api/user/session HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = app.raw().send(request.as_bytes()).hang_up().answer().unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        // All of the body, cut where its form is not complete.
        let cut = &body[..body.len() - 40];
        let response = log_in(&app, content_type, cut);
        assert!((400..500).contains(&response.status), "{response:?}");
    }
}

fn the_current_dialect_reads_json_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let client: Client = app.anonymous();
    for (content_type, body) in forms(&[("username", "ada"), ("password", PASSWORD)]) {
        let response = client.call("POST", "/api/login").body(content_type, body).send();
        response.is_with(MISSING_FIELDS, json!({"fields": ["username", "password"]}));
    }
}
