//! How a session is shown: `Authorization`, the cookie, the opaque token, and all that is none of these.

use serde_json::json;
use sha2::{Digest, Sha256};
use thunderhead_domain::id::{SessionUuid, UserId};
use thunderhead_domain::ports::{AccountName, Clock};
use thunderhead_domain::session::{
    BeyondCap, Dialect, Grant, NewSession, Origin, SessionCap, SessionName, TokenDigest,
};
use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, PASSWORD, TestApp};
use crate::errors::{INSUFFICIENT_PERMISSIONS, NOT_AUTHENTICATED};

on_both_engines!(
    the_token_works_bare_and_as_bearer_and_in_no_other_form,
    tampered_and_foreign_tokens_are_refused,
    a_token_of_another_server_is_refused,
    the_cookie_reads_and_changes_from_the_same_origin_only,
    a_cookie_of_a_configured_origin_may_change_things,
    two_of_a_kind_are_refused,
    authorization_wins_over_the_cookie,
    the_opaque_token_works_wherever_the_jwt_does,
    a_session_whose_second_factor_is_pending_is_no_session,
    the_session_token_header_is_not_read,
);

const COOKIE: &str = "__Host-thunderhead_session";

/// The same request with the session in the cookie.
pub(crate) fn by_cookie(client: &Client, app: &TestApp, method: &str, path: &str) -> Call {
    app.anonymous().call(method, path).header("Cookie", &format!("a=b; {COOKIE}={}; c=d", client.token()))
}

fn the_token_works_bare_and_as_bearer_and_in_no_other_form(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let token = ada.token();
    for form in [token.to_owned(), format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER  {token}")] {
        assert!(ada.with_token(&form).works(), "{form}");
    }
    for form in [
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer Bearer {token}"),
        format!("{token} {token}"),
        format!("{token}, {token}"),
        format!("\"{token}\""),
        "Bearer".to_owned(),
        String::new(),
    ] {
        ada.with_token(&form).get("/api/users/me").is(NOT_AUTHENTICATED);
    }
}

fn tampered_and_foreign_tokens_are_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let parts: Vec<&str> = ada.token().split('.').collect();
    let foreign: Vec<&str> = bob.token().split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for token in [
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{header}.{payload}.{}", foreign[2]),
        format!("{header}.{}.{signature}", foreign[1]),
        format!("{header}.{payload}.{}", "A".repeat(86)),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}."),
        format!("{header}.{payload}.{signature}A"),
        ".".repeat(2_000),
        "..".to_owned(),
    ] {
        ada.with_token(&token).get("/api/users/me").is(NOT_AUTHENTICATED);
    }
}

fn a_token_of_another_server_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let other = TestApp::start(TestDatabase::sqlite());
    // Both make the same random numbers, but each has a key of its own.
    let (ada, stranger) = (app.user("ada"), other.user("ada"));
    stranger.at(&app).get("/api/users/me").is(NOT_AUTHENTICATED);
    ada.at(&other).get("/api/users/me").is(NOT_AUTHENTICATED);
}

fn the_cookie_reads_and_changes_from_the_same_origin_only(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for site in ["cross-site", "same-site", "same-origin", "none"] {
        let reading = by_cookie(&ada, &app, "GET", "/api/users/me").header("Sec-Fetch-Site", site);
        reading.send().expect(200);
    }
    let path = "/api/users/me/sessions/all";
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let other = ada.log_in("ada");
        by_cookie(&ada, &app, "DELETE", path).header(name, value).send().is(INSUFFICIENT_PERMISSIONS);
        assert!(other.works());
        let issuing = by_cookie(&ada, &app, "POST", "/api/users/me/sessions").header(name, value);
        issuing.json(&json!({})).send().is(INSUFFICIENT_PERMISSIONS);
    }
    by_cookie(&ada, &app, "DELETE", path).header("Sec-Fetch-Site", "same-origin").send().expect(200);
    by_cookie(&ada, &app, "DELETE", path).header("Sec-Fetch-Site", "none").send().expect(200);
    by_cookie(&ada, &app, "DELETE", path).send().expect(200);
    // What comes by `Authorization` was put there on purpose.
    ada.call("DELETE", path).header("Sec-Fetch-Site", "cross-site").send().expect(200);
    let dead = ada.with_token("garbage");
    let refused = by_cookie(&dead, &app, "DELETE", path).header("Sec-Fetch-Site", "cross-site").send();
    refused.is(NOT_AUTHENTICATED);
}

fn a_cookie_of_a_configured_origin_may_change_things(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.origins = Origins::new(vec!["https://app.example".to_owned()]).unwrap();
    });
    let ada = app.user("ada");
    let path = "/api/users/me/sessions/all";
    let ours = by_cookie(&ada, &app, "DELETE", path).header("Origin", "https://app.example");
    ours.header("Sec-Fetch-Site", "cross-site").send().expect(200);
    let evil = by_cookie(&ada, &app, "DELETE", path).header("Origin", "https://evil.example");
    evil.send().is(INSUFFICIENT_PERMISSIONS);
}

