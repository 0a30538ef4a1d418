//! Making an account for oneself.

use thunderhead_auth::settings::Registration;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::Browser;
use crate::app::{PASSWORD, TestApp};

on_both_engines!(
    whoever_registers_is_signed_in,
    what_is_wrong_is_told_at_its_field_and_nothing_is_made,
    a_name_that_is_taken_is_told,
    closed_is_closed,
);

const PAGE: &str = "/register";

fn fields<'a>(name: &'a str, email: &'a str, password: &'a str, again: &'a str) -> [(&'a str, &'a str); 4] {
    [("username", name), ("email", email), ("new-password", password), ("confirm-password", again)]
}

fn whoever_registers_is_signed_in(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut browser = Browser::new(&app);
    let page = browser.get(PAGE);
    assert!(page.status == 200 && page.text().matches("autocomplete=\"new-password\"").count() == 2, "{page:?}");
    let made =
        browser.post("/register?rd=%2Faccount%2Fsessions", &fields("ada", "ada@example.org", PASSWORD, PASSWORD));
    assert_eq!((made.status, made.header("location")), (303, Some("/account/sessions")));
    assert!(browser.follow(&made).text().contains("with these pages"));
    assert_eq!(browser.token().map(str::len), Some(32));
    assert_eq!(browser.get(PAGE).header("location"), Some("/account"));
    assert!(app.anonymous().log_in("ada").works());
    // It lasts as long as any sign-in here.
    app.clock().advance_seconds(86_400);
    assert_eq!(browser.get("/account").status, 303);
}

fn what_is_wrong_is_told_at_its_field_and_nothing_is_made(database: TestDatabase) {
    let app = TestApp::start(database);
    let mut browser = Browser::new(&app);
    for (typed, id, words) in [
        (fields("a b", "ada@example.org", PASSWORD, PASSWORD), "username", "This cannot be a user name"),
        (fields("ada", "ada", PASSWORD, PASSWORD), "email", "This is no e-mail address."),
        (fields("ada", "ada@example.org", "", ""), "new-password", "Type a password."),
        (fields("ada", "ada@example.org", "short", "short"), "new-password", "This is too short"),
        (fields("ada", "ada@example.org", "password1", "password1"), "new-password", "This is too easily guessed"),
        (fields("ada", "ada@example.org", "ada@example.org", ""), "new-password", "This is your own name or address."),
        (fields("ada", "ada@example.org", PASSWORD, "x"), "confirm-password", "This is another password"),
    ] {
        let page = browser.post(PAGE, &typed);
        let text = page.text();
        assert!(page.status == 400 && text.contains(&format!("id=\"{id}-error\">{words}")), "{typed:?}: {text}");
        assert!(!text.contains(PASSWORD) && browser.token().is_none(), "what was typed as a password is not shown");
    }
    let all = browser.post(PAGE, &[]).text();
    assert_eq!(all.matches("class=\"error\"").count(), 3, "{all}");
    assert_eq!(all.matches(" autofocus").count(), 1, "{all}");
    assert!(!thunderhead_testkit::block_on(app.auth().accounts.has_any()).unwrap());
}

fn a_name_that_is_taken_is_told(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (name, email) in [("Ada", "other@example.org"), ("other", "ADA@example.org")] {
        let page = Browser::new(&app).post(PAGE, &fields(name, email, PASSWORD, PASSWORD));
        assert!(page.status == 409 && page.text().contains("is taken"), "{page:?}");
    }
}

fn closed_is_closed(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.registration = Registration::Closed);
    let open = app.replica_with(|config| config.policy.registration = Registration::Open);
    let typed = fields("ada", "ada@example.org", PASSWORD, PASSWORD);
    let words = "Accounts are made by those who run this site.";
    assert!(Browser::new(&app).get(PAGE).text().contains(words));
    let refused = Browser::new(&app).post(PAGE, &typed);
    assert!(refused.status == 503 && refused.text().contains(words), "{refused:?}");
    open.switch(KillSwitch::AccountCreate, true);
    assert_eq!(Browser::new(&open).get(PAGE).status, 503);
    assert_eq!(Browser::new(&open).post(PAGE, &typed).status, 503);
    open.switch(KillSwitch::AccountCreate, false);
    assert_eq!(Browser::new(&open).post(PAGE, &typed).status, 303);
}
