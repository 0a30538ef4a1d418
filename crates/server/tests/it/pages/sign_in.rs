//! Signing in by a password, and out.

use thunderhead_auth::settings::{LoginErrors, Registration};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_http::access::rate_limit::Limit;
use thunderhead_http::site::redirect_origins::RedirectOrigins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::browser::{Browser, NOTICE, SESSION, form, hidden};
use crate::app::{PASSWORD, Response, TestApp};
use crate::limits::within;

on_both_engines!(
    somebody_signs_in_sees_the_account_and_signs_out,
    the_cookie_is_kept_as_long_as_was_asked_for,
    what_was_typed_wrong_is_told_at_its_field,
    uniform_errors_tell_no_name_from_a_password,
    a_sign_in_leads_where_it_may_and_says_so,
    who_is_signed_in_needs_no_form,
    three_passwords_are_let_through_and_no_page_is_counted_with_them,
    a_switch_keeps_all_but_staff_out,
    a_banned_user_is_told_so_and_can_leave,
    a_token_for_programs_is_no_session_here,
    the_first_visitor_is_told_how_to_make_an_account,
    nobody_signs_anybody_in_from_elsewhere,
);

fn page(response: &Response, status: u16) -> String {
    assert_eq!(
        (response.status, response.header("content-type")),
        (status, Some("text/html; charset=utf-8")),
        "{response:?}"
    );
    response.text()
}

fn somebody_signs_in_sees_the_account_and_signs_out(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::new(&app);
    let start = browser.get("/");
    assert_eq!((start.status, start.header("location")), (303, Some("/login")));
    let asked = browser.get("/account?x=1");
    assert_eq!((asked.status, asked.header("location")), (303, Some("/login?rd=%2Faccount%3Fx%3D1")));
    let login = page(&browser.follow(&asked), 200);
    for part in [
        "autocomplete=\"username webauthn\"",
        "autocomplete=\"current-password\"",
        "action=\"/login?rd=%2Faccount%3Fx%3D1\"",
    ] {
        assert!(login.contains(part), "{part}: {login}");
    }
    let signed_in = browser.sign_in("/login?rd=%2Faccount%3Fx%3D1", " Ada@Example.org ");
    assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/account?x=1")));
    assert_eq!(browser.token().map(str::len), Some(32));
    let account = page(&browser.follow(&signed_in), 200);
    assert!(account.contains("ada@example.org") && account.contains("no second factor"), "{account}");
    let start = browser.get("/");
    assert_eq!((start.status, start.header("location")), (303, Some("/account")));
    let token = browser.token().unwrap().to_owned();
    assert!(app.anonymous().with_token(&token).works());
    assert!(page(&browser.get("/logout"), 200).contains("action=\"/logout\""));
    assert!(app.anonymous().with_token(&token).works(), "a GET changes nothing");
    let signed_out = browser.post("/logout", &[]);
    assert_eq!((signed_out.status, signed_out.header("location")), (303, Some("/login")));
    assert!(browser.token().is_none() && !app.anonymous().with_token(&token).works());
    // It is said once.
    assert!(browser.cookie(NOTICE).is_some());
    assert!(page(&browser.get("/login"), 200).contains("You are signed out."));
    assert!(browser.cookie(NOTICE).is_none());
    assert!(!page(&browser.get("/login"), 200).contains("You are signed out."));
    let again = browser.post("/logout", &[]);
    assert_eq!((again.status, again.header("location")), (303, Some("/login")));
}