fn two_of_a_kind_are_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.call("GET", "/api/users/me").header("Authorization", ada.token()).send().is(NOT_AUTHENTICATED);
    ada.call("GET", "/api/users/me").header("Authorization", "x").send().is(NOT_AUTHENTICATED);
    let cookie = format!("{COOKIE}={}", ada.token());
    let twice = by_cookie(&ada, &app, "GET", "/api/users/me").header("Cookie", &cookie);
    twice.send().is(NOT_AUTHENTICATED);
    let in_one = app.anonymous().call("GET", "/api/users/me").header("Cookie", &format!("{cookie}; {cookie}"));
    in_one.send().is(NOT_AUTHENTICATED);
    // Nor are they as good as none.
    let login = app.anonymous().call("POST", "/api/login").json(&json!({"username": "ada", "password": PASSWORD}));
    login.header("Cookie", &format!("{COOKIE}=x; {COOKIE}=y")).send().is(NOT_AUTHENTICATED);
}

fn authorization_wins_over_the_cookie(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let cookie = format!("{COOKIE}={}", bob.token());
    let both = ada.call("GET", "/api/users/me").header("Cookie", &cookie).send();
    assert_eq!(both.expect(200)["username"], "ada");
    for bad in ["garbage", "Bearer", "Basic YTpi", ""] {
        let call = ada.with_token(bad).call("GET", "/api/users/me").header("Cookie", &cookie);
        call.send().is(NOT_AUTHENTICATED);
    }
    let garbage = format!("{COOKIE}=garbage");
    ada.call("GET", "/api/users/me").header("Cookie", &garbage).send().expect(200);
}

/// Opens a session behind the server's back, as other dialects will.
pub(crate) fn open(app: &TestApp, user: UserId, opaque: &str, second_factor_pending: bool) -> i64 {
    let (_, credential) = block_on(app.storage().account_credential(AccountName::Id(user))).unwrap().unwrap();
    let mut bytes = [0; 16];
    app.random().fill(&mut bytes);
    let at = app.clock().now();
    let session = NewSession {
        uuid: SessionUuid(uuid::Builder::from_random_bytes(bytes).into_uuid()),
        opaque: Some(TokenDigest(Sha256::digest(opaque).into())),
        name: SessionName::unnamed(),
        grant: Grant::Full,
        at,
        expires_at: at.plus_seconds(60),
        origin: Origin { dialect: Dialect::Kratos, client_ip: None, user_agent: None },
        authentications: Default::default(),
        second_factor_pending,
        cap: SessionCap { most: 10_000, beyond: BeyondCap::EndOldest },
        clears: None,
        agent: None,
    };
    block_on(app.storage().session_open(user, credential.version, None, session)).unwrap().unwrap().id.number()
}

pub(crate) const OPAQUE: &str = "Abcdefghijklmnopqrstuvwxyz012345";

fn the_opaque_token_works_wherever_the_jwt_does(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    // The second is as Kratos writes its own.
    let other: String = OPAQUE.chars().rev().collect();
    for (token, text) in [(OPAQUE, OPAQUE.to_owned()), (&other, format!("ory_st_{other}"))] {
        let id = open(&app, ada.user_id(), token, false);
        let opaque = ada.with_token(&text);
        assert!(opaque.works() && ada.with_token(&format!("Bearer {text}")).works());
        by_cookie(&opaque, &app, "GET", "/api/users/me").send().expect(200);
        let whoami = app.anonymous().call("GET", "/auth/sessions/whoami").header("X-Session-Token", &text).send();
        whoami.expect(200);
        assert_eq!(opaque.get("/api/users/me/sessions/me").expect(200)["id"], id);
        for wrong in [text.to_lowercase(), text[1..].to_owned(), format!("{text}x"), format!("ory_lo_{OPAQUE}")] {
            ada.with_token(&wrong).get("/api/users/me").is(NOT_AUTHENTICATED);
        }
        ada.delete(&format!("/api/users/me/sessions/{id}")).expect(200);
        opaque.get("/api/users/me").is(NOT_AUTHENTICATED);
    }
}

fn a_session_whose_second_factor_is_pending_is_no_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let root = app.staff("root");
    open(&app, root.user_id(), OPAQUE, true);
    let pending = root.with_token(OPAQUE);
    pending.get("/api/users/me").is(NOT_AUTHENTICATED);
    pending.delete("/api/users/me/sessions/all").is(NOT_AUTHENTICATED);
    pending.get(&format!("/api/users/{}/sessions", root.id())).is(NOT_AUTHENTICATED);
}

fn the_session_token_header_is_not_read(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let call = app.anonymous().call("GET", "/api/users/me").header("X-Session-Token", ada.token());
    call.send().is(NOT_AUTHENTICATED);
    let query = format!("/api/users/me?token={}", ada.token());
    app.anonymous().get(&query).is(NOT_AUTHENTICATED);
}
