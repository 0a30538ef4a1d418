//! `/`, where people look first.

use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;
use crate::errors::INVALID_ENDPOINT;

on_both_engines!(without_pages_a_browser_is_shown_where_things_are, a_program_is_told_in_a_header,);

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn without_pages_a_browser_is_shown_where_things_are(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.http.pages = None);
    app.switch(KillSwitch::Global, true);
    let page = app.anonymous().call("GET", "/").header("Accept", BROWSER).send();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((page.header("vary"), page.header("ratelimit-limit")), (Some("Accept"), None));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    for place in ["/docs", "/openapi.json", "/.well-known/jwks.json", "/health/ready"] {
        assert!(page.text().contains(&format!("href=\"{place}\"")), "{place}: {}", page.text());
        assert_eq!(app.anonymous().get(place).status, 200, "{place}");
    }
    assert!(page.text().contains("/api/"), "{}", page.text());
    assert_eq!(app.anonymous().call("HEAD", "/").header("Accept", BROWSER).send().status, 200);
    let wrong = app.anonymous().call("DELETE", "/").header("Accept", BROWSER).send();
    assert_eq!(wrong.header("content-type"), Some("application/json"));
}

fn a_program_is_told_in_a_header(database: TestDatabase) {
    let app = TestApp::start(database);
    for accept in ["*/*", "application/json"] {
        let answer = app.anonymous().call("GET", "/").header("Accept", accept).send();
        answer.is(INVALID_ENDPOINT);
        let link = "</docs>; rel=\"service-doc\", </openapi.json>; rel=\"service-desc\"";
        assert_eq!((answer.header("link"), answer.header("vary")), (Some(link), Some("Accept")));
    }
}