fn the_cookie_is_kept_as_long_as_was_asked_for(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let attributes = |fields: &[(&str, &str)]| {
        let answer = Browser::new(&app).post("/login", fields);
        let cookie =
            answer.headers("set-cookie").into_iter().find(|cookie| cookie.starts_with(SESSION)).expect("a cookie");
        let mut attributes: Vec<_> = cookie.split("; ").skip(1).map(str::to_owned).collect();
        attributes.sort();
        attributes
    };
    let known = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(attributes(&known), ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    let remembered = attributes(&[known[0], known[1], ("remember", "on")]);
    assert_eq!(remembered, ["HttpOnly", "Max-Age=315576000", "Path=/", "SameSite=Lax", "Secure"]);
    let mut browser = Browser::signed_in(&app, "ada");
    app.clock().advance_seconds(86_400);
    assert_eq!(browser.get("/account").header("location"), Some("/login?rd=%2Faccount"));
    assert!(browser.token().is_none(), "a cookie that is worth nothing any more is cleared");
}

fn what_was_typed_wrong_is_told_at_its_field(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::new(&app);
    for (fields, status, id, words) in [
        (&[("username", "bob"), ("password", PASSWORD)][..], 401, "username-error", "Nobody has this name or address."),
        (&[("username", "ada"), ("password", "wrong")], 401, "password-error", "The password is wrong."),
        (&[("username", ""), ("password", "x")], 400, "username-error", "Type your name or address."),
        (&[("username", "ada")], 400, "password-error", "Type your password."),
        (&[], 400, "password-error", "Type your password."),
    ] {
        let text = page(&browser.post("/login", fields), status);
        assert!(text.contains(&format!("id=\"{id}\">{words}")), "{fields:?}: {text}");
        assert!(!text.contains("wrong\"") && browser.token().is_none(), "{text}");
    }
    let odd = page(&browser.post("/login", &[("username", "<b>\"x"), ("password", "y")]), 401);
    assert!(odd.contains("value=\"&lt;b&gt;&quot;x\"") && !odd.contains("<b>\"x"), "{odd}");
}

fn uniform_errors_tell_no_name_from_a_password(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.login_errors = LoginErrors::Uniform);
    app.user("ada");
    let told = |name: &str| {
        let text = page(&Browser::new(&app).post("/login", &[("username", name), ("password", "wrong")]), 401);
        let (before, asked) = text.split_once("data-passkey=\"").expect("what is asked of passkeys");
        let (_, after) = asked.split_once('"').unwrap();
        format!("{before}{after}").replace(&hidden(&text, "passkey-token"), "TOKEN").replace(name, "NAME")
    };
    assert!(told("ada").contains("The name or the password is wrong."));
    assert_eq!(told("ada"), told("bob"));
}

fn a_sign_in_leads_where_it_may_and_says_so(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        let origins = RedirectOrigins::new(&["https://app.example".to_owned()]).unwrap();
        config.http.pages.as_mut().unwrap().redirects = origins;
    });
    app.user("ada");
    let path = "/login?rd=https%3A%2F%2Fapp.example%2Fx%3Fy";
    let mut browser = Browser::new(&app);
    let shown = browser.get(path);
    assert!(page(&shown, 200).contains("You will go on to <b>app.example</b>"));
    let policy = shown.header("content-security-policy").unwrap();
    assert!(policy.ends_with("form-action 'self' https://app.example"), "{policy}");
    assert_eq!(browser.sign_in(path, "ada").header("location"), Some("https://app.example/x?y"));
    let evil = "/login?rd=https%3A%2F%2Fevil.example";
    let shown = Browser::new(&app).get(evil);
    assert!(!page(&shown, 200).contains("You will go on to"));
    assert!(shown.header("content-security-policy").unwrap().ends_with("form-action 'self'"));
    assert_eq!(Browser::new(&app).sign_in(evil, "ada").header("location"), Some("/account"));
}

fn who_is_signed_in_needs_no_form(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    assert_eq!(browser.get("/login").header("location"), Some("/account"));
    assert_eq!(browser.get("/login?rd=%2Faccount%2Fsessions").header("location"), Some("/account/sessions"));
}

