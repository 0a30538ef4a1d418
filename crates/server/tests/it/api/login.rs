//! `POST /api/login`.

mod budget;
mod challenge;
mod passkey;
mod second_factor;
mod switches;

use serde_json::{Value, json};
use thunderhead_auth::settings::LoginErrors;
use thunderhead_domain::id::SessionUuid;
use thunderhead_domain::ports::AccountName;
use thunderhead_domain::session::SessionKey;
use thunderhead_domain::user::PasswordHash;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, PASSWORD, Response, TestApp, claims, totp};
use crate::errors::{BANNED, INVALID_PASSWORD, INVALID_USER, MISSING_FIELDS, NOT_AUTHENTICATED, UNAVAILABLE};

on_both_engines!(
    a_login_gives_a_token_for_24_hours,
    remember_me_gives_a_token_for_10_years,
    the_claims_are_those_of_the_session,
    the_user_name_counts_without_regard_to_case,
    an_unknown_user_is_404_and_a_wrong_password_401,
    uniform_errors_do_not_tell_whether_the_name_exists,
    unknown_names_have_a_budget_each_however_they_are_spelt,
    passwords_are_not_trimmed_or_cut,
    white_space_around_the_name_is_not_part_of_it,
    a_password_is_right_in_whatever_unicode_form_it_is_typed,
    a_hash_without_the_mark_gets_it_at_the_next_login,
    a_hash_from_elsewhere_lets_its_user_in_wherever_a_password_is_asked_for_and_is_made_anew,
    a_hash_from_elsewhere_is_made_anew_before_the_second_factor_is_asked_for,
    a_hash_that_cannot_be_read_is_unavailable_wherever_it_is_asked_for,
    a_banned_user_is_told_so_only_with_the_right_password,
    an_unbanned_user_logs_in_anew,
    a_request_with_a_valid_session_is_refused,
    a_dead_session_does_not_hinder_a_login,
    all_that_is_missing_or_mistyped_is_listed_in_order,
    null_is_absent_and_other_fields_are_ignored,
);

/// One attempt without a session.
fn attempt(app: &TestApp, body: &Value) -> Response {
    app.anonymous().post("/api/login", body)
}

fn credentials(name: &str, password: &str) -> Value {
    json!({"username": name, "password": password})
}

fn a_login_gives_a_token_for_24_hours(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.clock().advance_seconds(5);
    for remember in [None, Some(false)] {
        let mut body = credentials("ada", PASSWORD);
        body["rememberMe"] = json!(remember);
        let answer = attempt(&app, &body).expect(201);
        let token = answer["token"].as_str().unwrap().to_owned();
        assert_eq!(answer, json!({"token": token, "exp": app.seconds() + 86_400}));
        assert!(ada.with_token(&token).works());
    }
}

fn remember_me_gives_a_token_for_10_years(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let body = json!({"username": "ada", "password": PASSWORD, "rememberMe": true});
    let answer = attempt(&app, &body).expect(201);
    assert_eq!(answer["exp"], app.seconds() + 315_576_000);
    let ada = ada.with_token(answer["token"].as_str().unwrap());
    app.clock().advance_seconds(315_576_000 - 1);
    assert!(ada.works());
    app.clock().advance_seconds(1);
    assert!(!ada.works());
}

fn the_claims_are_those_of_the_session(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let session = ada.get("/api/users/me/sessions/me").expect(200);
    let claims = claims(ada.token());
    assert_eq!(claims["sub"], ada.id());
    assert_eq!(claims["iat"], session["id"]);
    assert_eq!(claims["exp"], session["exp"]);
    assert_eq!(claims["jti"], session["uuid"]);
    assert_eq!(claims["purpose"], "session");
    assert!(claims["iat"].is_i64() && claims["exp"].is_i64(), "whole seconds: {claims}");
    let uuid = SessionUuid(session["uuid"].as_str().unwrap().parse().unwrap());
    let key = SessionKey::Uuid(uuid, ada.user_id());
    let authenticated = block_on(app.storage().session_authority(Some(key))).unwrap().authenticated.unwrap();
    assert_eq!(authenticated.session.origin.client_ip, "127.0.0.1".parse().ok());
}

