//! Password, name, address, second factors and backup codes.

use serde_json::Value;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{CodeApp, ORIGIN, PASSWORD, TestApp};

on_both_engines!(
    what_changes_something_is_offered_to_who_has_confirmed,
    a_new_password_ends_the_others,
    a_name_and_an_address_are_changed_or_told_why_not,
    an_authenticator_app_is_added_and_codes_are_shown_once,
    a_security_key_is_added_and_signs_in,
    factors_are_removed,
    the_other_sessions_end_with_a_removed_factor_where_that_is_asked_for,
    backup_codes_are_renewed_and_a_reload_makes_none,
    the_address_for_password_managers_leads_here,
    what_happened_is_shown,
);

const PAGE: &str = "/account/security";
const NEW: &str = "another horse staple battery";

fn what_changes_something_is_offered_to_who_has_confirmed(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let text = browser.get(PAGE).text();
    for words in ["Change the password", ">New password</label>", ">New password again</label>"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    app.clock().advance_seconds(601);
    assert!(browser.get("/account/confirm").text().contains(">Current password</label>"));
    let text = browser.get(PAGE).text();
    assert!(
        text.contains("/account/confirm?rd=%2Faccount%2Fsecurity") && !text.contains("Change the password"),
        "{text}"
    );
    for path in ["/totp", "/webauthn"] {
        let asked = browser.get(&format!("{PAGE}{path}"));
        assert!(asked.header("location").unwrap().starts_with("/account/confirm?rd="), "{path}: {asked:?}");
    }
    for path in ["/password", "/name", "/email", "/factors/remove", "/codes", "/totp", "/webauthn"] {
        let asked = browser.post(&format!("{PAGE}{path}"), &[("new-username", "adele")]);
        assert_eq!(asked.header("location"), Some("/account/confirm"), "{path}");
    }
    assert!(app.anonymous().log_in("ada").works());
}

fn a_new_password_ends_the_others(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let path = format!("{PAGE}/password");
    for (password, again, words) in [
        ("short", "short", "too short"),
        (NEW, "x", "another password than the one above"),
        ("ada@example.org", "ada@example.org", "your own name or address"),
        ("password1", "password1", "too easily guessed"),
    ] {
        let page = browser.post(&path, &[("new-password", password), ("confirm-password", again)]);
        assert!(page.status == 400 && page.text().contains(words) && ada.works(), "{password}: {page:?}");
    }
    let changed = browser.post(&path, &[("new-password", NEW), ("confirm-password", NEW)]);
    assert_eq!(changed.header("location"), Some(PAGE));
    assert!(browser.follow(&changed).text().contains("The password is changed, and 1 session was ended."));
    assert!(!ada.works());
    assert_eq!(Browser::new(&app).sign_in("/login", "ada").status, 401);
    let known = Browser::new(&app).post("/login", &[("username", "ada"), ("password", NEW)]);
    assert_eq!(known.status, 303, "{PASSWORD}");
}

fn a_name_and_an_address_are_changed_or_told_why_not(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.user("bob");
    let mut browser = Browser::signed_in(&app, "ada");
    for (path, field, wrong, taken, good) in [
        ("/name", "new-username", "a b", "BOB", "adele"),
        ("/email", "new-email", "adele", "bob@example.org", "adele@example.org"),
    ] {
        let path = format!("{PAGE}{path}");
        let page = browser.post(&path, &[(field, wrong)]);
        assert!(page.status == 400 && page.text().contains(&format!("id=\"{field}-error\"")), "{page:?}");
        let page = browser.post(&path, &[(field, taken)]);
        assert!(page.status == 409 && page.text().contains("Somebody else has this"), "{page:?}");
        let changed = browser.post(&path, &[(field, good)]);
        let page = browser.follow(&changed).text();
        assert!(page.contains("is changed.") && page.contains(&format!("value=\"{good}\"")), "{page}");
    }
}

fn an_authenticator_app_is_added_and_codes_are_shown_once(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let path = format!("{PAGE}/totp");
    assert!(!browser.get(&path).text().contains("otpauth:"));
    let offer = browser.post(&path, &[]).text();
    let [token, secret, uri] = ["token", "secret", "uri"].map(|name| hidden(&offer, name));
    assert!(offer.contains("<svg") && uri.starts_with("otpauth://totp/") && uri.contains(&secret), "{offer}");
    let fields = |code: &'static str| {
        [("token", token.as_str()), ("secret", &secret), ("uri", &uri), ("name", "Phone"), ("code", code)]
    };
    let wrong = browser.post(&path, &fields("000000"));
    assert!(wrong.status == 401 && wrong.text().contains("id=\"code-error\"") && wrong.text().contains("<svg"));
    let odd = browser.post(&path, &[("token", &token), ("uri", "javascript:x"), ("name", ""), ("code", "1")]);
    assert!(odd.status == 400 && !odd.text().contains("javascript:"), "{odd:?}");
    let code = CodeApp::new(&secret).code(&app, 0);
    let mut right = fields("");
    right[4].1 = &code;
    let other = app.anonymous().log_in("ada");
    let mut with_others = right.to_vec();
    with_others.push(("end-others", "on"));
    let added = browser.post(&path, &with_others);
    assert!(!other.works());
    let text = added.text();
    assert!(added.status == 200 && text.matches("<li>").count() >= 10 && text.contains("download="), "{text}");
    let again = browser.post(&path, &right);
    assert_eq!(again.header("location"), Some(PAGE), "loaded again, it shows nothing");
    assert!(browser.follow(&again).text().contains("10 of 10 are left"));
    assert!(!browser.get(PAGE).text().contains(&secret));
}