fn three_passwords_are_let_through_and_no_page_is_counted_with_them(database: TestDatabase) {
    let app = TestApp::with(database, |config| {
        config.http.login_limit = within(3, 180);
        config.http.general_limit = Limit::Off;
    });
    app.user("ada");
    let mut browser = Browser::new(&app);
    for _ in 0..5 {
        assert_eq!(browser.get("/login").status, 200);
    }
    for left in ["2", "1", "0"] {
        let wrong = browser.post("/login", &[("username", "ada"), ("password", "wrong")]);
        assert_eq!((wrong.status, wrong.header("ratelimit-remaining")), (401, Some(left)));
    }
    let refused = browser.sign_in("/login", "ada");
    assert!(page(&refused, 429).contains("Slow down"));
    assert_eq!(refused.header("retry-after"), Some("180"));
    // It is one bucket with the API's.
    let api = app.anonymous().post("/api/login", &serde_json::json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(api.status, 429);
}

fn a_switch_keeps_all_but_staff_out(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.staff("root");
    for switch in [KillSwitch::AccountLogin, KillSwitch::Global] {
        app.switch(switch, true);
        let mut browser = Browser::new(&app);
        assert!(page(&browser.get("/login"), 200).contains("Staff alone can sign in."));
        for fields in [
            &[("username", "ada"), ("password", PASSWORD)][..],
            &[("username", "ada"), ("password", "wrong")],
            &[("username", "nobody"), ("password", "wrong")],
            &[],
        ] {
            assert!(page(&browser.post("/login", fields), 503).contains("Switched off"), "{fields:?}");
        }
        let answer = browser.sign_in("/login", "root");
        assert_eq!(answer.status, 303, "{answer:?}");
        app.switch(switch, false);
    }
}

fn a_banned_user_is_told_so_and_can_leave(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.user("bob");
    let mut browser = Browser::signed_in(&app, "ada");
    app.ban("ada");
    assert!(page(&browser.get("/account"), 403).contains("banned"));
    // The cookie is gone, so that somebody else can sign in.
    assert!(browser.token().is_none());
    assert!(page(&browser.sign_in("/login", "ada"), 403).contains("banned"));
    assert_eq!(browser.sign_in("/login", "bob").status, 303);
}

fn a_token_for_programs_is_no_session_here(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut browser = Browser::with_token(&app, ada.scoped(&[Scope::All]).token());
    assert!(page(&browser.get("/account"), 403).contains("a token for programs"));
    assert_eq!(browser.get("/").header("location"), Some("/login"));
    assert_eq!(browser.get("/login").status, 200);
    assert_eq!(browser.sign_in("/login", "ada").status, 303);
    assert_eq!(browser.get("/account").status, 200);
    // An ordinary session of the API is one here, too.
    assert_eq!(Browser::with_token(&app, ada.token()).get("/account").status, 200);
    // And only in the cookie.
    let by_header = Browser::new(&app).call("GET", "/account").header("Authorization", ada.token()).send();
    assert_eq!(by_header.header("location"), Some("/login?rd=%2Faccount"));
}

fn the_first_visitor_is_told_how_to_make_an_account(database: TestDatabase) {
    let app = TestApp::start(database);
    let first = page(&Browser::new(&app).get("/login"), 200);
    assert!(first.contains("Nobody has an account yet.") && first.contains("thunderhead user create NAME"), "{first}");
    let closed = app.replica_with(|config| config.policy.registration = Registration::Closed);
    let first = page(&Browser::new(&closed).get("/login"), 200);
    assert!(first.contains("thunderhead user create NAME") && !first.contains("/register"), "{first}");
    app.user("ada");
    assert!(!page(&Browser::new(&app).get("/login"), 200).contains("Nobody has an account yet."));
}

fn nobody_signs_anybody_in_from_elsewhere(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.login_limit = within(1, 180));
    app.user("ada");
    let browser = Browser::new(&app);
    let known = form(&[("username", "ada"), ("password", PASSWORD)]);
    for headers in [
        &[][..],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://other.auth.example")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "null")],
    ] {
        let call = headers.iter().fold(browser.call("POST", "/login"), |call, (name, value)| call.header(name, value));
        let refused = call.body("application/x-www-form-urlencoded", known.clone()).send();
        assert!(page(&refused, 403).contains("did not come from a page of this site"), "{headers:?}");
        assert!(refused.header("set-cookie").is_none() && refused.header("ratelimit-limit").is_none());
    }
    // None of them was counted as a login.
    let call = browser.call("POST", "/login").header("Origin", "https://auth.example");
    let answer = call.body("application/x-www-form-urlencoded", known).send();
    assert_eq!(answer.status, 303, "{answer:?}");
}