fn the_user_name_counts_without_regard_to_case(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("Ada.L-0_9");
    for name in ["Ada.L-0_9", "ada.l-0_9", "ADA.L-0_9"] {
        assert_eq!(attempt(&app, &credentials(name, PASSWORD)).status, 201, "{name}");
    }
}

fn an_unknown_user_is_404_and_a_wrong_password_401(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for name in ["bob", "", " ", "ada a", "ada@example.org", ada.id(), "a\0", "ådå", &"x".repeat(5_000)] {
        attempt(&app, &credentials(name, PASSWORD)).is(INVALID_USER);
    }
    for password in ["", "wrong", &"x".repeat(50_000), "\0"] {
        attempt(&app, &credentials("ada", password)).is(INVALID_PASSWORD);
    }
}

fn uniform_errors_do_not_tell_whether_the_name_exists(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.login_errors = LoginErrors::Uniform);
    app.user("ada");
    let mut told = vec![];
    for name in ["ada", "nobody", "not a name"] {
        app.clock().advance_seconds(3_600);
        let answers = (0..12).map(|_| attempt(&app, &credentials(name, "wrong wrong")));
        told.push(
            answers
                .map(|answer| (answer.status, answer.json(), answer.header("retry-after").map(str::to_owned)))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    assert!(told[0][..10].iter().all(|(status, body, _)| *status == 404 && body["code"] == "INVALID_USER_ERROR"));
    assert!(told[0][10..].iter().all(|(status, ..)| *status == 429));
    app.clock().advance_seconds(3_600);
    assert_eq!(attempt(&app, &credentials("ada", PASSWORD)).status, 201);
}

fn unknown_names_have_a_budget_each_however_they_are_spelt(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.login_errors = LoginErrors::Uniform);
    for name in ["nobody", "NOBODY", "Nobody", "nObody", "nobodY"] {
        let statuses = [(); 2].map(|()| attempt(&app, &credentials(name, "wrong")).status);
        assert_eq!(statuses, [404, 404], "{name}");
    }
    assert_eq!(attempt(&app, &credentials("noBody", "wrong")).status, 429);
    assert_eq!(attempt(&app.replica(), &credentials("nobody", "wrong")).status, 429);
    attempt(&app, &credentials("nobody2", "wrong")).is(INVALID_USER);
}

fn passwords_are_not_trimmed_or_cut(database: TestDatabase) {
    let app = TestApp::start(database);
    let long = "correct horse ".repeat(70);
    for (name, password) in [("ada", " correct horse battery "), ("bob", &long)] {
        let body = json!({
            "username": name, "email": format!("{name}@example.org"), "password": password, "confirmPassword": password,
        });
        assert_eq!(app.anonymous().post("/api/register", &body).status, 201);
        assert_eq!(attempt(&app, &credentials(name, password)).status, 201);
        attempt(&app, &credentials(name, password.trim())).is(INVALID_PASSWORD);
        attempt(&app, &credentials(name, &password[..password.len() - 1])).is(INVALID_PASSWORD);
        attempt(&app, &credentials(name, &format!("{password}x"))).is(INVALID_PASSWORD);
    }
}

fn white_space_around_the_name_is_not_part_of_it(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for name in ["ada ", " ada", "\tAda\n", "\u{a0}ada\u{3000}"] {
        attempt(&app, &credentials(name, PASSWORD)).expect(201);
        attempt(&app, &credentials(name, &format!("{PASSWORD} "))).is(INVALID_PASSWORD);
        let legacy = json!({"user": name, "pass": PASSWORD});
        app.anonymous().post("/api/user/session", &legacy).expect(201);
    }
    let by_address = json!({"user": " Ada@example.org ", "pass": PASSWORD});
    app.anonymous().post("/api/user/session", &by_address).expect(201);
}

fn a_password_is_right_in_whatever_unicode_form_it_is_typed(database: TestDatabase) {
    let app = TestApp::start(database);
    let forms = ["caf\u{e9} on the corner", "cafe\u{301} on the corner"];
    for (name, set, confirmed) in [("ada", forms[0], forms[1]), ("bob", forms[1], forms[1])] {
        let body = json!({
            "username": name, "email": format!("{name}@example.org"), "password": set, "confirmPassword": confirmed,
        });
        app.anonymous().post("/api/register", &body).expect(201);
        for typed in forms {
            attempt(&app, &credentials(name, typed)).expect(201);
        }
        attempt(&app, &credentials(name, "cafe on the corner")).is(INVALID_PASSWORD);
    }
}

