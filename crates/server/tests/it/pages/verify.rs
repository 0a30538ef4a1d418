//! The second factor of a sign-in.

use serde_json::Value;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_testkit::authenticator::Authenticator;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, hidden};
use crate::app::{Client, ORIGIN, PASSWORD, TestApp};
use crate::limits::within;

on_both_engines!(
    the_session_is_opened_by_the_factor_and_not_before,
    a_wrong_code_is_asked_for_again_and_too_many_begin_anew,
    a_backup_code_opens_it_once,
    a_security_key_opens_it,
    an_answer_is_no_login_to_the_limits,
    a_challenge_of_another_kind_opens_nothing,
    a_switch_hides_what_was_answered,
);

/// What the page has in its hidden fields.
struct Asked {
    text: String,
    challenge: String,
    kinds: String,
    options: String,
}

impl Asked {
    fn of(text: String) -> Self {
        let [challenge, kinds, options] = ["challenge", "kinds", "options"].map(|name| hidden(&text, name));
        Self { text, challenge, kinds, options }
    }

    /// Shows the password, and is asked for more.
    fn first(browser: &mut Browser, name: &str) -> Self {
        let page = browser.sign_in("/login?rd=%2Fregister", name);
        assert_eq!(page.status, 200, "{page:?}");
        assert!(browser.token().is_none(), "a password alone opens nothing");
        Self::of(page.text())
    }

    fn fields<'a>(&'a self, kind: &'a str, rest: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [
            ("challenge", self.challenge.as_str()),
            ("kind", kind),
            ("kinds", &self.kinds),
            ("options", &self.options),
        ];
        own.into_iter().chain(rest.iter().copied()).collect()
    }
}

fn sessions_of(ada: &Client) -> Value {
    ada.get("/api/users/me/sessions").expect(200)["count"].clone()
}

fn the_session_is_opened_by_the_factor_and_not_before(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let mut browser = Browser::new(&app);
    let asked = Asked::first(&mut browser, "ada");
    for part in ["autocomplete=\"one-time-code\"", "inputmode=\"numeric\"", "action=\"/login/verify?rd=%2Fregister\""] {
        assert!(asked.text.contains(part), "{part}: {}", asked.text);
    }
    assert_eq!((asked.kinds.as_str(), sessions_of(&ada)), ("totp,backup", 1.into()));
    let code = phone.fresh_code(&app);
    let fields = asked.fields("totp", &[("code", &code), ("remember", "on")]);
    let answer = browser.post("/login/verify?rd=%2Fregister", &fields);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/register")));
    assert!(answer.headers("set-cookie")[0].contains("Max-Age=315576000"), "{answer:?}");
    assert_eq!((browser.get("/account").status, sessions_of(&ada)), (200, 2.into()));
    // Neither is good twice.
    let mut other = Browser::new(&app);
    assert_eq!(other.post("/login/verify", &fields).status, 401);
    assert!(other.token().is_none());
    // There is nothing to be loaded again.
    assert_eq!(other.get("/login/verify?rd=%2Fregister").header("location"), Some("/login?rd=%2Fregister"));
}

fn a_wrong_code_is_asked_for_again_and_too_many_begin_anew(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let mut browser = Browser::new(&app);
    let mut asked = Asked::first(&mut browser, "ada");
    let empty = browser.post("/login/verify", &asked.fields("totp", &[("code", " ")]));
    assert!(empty.status == 400 && empty.text().contains("Type the code."), "{empty:?}");
    for _ in 0..5 {
        let wrong = browser.post("/login/verify", &asked.fields("totp", &[("code", "000000")]));
        assert!(wrong.status == 401 && wrong.text().contains("id=\"code-error\">The code is wrong"), "{wrong:?}");
        asked = Asked::of(wrong.text());
    }
    let over = browser.post("/login/verify", &asked.fields("totp", &[("code", &phone.fresh_code(&app))]));
    assert!(over.status == 401 && over.text().contains("Begin again."), "{over:?}");
    assert!(over.text().contains("autocomplete=\"current-password\"") && browser.token().is_none());
    for garbage in ["", "x", "a.b.c"] {
        let over = browser.post("/login/verify", &[("challenge", garbage), ("kind", "totp"), ("code", "1")]);
        assert!(over.status == 401 && over.text().contains("Begin again."), "{over:?}");
    }
}

