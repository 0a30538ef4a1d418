//! Accounts without a password: given up, or never set; and the way back.

use serde_json::{Value, json};
use thunderhead_auth::operator::Invitation;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, ORIGIN, PASSWORD, TestApp, backup, passkey};
use crate::errors::{CHALLENGE_REQUIRED, INVALID_PASSWORD, REFUSED_SECOND_FACTOR, USER_REQUIRES_SECOND_FACTOR};
use crate::pages::browser::{Browser, hidden};

on_both_engines!(
    a_password_is_given_up_and_set_again_by_a_passkey,
    the_passkeys_that_suffice_are_not_removed,
    a_link_is_the_way_back_and_wants_a_backup_code_behind_it,
    a_link_makes_an_account_that_never_has_a_password,
    a_link_of_who_has_a_second_factor_offers_no_passkey,
    the_pages_do_without_a_password,
);

const OWN_PASSWORD: &str = "/api/users/me/password";

/// Makes a call whose identity is proved by a passkey.
fn by_passkey(
    client: &Client,
    key: &mut Authenticator,
    method: &str,
    path: &str,
    body: &Value,
) -> crate::app::Response {
    let mut body = body.clone();
    body["passkey"] = json!({});
    let challenge = client.call(method, path).json(&body).send().expect(CHALLENGE_REQUIRED.status);
    body["passkey"] = passkey(&challenge, key);
    client.call(method, path).json(&body).send()
}

fn log_in(app: &TestApp, key: &mut Authenticator) -> crate::app::Response {
    let challenge = app.anonymous().passkey_challenge();
    app.anonymous().login_by_passkey(&passkey(&challenge, key))
}

fn by_password(app: &TestApp, name: &str, password: &str) -> crate::app::Response {
    app.anonymous().post("/api/login", &json!({"username": name, "password": password}))
}

fn a_password_is_given_up_and_set_again_by_a_passkey(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    ada.delete_with(OWN_PASSWORD, &json!({"password": PASSWORD})).is(USER_REQUIRES_SECOND_FACTOR);
    let mut key = Authenticator::default();
    ada.enrol_passkey(&mut key);
    let other = ada.with_token(&log_in(&app, &mut key).token());
    let has_password = || ada.get("/api/users/me").expect(200)["hasPassword"].clone();
    assert_eq!(has_password(), true);
    let without = by_passkey(&ada, &mut key, "DELETE", OWN_PASSWORD, &json!({})).expect(200);
    assert_eq!((&without["hasPassword"], has_password()), (&json!(false), json!(false)));
    let of_ada = format!("/api/users/{}", ada.id());
    assert_eq!(app.staff("root").get(&of_ada).expect(200)["hasPassword"], false);
    assert!(ada.works() && !other.works());
    by_password(&app, "ada", PASSWORD).is(INVALID_PASSWORD);
    let rename = json!({"username": "lovelace", "password": PASSWORD});
    ada.put("/api/users/me/username", &rename).is(INVALID_PASSWORD);
    log_in(&app, &mut key).expect(201);
    let body = json!({"newPassword": "difference engine 1822", "confirmNewPassword": "difference engine 1822"});
    by_passkey(&ada, &mut key, "PUT", OWN_PASSWORD, &body).expect(200);
    assert_eq!(has_password(), true);
    let challenged = by_password(&app, "ada", "difference engine 1822").expect(CHALLENGE_REQUIRED.status);
    assert_eq!(challenged["code"], CHALLENGE_REQUIRED.code);
}

fn the_passkeys_that_suffice_are_not_removed(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (mut key, mut second) = (Authenticator::default(), Authenticator::default());
    let enrolled = ada.enrol_passkey(&mut key);
    let other = ada.enrol_passkey_by_backup(&mut second, &enrolled.codes[0]);
    by_passkey(&ada, &mut key, "DELETE", OWN_PASSWORD, &json!({})).expect(200);
    let factor = |id: &str| format!("/api/users/me/2fa/{id}");
    by_passkey(&ada, &mut key, "DELETE", &factor(&other.id), &json!({})).expect(200);
    for path in [factor(&enrolled.id), "/api/users/me/2fa/all".to_owned()] {
        by_passkey(&ada, &mut key, "DELETE", &path, &json!({})).is(USER_REQUIRES_SECOND_FACTOR);
    }
    log_in(&app, &mut key).expect(201);
    // Staff help who has lost them.
    let path = format!("/api/users/{}/2fa/all", ada.id());
    root.delete_with(&path, &json!({"password": PASSWORD})).expect(200);
    log_in(&app, &mut key).is(REFUSED_SECOND_FACTOR);
}

