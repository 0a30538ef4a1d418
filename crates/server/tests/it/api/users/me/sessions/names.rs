//! What sessions are called (`docs/MODEL.md`, *Session names*).

use serde_json::json;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{PASSWORD, TestApp, registration};

on_both_engines!(
    a_login_and_a_registration_take_the_name_that_is_asked_for,
    a_name_that_cannot_be_one_counts_as_absent,
    a_name_in_latin_1_is_read_as_such,
    without_a_name_the_user_agent_names_the_session,
);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// The name of a session that is opened with these headers.
fn name_of_login(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let login = app.anonymous().call("POST", "/api/login").json(&json!({"username": "ada", "password": PASSWORD}));
    let login = headers.iter().fold(login, |login, (name, value)| login.header(name, value)).send();
    let client = app.anonymous().with_token(&login.token());
    client.get("/api/users/me/sessions/me").expect(200)["name"].as_str().unwrap().to_owned()
}

fn a_login_and_a_registration_take_the_name_that_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let register = app.anonymous().call("POST", "/api/register").json(&registration("ada"));
    let token = register.header("X-Session-Name", "Way Cool Session").send().token();
    let ada = app.anonymous().with_token(&token);
    assert_eq!(ada.get("/api/users/me/sessions/me").expect(200)["name"], "Way Cool Session");
    let longest = "x".repeat(128);
    for name in ["Way Cool Session", "Straße 1 – 雷", "👩\u{200d}💻 ❤\u{fe0f}", &longest] {
        assert_eq!(name_of_login(&app, &[("X-Session-Name", &format!("\u{a0}{name} "))]), name);
        assert_eq!(name_of_login(&app, &[("X-Session-Name", name), ("User-Agent", FIREFOX)]), name);
    }
}

fn a_name_that_cannot_be_one_counts_as_absent(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let hidden = ["a\u{202e}b", "a\u{2066}b", "a\u{200b}b", "a\u{2028}b", "a\u{ad}b", "a\u{3164}b", "a\u{e0041}b"];
    let empty = ["", "  ", "\u{2800}", &"x".repeat(129), "a\tb", "a\u{85}b"];
    for name in hidden.into_iter().chain(empty) {
        let headers = [("X-Session-Name", name), ("User-Agent", FIREFOX)];
        assert_eq!(name_of_login(&app, &headers), "Firefox v128 on Linux", "{name:?}");
    }
}

fn a_name_in_latin_1_is_read_as_such(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    let request = format!(
        "POST /api/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nX-Session-Name: ",
        body.len(),
    );
    let bytes = [request.as_bytes(), b"b\xE4d\r\n\r\n", body.as_bytes()].concat();
    let answer = app.raw().send(&bytes).answer().unwrap();
    assert_eq!(answer.status, 201);
    let client = app.anonymous().with_token(answer.json()["token"].as_str().unwrap());
    assert_eq!(client.get("/api/users/me/sessions/me").expect(200)["name"], "bäd");
}

fn without_a_name_the_user_agent_names_the_session(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let long = "z".repeat(3_000);
    for (agent, name) in [
        (FIREFOX, "Firefox v128 on Linux"),
        ("curl/8.5.0", "curl v8 on an Unknown OS"),
        ("Foo (Windows NT 10.0)", "Unknown Browser on Windows v10"),
        ("Cumulonimbus-Wrapper/5.1.0", "Cumulonimbus-Wrapper/5.1.0"),
        (&long, &long[..128]),
        (" ", "Unknown device"),
    ] {
        assert_eq!(name_of_login(&app, &[("User-Agent", agent)]), name);
    }
    assert_eq!(name_of_login(&app, &[]), "Unknown device");
}