fn a_backup_code_opens_it_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (_, enrolled) = ada.enrol_totp(&app);
    for status in [303, 401] {
        let mut browser = Browser::new(&app);
        let asked = Asked::first(&mut browser, "ada");
        let answer = browser.post("/login/verify", &asked.fields("backup", &[("code", &enrolled.codes[0])]));
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(browser.token().is_some(), status == 303);
    }
}

fn a_security_key_opens_it(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut key = Authenticator::without_counter();
    ada.enrol_webauthn(&mut key);
    let mut browser = Browser::new(&app);
    let asked = Asked::first(&mut browser, "ada");
    assert!(asked.text.contains("data-webauthn=\"get\"") && asked.text.contains("<noscript>"), "{}", asked.text);
    let nothing = browser.post("/login/verify", &asked.fields("webauthn", &[("response", "")]));
    assert!(nothing.status == 400 && nothing.text().contains("gave no answer"), "{nothing:?}");
    let options: Value = serde_json::from_str(&asked.options).expect("options");
    let response = key.assert(&options, ORIGIN).to_string();
    let answer = browser.post("/login/verify", &asked.fields("webauthn", &[("response", &response)]));
    assert_eq!(answer.status, 303, "{answer:?}");
    let shown = browser.get("/account/sessions");
    assert!(shown.text().contains("password, security key"), "{shown:?}");
}

fn an_answer_is_no_login_to_the_limits(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.login_limit = within(1, 180);
        config.http.general_limit = Limit::Off;
    });
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let mut browser = Browser::new(&app);
    let asked = Asked::first(&mut browser, "ada");
    for _ in 0..2 {
        let wrong = browser.post("/login/verify", &asked.fields("totp", &[("code", "000000")]));
        assert_eq!((wrong.status, wrong.header("ratelimit-limit")), (401, None));
    }
    let answer = browser.post("/login/verify", &asked.fields("totp", &[("code", &phone.fresh_code(&app))]));
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(Browser::new(&app).sign_in("/login", "ada").status, 429);
}

fn a_challenge_of_another_kind_opens_nothing(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let body = serde_json::json!({"username": "adele"});
    let rename = ada.challenged("PUT", "/api/users/me/username", &body);
    let code = phone.fresh_code(&app);
    for token in [rename["token"].as_str().unwrap(), ada.token()] {
        let fields = [("challenge", token), ("kind", "totp"), ("code", code.as_str())];
        let answer = Browser::new(&app).post("/login/verify", &fields);
        assert_eq!((answer.status, answer.headers("set-cookie").len()), (401, 0), "{answer:?}");
    }
    // Nor does the sign-in's do anything else; and one of the API is as good here.
    let login = app.anonymous().login_challenged("ada");
    let fields = [("challenge", login["token"].as_str().unwrap()), ("kind", "totp"), ("code", code.as_str())];
    assert_eq!(Browser::new(&app).post("/login/verify", &fields).status, 303);
}

fn a_switch_hides_what_was_answered(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let (phone, _) = ada.enrol_totp(&app);
    let mut browser = Browser::new(&app);
    let asked = Asked::first(&mut browser, "ada");
    app.switch(KillSwitch::AccountLogin, true);
    let code = phone.fresh_code(&app);
    for fields in [asked.fields("totp", &[("code", &code)]), asked.fields("totp", &[("code", "000000")]), vec![]] {
        let answer = browser.post("/login/verify", &fields);
        assert!(answer.status == 503 && browser.token().is_none(), "{answer:?}");
    }
    app.switch(KillSwitch::AccountLogin, false);
    let answer = browser.post("/login/verify", &asked.fields("totp", &[("code", &code)]));
    assert_eq!(answer.status, 303, "the code was not spent: {answer:?}");
    assert_eq!(browser.sign_in("/login", "ada").status, 200, "{PASSWORD}");
}