fn a_hash_without_the_mark_gets_it_at_the_next_login(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let stored = || {
        let found = block_on(app.storage().account_credential(AccountName::Id(ada.user_id())));
        found.unwrap().unwrap().1.password.expose().to_owned()
    };
    let marked = stored();
    let bare = PasswordHash::new(marked.strip_prefix("nfc").unwrap().to_owned());
    block_on(app.storage().account_rehash(ada.user_id(), 1, bare)).unwrap();
    attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
    assert_ne!(stored(), marked);
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
    assert_eq!(stored(), marked);
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
}

/// Hashes of one password, made by bcrypt for Python, passlib, Django, better-auth and argon2-cffi.
const FROM_ELSEWHERE: [&str; 5] = [
    "$2b$05$msfXAhYQCJLZBzpo8N.JEOnGptdw0ytO5zuXE7CrFfJZA7lO7x64u",
    "$scrypt$ln=6,r=8,p=2$qNU6B8B4b00JAaD0njPGOA$ch/cf5Yn/rfR+eRFaOyZAkXZ8DlE4Bsqlp+3LvlAPGA",
    "pbkdf2_sha256$2000$sea Salt.1$T9fjMl+CiG/IKupjSx35zG5RAyHYgiMoab79Afi1Xdk=",
    "a0e60abae5345118c22f1e665fa3829f:d2630af921479578858e9e873a2c1a71f392ed4d43bbbe82ec17cf60d00d531b6072bf045855c2dba5\
     5c1ea40b3a24381fe2fe3c1a1122f33f232e7f68a352f4",
    "$argon2i$v=19$m=64,t=2,p=2$c2VhIHNhbHQsIGNvYXJzZQ$HHgutvBFvTcWdXTJzz/Y11TsUjPOIUFva4KaRVDHnac",
];
const ITS_PASSWORD: &str = "caf\u{e9} \u{2615} 7 looms";

fn a_hash_from_elsewhere_lets_its_user_in_wherever_a_password_is_asked_for_and_is_made_anew(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let set = |hash: &str| {
        let hash = PasswordHash::new(hash.to_owned());
        block_on(app.storage().account_rehash(ada.user_id(), 1, hash)).unwrap();
    };
    let in_kratos = |password: &str| {
        let flow = app.anonymous().get("/auth/self-service/login/api").expect(200);
        let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
        app.anonymous().post(&path, &json!({"method": "password", "identifier": "ada", "password": password}))
    };
    let reverified = |password: &str| ada.post("/api/users/me/2fa/totp", &json!({"password": password}));
    let in_legacy = |password: &str| app.anonymous().post("/api/user/session", &credentials("ada", password));
    for (index, hash) in FROM_ELSEWHERE.into_iter().enumerate() {
        set(hash);
        attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
        reverified("wrong").is(INVALID_PASSWORD);
        assert_eq!(stored_hash(&app, &ada), hash);
        match index % 4 {
            0 => drop(attempt(&app, &credentials("ada", ITS_PASSWORD)).expect(201)),
            1 => drop(in_legacy(ITS_PASSWORD).expect(201)),
            2 => drop(in_kratos(ITS_PASSWORD).expect(200)),
            _ => drop(reverified(ITS_PASSWORD).expect(200)),
        }
        assert!(stored_hash(&app, &ada).starts_with("nfc$argon2id$"), "{hash}");
        attempt(&app, &credentials("ada", ITS_PASSWORD)).expect(201);
        attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
    }
}

fn a_hash_from_elsewhere_is_made_anew_before_the_second_factor_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let hash = PasswordHash::new(FROM_ELSEWHERE[0].to_owned());
    block_on(app.storage().account_rehash(ada.user_id(), 1, hash)).unwrap();
    let challenge = attempt(&app, &credentials("ada", ITS_PASSWORD)).expect(401);
    assert!(stored_hash(&app, &ada).starts_with("nfc$argon2id$"));
    app.anonymous().answer_login(&totp(&challenge, &phone.fresh_code(&app))).expect(201);
}

