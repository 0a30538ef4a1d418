//! `POST /api/user/session`.

use serde_json::{Value, json};
use thunderhead_domain::ports::Clock;
use thunderhead_domain::session::{Dialect, SessionKey};
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::attempt;
use crate::app::{Client, PASSWORD, TestApp, claims};
use crate::errors::{INVALID_PASSWORD, INVALID_USER, MISSING_FIELDS, NOT_AUTHENTICATED, RATE_LIMITED, UNAVAILABLE};

on_both_engines!(
    both_spellings_of_the_fields_log_in_by_name_or_address,
    a_session_lasts_for_a_month_or_for_ten_years,
    the_session_is_named_by_either_header,
    a_login_that_carries_a_session_still_logs_in,
    unknown_users_are_404_and_wrong_passwords_401,
    missing_fields_are_named_in_the_old_words,
    logins_of_all_dialects_share_one_limit,
    under_a_switch_staff_alone_get_in_and_others_learn_nothing,
    a_second_factor_is_asked_for_and_answered_in_the_body,
    a_security_key_answers_by_form_too,
);

fn good() -> Value {
    json!({"user": "ada", "pass": PASSWORD})
}

fn both_spellings_of_the_fields_log_in_by_name_or_address(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["ada", "ADA", "ada@example.org", "Ada@Example.org"] {
        for fields in [["user", "pass"], ["username", "password"], ["user", "password"], ["username", "pass"]] {
            let [name_field, password_field] = fields;
            for path in ["/api/user/session", "/api/session", "/api/session/"] {
                let answer = app.anonymous().post(path, &json!({name_field: name, password_field: PASSWORD}));
                let answer = answer.expect(201);
                let token = answer["token"].as_str().unwrap();
                assert_eq!(answer, json!({"token": token, "exp": claims(token)["exp"]}));
                assert!(ada.with_token(token).works(), "{fields:?} {path}");
            }
        }
    }
    // Of two spellings the older one counts.
    let both = json!({"user": "ada", "username": "nobody", "pass": PASSWORD, "password": "wrong"});
    attempt(&app, &both).expect(201);
}

fn a_session_lasts_for_a_month_or_for_ten_years(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (remember, seconds) in [(json!(null), 2_592_000), (json!(false), 2_592_000), (json!(true), 315_576_000)] {
        let mut body = good();
        body["rememberMe"] = remember;
        let answer = attempt(&app, &body).expect(201);
        assert_eq!(answer["exp"], app.seconds() + seconds);
        let client = ada.with_token(answer["token"].as_str().unwrap());
        let uuid = claims(client.token())["jti"].as_str().unwrap().parse().unwrap();
        let key = SessionKey::Uuid(thunderhead_domain::id::SessionUuid(uuid), ada.user_id());
        let authenticated = block_on(app.storage().session_authority(Some(key))).unwrap().authenticated.unwrap();
        assert_eq!(authenticated.session.origin.dialect, Dialect::Legacy);
        assert!(authenticated.session.expires_at > app.clock().now());
    }
}

fn the_session_is_named_by_either_header(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let too_long = "x".repeat(129);
    for (headers, name) in [
        (&[("X-Token-Name", "old")][..], "old"),
        (&[("X-Session-Name", "new")], "new"),
        (&[("X-Session-Name", "new"), ("X-Token-Name", "old")], "old"),
        (&[("X-Session-Name", "new"), ("X-Token-Name", " ")], "new"),
        (&[("X-Session-Name", "new"), ("X-Token-Name", &too_long)], "new"),
        (&[("X-Token-Name", "")], "curl v8 on an Unknown OS"),
    ] {
        let call = app.anonymous().call("POST", "/api/session").header("User-Agent", "curl/8.5.0");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        let answer = call.json(&good()).send().expect(201);
        let session = ada.with_token(answer["token"].as_str().unwrap()).get("/api/user/session").expect(200);
        assert_eq!(session["name"], name, "{headers:?}");
    }
    // The old name of the header means nothing in the current dialect.
    let call = app.anonymous().call("POST", "/api/login").header("X-Token-Name", "old");
    let answer = call.json(&json!({"username": "ada", "password": PASSWORD})).send().expect(201);
    let session = ada.with_token(answer["token"].as_str().unwrap()).get("/api/session").expect(200);
    assert_eq!(session["name"], "Unknown device");
}

