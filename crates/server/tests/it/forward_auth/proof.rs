//! Sessions that must be proved more recently, or better, than they are.

use thunderhead_domain::authorization::StaffFactor;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::sign_in::{navigation, with};
use super::{PATH, answer, ask, before_applications};
use crate::app::{Client, TestApp};
use crate::pages::browser::{Browser, PASS, SESSION, hidden};

on_both_engines!(
    a_proof_that_is_too_old_is_told_by_the_standard,
    a_factor_that_was_not_shown_is_asked_for_and_one_that_nobody_has_is_not,
    a_browser_is_led_to_confirm_and_never_to_sign_in,
    a_browser_that_confirms_is_led_back,
);

const INSUFFICIENT: &str = "Bearer error=\"insufficient_user_authentication\", \
    error_description=\"The session is not proved as it must be\"";

/// Status and challenge of an answer to a program.
fn told(client: &Client, query: &str) -> (u16, Option<String>) {
    let response = ask(client, query);
    assert_eq!(response.header("location"), None);
    (response.status, response.header("www-authenticate").map(str::to_owned))
}

fn insufficient(what: &str) -> (u16, Option<String>) {
    (401, Some(format!("{INSUFFICIENT}, {what}")))
}

fn a_proof_that_is_too_old_is_told_by_the_standard(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    for client in [&ada, &ada.at(&replica)] {
        assert_eq!(told(client, "?max_age=600"), (204, None));
    }
    app.clock().advance_seconds(600);
    assert_eq!(told(&ada, "?max_age=600"), (204, None));
    app.clock().advance_millis(1);
    for client in [&ada, &ada.at(&replica)] {
        assert_eq!(told(client, "?max_age=600"), insufficient("max_age=\"600\""));
        assert_eq!(told(client, "?max_age=600&login=302"), insufficient("max_age=\"600\""));
        assert_eq!(told(client, "?max_age=601"), (204, None));
        assert_eq!(told(client, ""), (204, None));
        let envoy = client.get("/forward-auth/envoy/max_age=600/x");
        assert_eq!(
            (envoy.status, envoy.header("www-authenticate")),
            (401, insufficient("max_age=\"600\"").1.as_deref())
        );
    }
    // What is asked for besides comes first: no proof would mend it.
    assert_eq!(told(&ada, "?max_age=600&scope=STAFF_READ_FILES").0, 403);
    // A scoped session rests on the proof that made it.
    let script = ada.scoped(&[Scope::FileRead]);
    for client in [&script, &ada.at(&replica)] {
        assert_eq!(told(client, "?max_age=600"), (204, None), "it was proved when the other was made");
    }
    app.clock().advance_seconds(601);
    assert_eq!(told(&script, "?max_age=600"), insufficient("max_age=\"600\""));
    assert_eq!(told(&ada.with_token("garbage"), "?max_age=600"), (401, Some("Bearer".to_owned())));
}

fn a_factor_that_was_not_shown_is_asked_for_and_one_that_nobody_has_is_not(database: TestDatabase) {
    let app = TestApp::start(database);
    let strict = app.replica_with(|config| config.policy.staff_factor = StaffFactor::Required);
    let (ada, bob, root) = (app.user("ada"), app.user("bob"), app.staff("root"));
    let (before, root_before) = (ada.log_in("ada"), root.log_in("root"));
    let (_, enrolled) = ada.enrol_totp(&app);
    root.enrol_totp(&app);
    let script = ada.scoped_by_backup(&[Scope::FileRead], &enrolled.codes[0]);
    let acr = "acr_values=\"aal2\"";
    for (client, query, expected) in [
        (&ada, "?factor=true", (204, None)),
        (&ada, "?factor=1&max_age=60", (204, None)),
        (&script, "?factor=true", (204, None)),
        (&before, "?factor=true", insufficient(acr)),
        (&before, "?factor=true&max_age=60", insufficient(&format!("{acr}, max_age=\"60\""))),
        (&before, "?max_age=60", insufficient("max_age=\"60\"")),
        (&before, "?factor=false", (204, None)),
        (&bob, "?factor=true", (403, None)),
        (&bob, "?factor=true&max_age=60", (403, None)),
        (&bob, "?factor=true&staff=true", (403, None)),
        (&ada, "?factor=true&staff=true", (403, None)),
        (&root.at(&strict), "?factor=true&staff=true", (204, None)),
        (&root_before.at(&strict), "?factor=true&staff=true", insufficient(acr)),
        (&root_before.at(&strict), "?staff=true", (403, None)),
        (&root_before.at(&strict), "?staff=true&login=302", (403, None)),
    ] {
        assert_eq!(told(client, query), expected, "{query}");
    }
    block_on(app.operator().factor_reset("ada")).unwrap();
    assert_eq!(told(&ada, "?factor=true"), (403, None), "the factor that was shown is none any more");
}