fn a_link_is_the_way_back_and_wants_a_backup_code_behind_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    let codes = ada.enrol_passkey(&mut key).codes;
    by_passkey(&ada, &mut key, "DELETE", OWN_PASSWORD, &json!({})).expect(200);
    let link = block_on(app.operator().link_create("ada")).unwrap().1.path();
    let new = "amber quarry lantern 9";
    let set = Browser::new(&app).post(&link, &[("new-password", new), ("confirm-password", new)]);
    assert_eq!((set.status, set.header("location")), (303, Some("/login")));
    let challenge = by_password(&app, "ada", new).expect(401);
    app.anonymous().answer_login(&backup(&challenge, &codes[0])).expect(201);
}

fn a_link_makes_an_account_that_never_has_a_password(database: TestDatabase) {
    let app = TestApp::start(database);
    let invitation = Invitation { username: "mary".to_owned(), email: "mary@example.org".to_owned(), staff: false };
    let (mary, link) = block_on(app.operator().account_invite(&app.hasher(), invitation)).unwrap();
    assert!(!mary.has_password);
    let (path, mut browser) = (link.path(), Browser::new(&app));
    let page = browser.get(&path).text();
    assert!(page.contains("Or make a passkey instead") && page.contains("data-webauthn=\"create\""), "{page}");
    let (token, options) = (hidden(&page, "token"), options(&page));
    let nothing = browser.post(&path, &[("token", &token), ("response", "")]);
    assert_eq!(nothing.status, 400);
    let mut foreign = Authenticator::default();
    let refused = foreign.register(&options, "https://badauth.example").to_string();
    assert_eq!(browser.post(&path, &[("token", &token), ("response", &refused)]).status, 401);
    // An offer at another link is none here.
    let other = app.user("ada");
    let others = block_on(app.operator().link_create(other.name())).unwrap().1.path();
    let offered = hidden(&Browser::new(&app).get(&others).text(), "token");
    let mut key = Authenticator::without_counter();
    let response = key.register(&options, ORIGIN).to_string();
    assert_eq!(browser.post(&path, &[("token", &offered), ("response", &response)]).status, 401);
    let made = browser.post(&path, &[("token", &token), ("response", &response)]);
    assert!(made.status == 200 && made.text().contains("Keep them where you find them"), "{made:?}");
    assert_eq!(browser.post(&path, &[("token", &token), ("response", &response)]).status, 404);
    let entered = log_in(&app, &mut key).token();
    assert_eq!(other.with_token(&entered).get("/api/users/me").expect(200)["username"], "mary");
}

/// What a page asks a browser to make.
fn options(page: &str) -> Value {
    let (_, rest) = page.split_once("data-options=\"").unwrap();
    let text = rest.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

fn a_link_of_who_has_a_second_factor_offers_no_passkey(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada").enrol_webauthn(&mut Authenticator::default());
    let link = block_on(app.operator().link_create("ada")).unwrap().1.path();
    assert!(!Browser::new(&app).get(&link).text().contains("passkey"));
}

fn the_pages_do_without_a_password(database: TestDatabase) {
    const SECURITY: &str = "/account/security";
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::default();
    ada.enrol_passkey(&mut key);
    let mut browser = Browser::new(&app);
    let page = browser.get("/login").text();
    let (_, asked) = page.split_once("data-passkey=\"").unwrap();
    let asked = asked.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
    let response = key.assert(&serde_json::from_str(&asked).unwrap(), ORIGIN).to_string();
    let token = hidden(&page, "passkey-token");
    browser.post("/login", &[("passkey-token", &token), ("passkey-response", &response)]);
    assert!(browser.get(SECURITY).text().contains("Do without a password"));
    let removed = browser.post("/account/security/password/remove", &[]);
    assert!(browser.follow(&removed).text().contains("You sign in by passkeys alone now"));
    let page = browser.get(SECURITY).text();
    assert!(page.contains("Set a password") && !page.contains("Do without a password"), "{page}");
    let confirm = browser.get("/account/confirm").text();
    assert!(confirm.contains("Use a passkey") && !confirm.contains("type=\"password\""), "{confirm}");
    let id = ada.with_token(browser.token().unwrap()).get("/api/users/me/2fa").expect(200)["items"][0]["id"].clone();
    let kept = browser.post("/account/security/factors/remove", &[("id", id.as_str().unwrap())]);
    assert!(browser.follow(&kept).text().contains("it takes two passkeys"));
}
