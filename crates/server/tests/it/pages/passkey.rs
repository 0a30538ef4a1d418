//! Passkeys on the pages: added, signed in with, and confirmed by.

use serde_json::{Value, json};
use thunderhead_testkit::authenticator::{Authenticator, Forgery, USER_PRESENT};
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{ORIGIN, Response, TestApp};

on_both_engines!(
    a_passkey_is_added_and_shown_as_what_it_is,
    a_passkey_signs_in_where_nothing_was_typed,
    what_is_no_passkey_is_told_and_opens_nothing,
    a_passkey_confirms_a_session_in_one_step,
    who_has_no_passkey_is_asked_for_the_password_alone,
    who_has_neither_is_told_of_the_way_back,
    the_browser_is_told_which_passkeys_there_are,
    origins_elsewhere_are_told_to_browsers_and_taken,
);

const ADD: &str = "/account/security/passkey";
const CONFIRM: &str = "/account/confirm?rd=%2Faccount%2Fsessions";

/// What a form asks a key.
fn asked(page: &str, attribute: &str) -> Value {
    let (_, rest) = page.split_once(&format!("{attribute}=\"")).unwrap_or_else(|| panic!("no {attribute} in {page}"));
    let options = rest.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&options).unwrap()
}

/// Answers a page that asks for a passkey.
fn answer(browser: &mut Browser, page: &str, attribute: &str, path: &str, key: &mut Authenticator) -> Response {
    let response = key.assert(&asked(page, attribute), ORIGIN).to_string();
    let token = hidden(page, "passkey-token");
    browser.post(path, &[("passkey-token", &token), ("passkey-response", &response)])
}

fn a_passkey_is_added_and_shown_as_what_it_is(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    assert!(browser.get(ADD).text().contains("<noscript>"));
    let offer = browser.post(ADD, &[]).text();
    let [token, options] = ["token", "options"].map(|name| hidden(&offer, name));
    let nothing = browser.post(ADD, &[("token", &token), ("options", &options), ("name", "Phone"), ("response", "")]);
    assert!(nothing.status == 400 && nothing.text().contains("No passkey was made"), "{nothing:?}");
    let asked: Value = serde_json::from_str(&options).unwrap();
    let mut stranger = Authenticator::default();
    stranger.forgery = Forgery { flags: Some(USER_PRESENT), ..Forgery::default() };
    let mut key = Authenticator::without_counter();
    key.synced = true;
    let send = |browser: &mut Browser, response: &Value| {
        let response = response.to_string();
        let fields = [("token", token.as_str()), ("options", &options), ("name", "Phone"), ("response", &response)];
        browser.post(ADD, &fields)
    };
    let refused = send(&mut browser, &stranger.register(&asked, ORIGIN));
    assert!(refused.status == 401 && refused.text().contains("was not accepted"), "{refused:?}");
    let added = send(&mut browser, &key.register(&asked, ORIGIN));
    assert!(added.status == 200 && added.text().contains("Keep them where you find them"), "{added:?}");
    assert!(browser.get("/account/security").text().contains("passkey, on all your devices"));
}

fn a_passkey_signs_in_where_nothing_was_typed(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut key = Authenticator::default();
    app.user("ada").enrol_passkey(&mut key);
    let mut browser = Browser::new(&app);
    let path = "/login?rd=%2Faccount%2Fsessions";
    let page = browser.get(path).text();
    assert!(page.contains("autocomplete=\"username webauthn\"") && page.contains("data-use-passkey"), "{page}");
    let entered = answer(&mut browser, &page, "data-passkey", path, &mut key);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/account/sessions")), "{entered:?}");
    assert!(browser.get("/account/sessions").text().contains("passkey"));
    // All that the account asks for was shown, and that a moment ago.
    assert_eq!(browser.get(ADD).status, 200);
}

fn what_is_no_passkey_is_told_and_opens_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut key = Authenticator::default();
    app.user("ada").enrol_passkey(&mut key);
    let mut browser = Browser::new(&app);
    let mut refuse = |key: &mut Authenticator, seconds: i64, words: &str| {
        let page = browser.get("/login").text();
        app.clock().advance_seconds(seconds);
        let refused = answer(&mut browser, &page, "data-passkey", "/login", key);
        assert!(refused.status == 401 && refused.text().contains(words), "{words}: {refused:?}");
        assert!(browser.token().is_none());
    };
    key.forgery.bad_signature = true;
    refuse(&mut key, 0, "is not known here, or was not accepted");
    key.forgery = Forgery::default();
    refuse(&mut key, 300, "That took too long");
    let page = browser.get("/login").text();
    let garbage = [("passkey-token", "garbage!"), ("passkey-response", "{}")];
    assert!(browser.post("/login", &garbage).text().contains("That took too long"));
    // What is no answer at all is a sign-in without anything.
    let nothing = [("passkey-token", "x"), ("passkey-response", "")];
    assert_eq!(browser.post("/login", &nothing).status, 400);
    assert_eq!(answer(&mut browser, &page, "data-passkey", "/login", &mut key).status, 303);
}