fn a_browser_is_led_to_confirm_and_never_to_sign_in(database: TestDatabase) {
    let app = before_applications(database);
    let strict = app.replica_with(|config| config.policy.staff_factor = StaffFactor::Required);
    app.user("bob");
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let (ada_before, root_before) = (ada.log_in("ada"), root.log_in("root"));
    let ada_scoped = ada.scoped(&[Scope::FileRead]);
    ada.enrol_totp(&app);
    root.enrol_totp(&app);
    let cookie = |client: &Client| format!("{SESSION}={}", client.token());
    let (ada, ada_before, root_before) = (cookie(&ada), cookie(&ada_before), cookie(&root_before));
    let bob = Browser::signed_in(&app, "bob").pass();
    app.clock().advance_seconds(601);
    let asked = |app: &TestApp, query: &str, cookie: &str| {
        let response = answer(with(navigation(app, query), &[("Cookie", cookie)]));
        let place = response.header("location").map(|place| place.split("rd=").next().unwrap().to_owned());
        assert_eq!(place.is_some(), response.header("location").is_some_and(|place| place.ends_with("%2520d")));
        (response.status, place, response.header("www-authenticate").is_some())
    };
    let confirm = |query: &str| Some(format!("https://auth.example.org/account/confirm?{query}"));
    for (query, cookie, expected) in [
        ("?login=302&max_age=600", &bob, (302, confirm("max_age=600&"), false)),
        ("?login=401&max_age=600", &bob, (401, confirm("max_age=600&"), true)),
        ("?max_age=600", &bob, (401, None, true)),
        ("?login=302&max_age=601", &bob, (204, None, false)),
        ("?login=302&factor=true", &bob, (403, None, false)),
        ("?login=302&factor=true", &ada_before, (302, confirm(""), false)),
        ("?login=302&factor=true", &ada, (204, None, false)),
        ("?login=302&factor=true&max_age=600", &ada, (302, confirm("max_age=600&"), false)),
        ("?login=302&staff=true", &ada_before, (403, None, false)),
    ] {
        assert_eq!(asked(&app, query, cookie), expected, "{query}");
    }
    assert_eq!(asked(&strict, "?login=302&staff=true", &root_before), (302, confirm(""), false));
    assert_eq!(asked(&strict, "?login=401&staff=true", &root_before), (401, confirm(""), true));
    assert_eq!(asked(&strict, "?staff=true", &root_before), (403, None, false));
    // No page takes a scoped session.
    let scoped = format!("{SESSION}={}", ada_scoped.token());
    assert_eq!(asked(&app, "?login=302&max_age=600", &scoped), (401, None, true));
    // Programs are told, in a cookie's clothes too.
    let call = app.anonymous().call("GET", &format!("{PATH}?login=302&max_age=600")).header("Cookie", &bob);
    let program = answer(call.header("X-Forwarded-Method", "GET"));
    assert_eq!((program.status, program.header("location")), (401, None));
}

fn a_browser_that_confirms_is_led_back(database: TestDatabase) {
    let app = before_applications(database);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    app.clock().advance_seconds(601);
    let query = "?login=302&max_age=600";
    let ask = |browser: &Browser| answer(with(navigation(&app, query), &[("Cookie", &browser.pass())]));
    let led = ask(&browser);
    let place = led.header("location").unwrap().strip_prefix("https://auth.example.org").unwrap().to_owned();
    let page = browser.get(&place);
    assert!(page.status == 200 && page.text().contains("app.example.org"), "{page:?}");
    let back = browser.post(&place, &[("password", crate::app::PASSWORD)]);
    assert_eq!((back.status, back.header("location")), (303, Some("https://app.example.org/files?a=b&c=%20d")));
    assert_eq!(ask(&browser).status, 204);
    // Whoever comes again has nothing to confirm, and a pass of this session.
    browser.forget(PASS);
    let again = browser.get(&place);
    assert_eq!(again.header("location"), Some("https://app.example.org/files?a=b&c=%20d"));
    assert_eq!(ask(&browser).status, 204);
    assert_eq!(browser.get("/account/confirm?rd=%2Faccount").status, 200, "who asks for no age is asked");
    // With a factor since, the password alone is not enough.
    let (phone, _) = ada.enrol_totp(&app);
    let asked = browser.get(&place);
    assert_eq!(asked.status, 200, "{asked:?}");
    let step = browser.post(&place, &[("password", crate::app::PASSWORD)]).text();
    app.clock().advance_seconds(30);
    let code = phone.code(&app, 0);
    let fields = [("challenge", hidden(&step, "challenge")), ("code", code)];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("kind", "totp"), ("kinds", "totp")])
        .collect();
    let back = browser.post(&place, &fields);
    assert_eq!(back.status, 303, "{back:?}");
    assert_eq!(answer(with(navigation(&app, "?factor=true"), &[("Cookie", &browser.pass())])).status, 204);
}
