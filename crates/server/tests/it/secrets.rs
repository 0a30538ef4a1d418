//! What is secret stands in no log, however much is logged, and in no file in clear.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use totp_rs::Secret;

use crate::app::{PASSWORD, backup, client_at, totp};
use crate::errors::{MALFORMED_SECOND_FACTOR, REFUSED_SECOND_FACTOR};
use crate::process::Process;
use crate::webhooks::Receiver;

/// Whether some bytes stand among others.
fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn second_factors_leave_no_secret_in_the_log_or_the_database() {
    let settings = [
        ("LOG", "trace"),
        ("LOG_REQUESTS", "all"),
        ("LIMITS__LOGIN", "off"),
        ("HASHING__MEMORY_KIB", "8"),
        ("HASHING__PASSES", "1"),
        ("HTTP__DRAIN_MS", "0"),
    ];
    let process = Process::start(&settings);
    let anonymous = client_at(process.address);
    let ada = anonymous.register("ada");
    let offer = ada.offer("totp");
    let phone = offer.code_app();
    // The server's clock, which no test can set.
    let now = offer.body["exp"].as_i64().unwrap() - 300;
    ada.confirm_totp(&offer, "abcdef").is(REFUSED_SECOND_FACTOR);
    let enrolled = ada.confirm_totp(&offer, &phone.code_at(now, 0)).expect(201);
    let codes: Vec<&str> = enrolled["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    let login = anonymous.login_challenged("ada");
    anonymous.answer_login(&backup(&login, &format!("{}A", codes[0]))).is(REFUSED_SECOND_FACTOR);
    anonymous.answer_login(&backup(&json!({"token": "garbage"}), codes[0])).is(MALFORMED_SECOND_FACTOR);
    let session = anonymous.answer_login(&totp(&login, &phone.code_at(now, 1))).expect(201);
    let change = ada.challenged("POST", "/api/users/me/2fa/backup", &json!({}));
    let renewal = ada.answer("POST", "/api/users/me/2fa/backup", &json!({}), &backup(&change, codes[0])).expect(201);
    let pending = ada.by_backup(renewal["codes"][0].as_str().unwrap(), "POST", "/api/users/me/2fa/totp", &json!({}));
    let pending = pending.expect(200);

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let apps = [text(&offer.body["secret"]), text(&pending["secret"])];
    let mut secrets = vec![PASSWORD.as_bytes().to_vec()];
    for secret in &apps {
        secrets.push(secret.as_bytes().to_vec());
        secrets.push(Secret::try_from_base32(secret).unwrap().as_ref().to_vec());
    }
    for code in
        codes.iter().copied().chain(renewal["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()))
    {
        secrets.push(code.as_bytes().to_vec());
        secrets.push(code.replace('-', "").into_bytes());
    }
    for token in [&offer.body, &login, &change, &pending, &session].map(|body| text(&body["token"])) {
        secrets.push(token.rsplit('.').next().unwrap().as_bytes().to_vec());
    }
    let written = process.written();
    process.signal(Signal::TERM);
    let log = process.end().log;
    assert!(holds(&written, b"ada@example.org") && log.contains("/2fa/totp/confirm"), "not where to look: {log:.2000}");
    for secret in secrets {
        let shown = String::from_utf8_lossy(&secret);
        assert!(!holds(log.as_bytes(), &secret), "{shown} stands in the log");
        assert!(!holds(&written, &secret), "{shown} stands in a file");
    }
}

#[test]
fn a_webhooks_secret_is_shown_once_and_stands_nowhere_else() {
    let process = Process::start(&[("LOG", "trace"), ("LOG_REQUESTS", "all"), ("HTTP__DRAIN_MS", "0")]);
    let receiver = Receiver::start();
    let (arrival, go) = receiver.hold();
    let url = receiver.url();
    let first = process.operate(&["webhook", "add", "shop", &url, "--types", "user.*"]).trim().to_owned();
    let second = process.operate(&["webhook", "rotate", "shop"]).trim().to_owned();
    client_at(process.address).register("ada");
    // The server itself delivers it, within seconds.
    arrival.recv_timeout(Duration::from_secs(60)).unwrap();
    let listed = process.operate(&["webhook", "list"]) + &process.operate(&["webhook", "list", "--json"]);
    go.send(()).unwrap();
    let written = process.written();
    process.signal(Signal::TERM);
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let posts = receiver.posts();
    assert_eq!(posts[0].signature, [&second, &first].map(|secret| posts[0].signed_by(secret)).join(" "));
    assert!(
        holds(&written, url.as_bytes()) && listed.contains(&url) && ended.log.contains("webhook"),
        "not where to look"
    );
    for secret in [first, second].map(|secret| secret.strip_prefix("whsec_").unwrap().to_owned()) {
        let bytes = STANDARD.decode(&secret).unwrap();
        for (place, text) in [("log", ended.log.as_bytes()), ("list", listed.as_bytes()), ("database", &written)] {
            assert!(!holds(text, secret.as_bytes()) && !holds(text, &bytes), "it stands in the {place}");
        }
    }
}