fn a_passkey_confirms_a_session_in_one_step(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let mut key = Authenticator::default();
    ada.enrol_passkey(&mut key);
    let before = browser.token().unwrap().to_owned();
    let page = browser.get(CONFIRM).text();
    assert!(page.contains("Use a passkey") && page.contains("Or use your password"), "{page}");
    let names = asked(&page, "data-options")["allowCredentials"].as_array().unwrap().len();
    assert_eq!(names, 1);
    key.forgery.bad_signature = true;
    let refused = answer(&mut browser, &page, "data-options", CONFIRM, &mut key);
    assert!(refused.status == 401 && refused.text().contains("The passkey was not accepted"), "{refused:?}");
    key.forgery = Forgery::default();
    // A challenge of the sign-in is none here, nor the other way round.
    let elsewhere = Browser::new(&app).get("/login").text();
    assert_eq!(answer(&mut browser, &elsewhere, "data-passkey", CONFIRM, &mut key).status, 401);
    let mut visitor = Browser::new(&app);
    assert_eq!(answer(&mut visitor, &page, "data-options", "/login", &mut key).status, 401);
    assert_eq!(browser.token(), Some(&*before));
    let done = answer(&mut browser, &page, "data-options", CONFIRM, &mut key);
    assert_eq!((done.status, done.header("location")), (303, Some("/account/sessions")), "{done:?}");
    assert_ne!(browser.token(), Some(&*before));
    assert_eq!(browser.get(ADD).status, 200, "it holds for all that the account asks for");
    app.clock().advance_seconds(601);
    assert_eq!(browser.get(ADD).status, 303);
}

fn who_has_no_passkey_is_asked_for_the_password_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    ada.enrol_webauthn(&mut Authenticator::default());
    assert!(!browser.get(CONFIRM).text().contains("passkey"));
    let nothing = [("passkey-token", "x"), ("passkey-response", "")];
    assert_eq!(browser.post(CONFIRM, &nothing).status, 400);
}

/// As somebody is who came from another program with a session and without a password.
fn who_has_neither_is_told_of_the_way_back(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.tamper("UPDATE users SET has_password = FALSE");
    let page = Browser::signed_in(&app, "ada").get(CONFIRM).text();
    assert!(page.contains("no password and no passkey") && !page.contains("Current password"), "{page}");
}

fn the_browser_is_told_which_passkeys_there_are(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let known = |token: &str| {
        let page = Browser::with_token(&app, token).get("/account/security").text();
        asked(&page, "data-known-keys")
    };
    let none = known(ada.token());
    assert_eq!((&none["rpId"], &none["name"]), (&json!("auth.example"), &json!("ada")));
    assert_eq!(none["allAcceptedCredentialIds"], json!([]));
    let offer = ada.offer("passkey");
    let registered = Authenticator::default().register(&offer.body, ORIGIN);
    ada.confirm_passkey(&offer, &registered).expect(201);
    let one = known(ada.token());
    assert_eq!(one["allAcceptedCredentialIds"], json!([registered["id"]]));
    assert_eq!(one["userId"], offer.body["user"]["id"]);
}

fn origins_elsewhere_are_told_to_browsers_and_taken(database: TestDatabase) {
    const ELSEWHERE: &str = "https://auth.example.de";
    const WHERE: &str = "/.well-known/webauthn";
    let app = TestApp::with(database, |config| config.relying_party.related_origins = vec![ELSEWHERE.to_owned()]);
    assert_eq!(Browser::new(&app).get(WHERE).json(), json!({"origins": [ELSEWHERE]}));
    let mut key = Authenticator::default();
    app.user("ada").enrol_passkey(&mut key);
    let log_in = |app: &TestApp, key: &mut Authenticator| {
        let challenge = app.anonymous().passkey_challenge();
        let response = key.assert(&challenge["challenge"], ELSEWHERE);
        app.anonymous().login_by_passkey(&json!({"token": challenge["token"], "response": response})).status
    };
    assert_eq!(log_in(&app, &mut key), 201);
    let without = app.replica_with(|config| config.relying_party.related_origins.clear());
    assert_eq!((Browser::new(&without).get(WHERE).status, log_in(&without, &mut key)), (404, 401));
}