fn a_security_key_is_added_and_signs_in(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let path = format!("{PAGE}/webauthn");
    assert!(browser.get(&path).text().contains("<noscript>"));
    let offer = browser.post(&path, &[]).text();
    let [token, options] = ["token", "options"].map(|name| hidden(&offer, name));
    assert!(offer.contains("data-webauthn=\"create\""), "{offer}");
    let nothing = browser.post(&path, &[("token", &token), ("options", &options), ("name", "Key"), ("response", "")]);
    assert!(nothing.status == 400 && nothing.text().contains("gave no answer"), "{nothing:?}");
    let mut key = Authenticator::without_counter();
    let asked: Value = serde_json::from_str(&options).expect("options");
    let response = key.register(&asked, ORIGIN).to_string();
    let added =
        browser.post(&path, &[("token", &token), ("options", &options), ("name", "Key"), ("response", &response)]);
    assert!(added.status == 200 && added.text().contains("Keep them where you find them"), "{added:?}");
    let asked = Browser::new(&app).sign_in("/login", "ada").text();
    assert!(asked.contains("data-webauthn=\"get\""), "{asked}");
}

fn factors_are_removed(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    // What was confirmed without a factor is none once there is one.
    let path = format!("{PAGE}/factors/remove");
    assert_eq!(browser.post(&path, &[("id", &enrolled.id)]).header("location"), Some("/account/confirm"));
    let proved = ada.login_by_backup(&enrolled.codes[0]);
    let mut browser = Browser::with_token(&app, proved.token());
    for (id, words) in
        [("", "was gone already"), (enrolled.id.as_str(), "is removed"), (&enrolled.id, "was gone already")]
    {
        let removed = browser.post(&path, &[("id", id)]);
        assert!(browser.follow(&removed).text().contains(words), "{id}");
    }
    assert!(ada.works());
    assert_eq!(ada.factor_count(), 0);
}

fn the_other_sessions_end_with_a_removed_factor_where_that_is_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    let proved = ada.login_by_backup(&enrolled.codes[0]);
    let mut browser = Browser::with_token(&app, proved.token());
    let page = browser.get(PAGE).text();
    assert!(page.contains(", and end all other sessions") && hidden(&page, "end-others") == "on", "{page}");
    let removed = browser.post(&format!("{PAGE}/factors/remove"), &[("id", &enrolled.id), ("end-others", "on")]);
    assert!(browser.follow(&removed).text().contains("is removed"));
    assert!(proved.works() && !ada.works());
}

fn backup_codes_are_renewed_and_a_reload_makes_none(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    let proved = ada.login_by_backup(&enrolled.codes[0]);
    let mut browser = Browser::with_token(&app, proved.token());
    let page = browser.get(PAGE).text();
    assert!(page.contains("9 of 10 are left"), "{page}");
    let mark = hidden(&page, "instead-of");
    let path = format!("{PAGE}/codes");
    let made = browser.post(&path, &[("instead-of", &mark)]);
    let text = made.text();
    assert!(made.status == 200 && !text.contains(&enrolled.codes[1]), "{text}");
    let again = browser.post(&path, &[("instead-of", &mark)]);
    assert_eq!((again.status, again.header("location")), (303, Some(PAGE)));
    let page = browser.follow(&again).text();
    assert!(page.contains("10 of 10 are left") && page.contains("have changed since"), "{page}");
    let (_, rest) = text.split_once("id=\"codes\"><li>").unwrap();
    let code = rest.split('<').next().unwrap();
    assert!(!page.contains(code));
    assert!(ada.login_by_backup(code).works());
}

fn the_address_for_password_managers_leads_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let answer = Browser::new(&app).get("/.well-known/change-password");
    assert_eq!((answer.status, answer.header("location")), (303, Some(PAGE)));
    assert_eq!(app.anonymous().get("/.well-known/jwks.json").status, 200);
}

fn what_happened_is_shown(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    let proved = ada.login_by_backup(&enrolled.codes[0]);
    app.operator();
    let text = Browser::with_token(&app, proved.token()).get("/account").text();
    for part in ["The account was made", "A second factor was added", "Signed in", "127.0.0.1", ">you<"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("no second factor") && !text.contains("backup codes are left"), "{text}");
    for code in &enrolled.codes[1..8] {
        ada.login_by_backup(code);
    }
    let text = Browser::with_token(&app, proved.token()).get("/account").text();
    assert!(text.contains("2 of 10 backup codes are left."), "{text}");
}