fn a_login_that_carries_a_session_still_logs_in(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let expired = ada.with_token("garbage");
    for caller in [&ada, &bob, &expired] {
        let answer = caller.post("/api/user/session", &good()).expect(201);
        let session = ada.with_token(answer["token"].as_str().unwrap());
        assert_eq!(session.get("/api/session").expect(200)["sub"], ada.id());
    }
    assert!(ada.works() && bob.works());
    let twice = ada.call("POST", "/api/user/session").header("Authorization", ada.token()).json(&good());
    twice.send().is(NOT_AUTHENTICATED);
}

fn unknown_users_are_404_and_wrong_passwords_401(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["nobody", "", "nobody@example.org", ada.id()] {
        attempt(&app, &json!({"user": name, "pass": PASSWORD})).is(INVALID_USER);
    }
    for name in ["ada", "ada@example.org"] {
        attempt(&app, &json!({"user": name, "pass": "wrong"})).is(INVALID_PASSWORD);
    }
    // Failures of all dialects and spellings add up.
    for _ in 2..10 {
        app.anonymous().post("/api/login", &json!({"username": "ADA", "password": "wrong"})).is(INVALID_PASSWORD);
    }
    let throttled = attempt(&app, &good());
    throttled.is(RATE_LIMITED);
    assert_eq!(throttled.header("retry-after"), Some("1"));
}

fn missing_fields_are_named_in_the_old_words(database: TestDatabase) {
    let app = TestApp::start(database);
    for (body, fields) in [
        (json!({}), json!(["user", "pass"])),
        (json!([]), json!(["user", "pass"])),
        (json!({"username": "ada"}), json!(["pass"])),
        (json!({"password": PASSWORD}), json!(["user"])),
        (json!({"user": 1, "username": "ada", "pass": []}), json!(["user", "pass"])),
        (json!({"user": "ada", "pass": PASSWORD, "rememberMe": "true"}), json!(["rememberMe"])),
        (json!({"2fa": {}}), json!(["2fa"])),
    ] {
        attempt(&app, &body).is_with(MISSING_FIELDS, json!({"fields": fields}));
    }
}

fn logins_of_all_dialects_share_one_limit(database: TestDatabase) {
    let within = |count, seconds: u32| {
        let some = |number| std::num::NonZeroU32::new(number).unwrap();
        Limit::Within { count: some(count), window_millis: some(seconds * 1_000) }
    };
    let app = TestApp::with(database, |config| config.http.login_limit = within(3, 180));
    app.user("ada");
    attempt(&app, &good()).expect(201);
    app.anonymous().post("/api/session", &json!({})).is_with(MISSING_FIELDS, json!({"fields": ["user", "pass"]}));
    app.anonymous().log_in("ada");
    let refused = attempt(&app, &good());
    refused.is(RATE_LIMITED);
    assert_eq!(refused.header("retry-after"), Some("180"));
    app.anonymous().post("/api/login", &json!({})).is(RATE_LIMITED);
}

fn under_a_switch_staff_alone_get_in_and_others_learn_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    for (switch, feature) in [(KillSwitch::AccountLogin, 4), (KillSwitch::Global, 8)] {
        app.switch(switch, true);
        attempt(&app, &json!({"user": "root", "pass": PASSWORD})).expect(201);
        for body in [good(), json!({}), json!({"user": "root", "pass": "wrong"}), json!({"2fa": {"token": 1}})] {
            for caller in [&app.anonymous(), &ada, &root] {
                let response = caller.post("/api/user/session", &body);
                response.is_with(UNAVAILABLE, json!({"feature": feature}));
            }
        }
        let form = app.anonymous().call("POST", "/api/session").body("multipart/form-data", "x").send();
        form.is_with(UNAVAILABLE, json!({"feature": feature}));
        app.switch(switch, false);
    }
}