fn stored_hash(app: &TestApp, user: &Client) -> String {
    let found = block_on(app.storage().account_credential(AccountName::Id(user.user_id())));
    found.unwrap().unwrap().1.password.expose().to_owned()
}

fn a_hash_that_cannot_be_read_is_unavailable_wherever_it_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let found = block_on(app.storage().account_credential(AccountName::Id(ada.user_id())));
    let good = found.unwrap().unwrap().1.password.expose().to_owned();
    let memory = good.split_once("m=").and_then(|(_, rest)| rest.split_once(',')).unwrap().0;
    let costly = good.replace(&format!("m={memory},"), "m=4294967295,");
    assert_ne!(costly, good);
    for bad in ["", "!", "nfc", "$2b$12$abcdefghijklmnopqrstuv", &costly] {
        block_on(app.storage().account_rehash(ada.user_id(), 1, PasswordHash::new(bad.to_owned()))).unwrap();
        // In all of them more often than the failure budget allows: none is a failure of the user's.
        for password in [PASSWORD, "wrong"] {
            attempt(&app, &credentials("ada", password)).is(UNAVAILABLE);
            app.anonymous().post("/api/user/session", &credentials("ada", password)).is(UNAVAILABLE);
            let flow = app.anonymous().get("/auth/self-service/login/api").expect(200);
            let path = format!("/auth/self-service/login?flow={}", flow["id"].as_str().unwrap());
            let body = json!({"method": "password", "identifier": "ada", "password": password});
            app.anonymous().post(&path, &body).expect(503);
        }
        ada.post("/api/users/me/2fa/totp", &json!({"password": PASSWORD})).is(UNAVAILABLE);
        assert!(ada.works());
    }
    block_on(app.storage().account_rehash(ada.user_id(), 1, PasswordHash::new(good))).unwrap();
    attempt(&app, &credentials("ada", PASSWORD)).expect(201);
}

fn a_banned_user_is_told_so_only_with_the_right_password(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.ban("ada");
    attempt(&app, &credentials("ada", "wrong")).is(INVALID_PASSWORD);
    attempt(&app, &credentials("ada", PASSWORD)).is(BANNED);
}

fn an_unbanned_user_logs_in_anew(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.ban("ada");
    ada.get("/api/users/me").is(BANNED);
    block_on(app.operator().account_unban("ada")).unwrap();
    ada.get("/api/users/me").is(NOT_AUTHENTICATED);
    assert!(ada.log_in("ada").works());
}

fn a_request_with_a_valid_session_is_refused(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.post("/api/login", &credentials("ada", PASSWORD)).is(NOT_AUTHENTICATED);
    ada.post("/api/login", &json!({})).is(NOT_AUTHENTICATED);
    assert_eq!(ada.get("/api/users/me/sessions").expect(200)["count"], 1);
}

fn a_dead_session_does_not_hinder_a_login(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.delete("/api/users/me/sessions/me").expect(200);
    ada.post("/api/login", &credentials("ada", PASSWORD)).expect(201);
    ada.with_token("garbage").post("/api/login", &credentials("ada", PASSWORD)).expect(201);
}

fn all_that_is_missing_or_mistyped_is_listed_in_order(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (body, fields) in [
        (json!({}), json!(["username", "password"])),
        (json!({"username": "ada"}), json!(["password"])),
        (json!({"password": PASSWORD}), json!(["username"])),
        (
            json!({"rememberMe": "yes", "password": 1, "username": ["ada"]}),
            json!(["username", "password", "rememberMe"]),
        ),
        (json!({"username": "ada", "password": PASSWORD, "rememberMe": 1}), json!(["rememberMe"])),
        (json!({"username": null, "password": null}), json!(["username", "password"])),
    ] {
        attempt(&app, &body).is_with(MISSING_FIELDS, json!({"fields": fields}));
    }
}

fn null_is_absent_and_other_fields_are_ignored(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let body = json!({"username": "ada", "password": PASSWORD, "rememberMe": null, "2fa": null, "other": {"x": []}});
    let answer = attempt(&app, &body).expect(201);
    assert_eq!(answer["exp"], app.seconds() + 86_400);
}
