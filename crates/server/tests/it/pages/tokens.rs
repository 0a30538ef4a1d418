//! Tokens for programs, made and ended by people.

use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{Client, TestApp, claims};

on_both_engines!(
    a_token_is_made_shown_once_and_does_what_it_may,
    a_page_that_is_loaded_again_makes_nothing,
    what_is_wrong_is_told_and_what_was_chosen_stays,
    a_token_is_ended,
    staff_scopes_are_for_staff,
    a_token_wants_a_session_that_was_confirmed_of_late,
    too_many_are_too_many,
);

const LIST: &str = "/account/tokens";
const NEW: &str = "/account/tokens/new";

/// The fields of the form, with what was chosen.
fn chosen<'a>(once: &'a str, rest: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [("once", once)].into_iter().chain(rest.iter().copied()).collect()
}

const UPLOADS: [(&str, &str); 3] = [("name", "Nightly <upload>"), ("scope-upload_file", "on"), ("expiry", "30")];

fn once(browser: &mut Browser) -> String {
    let page = browser.get(NEW);
    assert_eq!(page.status, 200, "{page:?}");
    hidden(&page.text(), "once")
}

/// The token in the page.
fn shown(text: &str) -> String {
    let (_, rest) = text.split_once("id=\"token\">").unwrap_or_else(|| panic!("no token in {text}"));
    rest.split('<').next().unwrap().to_owned()
}

fn count(ada: &Client) -> usize {
    let list = ada.get("/api/users/me/sessions?full=true").expect(200);
    list["items"].as_array().unwrap().iter().filter(|session| !session["permissionFlags"].is_null()).count()
}

fn a_token_is_made_shown_once_and_does_what_it_may(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    assert!(browser.get(LIST).text().contains("There is no token."));
    let once = once(&mut browser);
    let made = browser.post(NEW, &chosen(&once, &UPLOADS));
    let text = made.text();
    assert_eq!(made.status, 200, "{text}");
    let token = shown(&text);
    assert_eq!(text.matches(&token).count(), 2, "once for itself, and once in a command");
    assert!(text.contains("Nightly &lt;upload&gt;") && text.contains("https://auth.example/auth/sessions/whoami"));
    assert_eq!(claims(&token)["exp"], app.seconds() + 30 * 86_400);
    let program = app.anonymous().with_token(&token);
    assert_eq!(program.get("/auth/sessions/whoami").status, 200);
    assert_eq!(program.get("/api/users/me/sessions").status, 403);
    let list = browser.get(LIST).text();
    assert!(list.contains("Nightly &lt;upload&gt;") && list.contains("upload files"), "{list}");
    for page in [&list, &browser.get(NEW).text(), &browser.get("/account").text()] {
        assert!(!page.contains(&token));
    }
}

fn a_page_that_is_loaded_again_makes_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let form = once(&mut browser);
    assert_eq!(browser.post(NEW, &chosen(&form, &UPLOADS)).status, 200);
    // On another replica, too.
    let replica = app.replica();
    for app in [&app, &replica] {
        let mut browser = Browser::with_token(app, browser.token().unwrap());
        let again = browser.post(NEW, &chosen(&form, &UPLOADS));
        assert_eq!((again.status, again.header("location")), (303, Some(LIST)), "{again:?}");
        assert!(browser.follow(&again).text().contains("was made already"));
    }
    assert_eq!(count(&ada), 1);
    let other = once(&mut browser);
    assert_eq!(browser.post(NEW, &chosen(&other, &UPLOADS)).status, 200);
    assert_eq!(count(&ada), 2);
    app.clock().advance_seconds(500);
    for none in ["", "x", "1.2"] {
        assert_eq!(browser.post(NEW, &chosen(none, &UPLOADS)).status, 409, "{none}");
    }
    assert_eq!(count(&ada), 2);
}

fn what_is_wrong_is_told_and_what_was_chosen_stays(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let form = once(&mut browser);
    for (fields, words) in [
        (&[("scope-file_read", "on"), ("expiry", "7")][..], "id=\"name-error\">Give it a name"),
        (&[("name", "x"), ("expiry", "7")], "id=\"scopes-error\">Choose at least one"),
        (&[("name", "x"), ("scope-file_read", "on")], "id=\"expiry-error\">Choose a time"),
        (
            &[("name", "x"), ("scope-file_read", "on"), ("expiry", "date"), ("date", "2020-01-01")],
            "id=\"expiry-error\"",
        ),
    ] {
        let page = browser.post(NEW, &chosen(&form, fields));
        assert!(page.status == 400 && page.text().contains(words), "{fields:?}: {page:?}");
    }
    let kept = browser.post(NEW, &chosen(&form, &[("name", ""), ("scope-file_read", "on"), ("expiry", "90")])).text();
    for part in ["name=\"scope-file_read\" value=\"on\" checked", "value=\"90\" checked"] {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    assert_eq!(count(&ada), 0);
}

fn a_token_is_ended(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let program = ada.scoped(&[Scope::FileRead]);
    let mut browser = Browser::signed_in(&app, "ada");
    let id = program.session_id().to_string();
    let ended = browser.post("/account/tokens/end", &[("id", &id)]);
    assert_eq!(ended.header("location"), Some(LIST));
    assert!(browser.follow(&ended).text().contains("The token is ended."));
    assert_eq!(program.get("/auth/sessions/whoami").status, 401);
    let again = browser.post("/account/tokens/end", &[("id", &id)]);
    assert!(browser.follow(&again).text().contains("over already"));
}

fn staff_scopes_are_for_staff(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.staff("root");
    let mut ada = Browser::signed_in(&app, "ada");
    assert!(!ada.get(NEW).text().contains("STAFF_READ_SESSIONS"));
    let form = once(&mut ada);
    let fields = [("name", "x"), ("scope-staff_read_sessions", "on"), ("expiry", "7")];
    assert!(ada.post(NEW, &chosen(&form, &fields)).status == 403);
    let mut root = Browser::signed_in(&app, "root");
    let form = once(&mut root);
    assert_eq!(root.post(NEW, &chosen(&form, &fields)).status, 200);
}

fn a_token_wants_a_session_that_was_confirmed_of_late(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let form = once(&mut browser);
    app.clock().advance_seconds(601);
    let asked = browser.get(NEW);
    assert_eq!(asked.header("location"), Some("/account/confirm?rd=%2Faccount%2Ftokens%2Fnew"));
    assert_eq!(browser.post(NEW, &chosen(&form, &UPLOADS)).header("location"), Some("/account/confirm"));
    assert_eq!(count(&ada), 0);
}

fn too_many_are_too_many(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.sessions.users.max_tokens = 1);
    let ada = app.user("ada");
    ada.scoped(&[Scope::FileRead]);
    let mut browser = Browser::signed_in(&app, "ada");
    let form = once(&mut browser);
    let refused = browser.post(NEW, &chosen(&form, &UPLOADS));
    assert!(refused.status == 409 && refused.text().contains("as many tokens as one may have"), "{refused:?}");
}