const ORIGIN: &str = "https://auth.example";

/// Gives a user a security key, and returns it with the user's backup codes.
fn enrol(ada: &Client) -> (Authenticator, Vec<String>) {
    let mut key = Authenticator::default();
    let offer = ada.post("/api/users/me/2fa/webauthn", &json!({"password": PASSWORD})).expect(200);
    let options = offer.get("publicKey").unwrap_or(&offer);
    let response = key.register(options, ORIGIN);
    let body = json!({"token": offer["token"], "name": "key", "response": response});
    let enrolled = ada.post("/api/users/me/2fa/webauthn/confirm", &body).expect(201);
    let codes = enrolled["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    (key, codes.collect())
}

fn a_second_factor_is_asked_for_and_answered_in_the_body(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, codes) = enrol(&ada);
    let challenge = || {
        let required = attempt(&app, &json!({"user": "ada@example.org", "pass": PASSWORD})).expect(401);
        assert_eq!(required["code"], "SECOND_FACTOR_CHALLENGE_REQUIRED_ERROR");
        assert_eq!(required["types"], json!(["webauthn", "backup"]));
        required["token"].as_str().unwrap().to_owned()
    };
    let answer = |token: &str, code: &str| json!({"2fa": {"token": token, "type": "backup", "code": code}});
    let token = challenge();
    let wrong = attempt(&app, &answer(&token, "wrong")).expect(401);
    assert_eq!(wrong["code"], "INVALID_SECOND_FACTOR_RESPONSE_ERROR");
    let mut body = answer(&token, &codes[0]);
    body["rememberMe"] = json!(true);
    assert_eq!(attempt(&app, &body).expect(201)["exp"], app.seconds() + 315_576_000);
    assert_eq!(attempt(&app, &body).status, 401, "a challenge is good for one success");
    let form = |content_type: &str, body: String| {
        app.anonymous().call("POST", "/api/session").body(content_type, body).send().expect(201)
    };
    let urlencoded = format!("2fa[token]={}&2fa%5Btype%5D=backup&2fa[code]={}", challenge(), codes[1]);
    form("application/x-www-form-urlencoded", urlencoded);
    let text = answer(&challenge(), &codes[2])["2fa"].to_string();
    let part = format!("--x\r\nContent-Disposition: form-data; name=\"2fa\"\r\n\r\n{text}\r\n--x--\r\n");
    form("multipart/form-data; boundary=x", part);
}

fn a_security_key_answers_by_form_too(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (mut key, _) = enrol(&ada);
    let required = attempt(&app, &good()).expect(401);
    let challenge = required["challenge"].get("publicKey").unwrap_or(&required["challenge"]);
    let answer = key.assert(challenge, ORIGIN);
    let mut fields = vec![("2fa[token]".to_owned(), required["token"].clone())];
    fields.push(("2fa[type]".to_owned(), json!("webauthn")));
    flatten("2fa[response]", &answer, &mut fields);
    let part = |(name, text): &(String, Value)| {
        let text = text.as_str().unwrap();
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let body = fields.iter().map(part).collect::<String>() + "--x--\r\n";
    let call = app.anonymous().call("POST", "/api/session").body("multipart/form-data; boundary=x", body);
    let token = call.send().expect(201)["token"].as_str().unwrap().to_owned();
    assert!(ada.with_token(&token).works());
}

/// Writes an object's texts as fields with brackets. Forms cannot say that an object is empty.
fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| flatten(&format!("{name}[{key}]"), value, fields))
        }
        Value::String(_) => fields.push((name.to_owned(), value.clone())),
        _ => {}
    }
}
