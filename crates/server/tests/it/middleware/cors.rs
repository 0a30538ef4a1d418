//! CORS for the configured origins.

use thunderhead_http::request::origin::Origins;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;
use crate::errors::NOT_AUTHENTICATED;

on_both_engines!(
    preflights_are_answered_for_configured_origins_alone,
    answers_are_readable_for_configured_origins_alone
);

const OURS: &str = "https://app.example";

fn start(database: TestDatabase) -> TestApp {
    TestApp::with(database, |config| config.http.origins = Origins::new(vec![OURS.to_owned()]).unwrap())
}

fn preflights_are_answered_for_configured_origins_alone(database: TestDatabase) {
    let app = start(database);
    let preflight = |origin: &str, path: &str| {
        let call = app.anonymous().call("OPTIONS", path).header("Origin", origin);
        let call = call.header("Access-Control-Request-Method", "DELETE");
        call.header("Access-Control-Request-Headers", "authorization,content-type,x-session-name").send()
    };
    for path in ["/api/users/me/sessions/all", "/api/login", "/api/nowhere"] {
        let granted = preflight(OURS, path);
        assert_eq!(granted.status, 200);
        assert_eq!(granted.header("access-control-allow-origin"), Some(OURS));
        assert_eq!(granted.header("access-control-allow-credentials"), Some("true"));
        assert!(granted.header("access-control-allow-methods").unwrap().contains("DELETE"));
        for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
            let refused = preflight(origin, path);
            assert!((400..500).contains(&refused.status), "{refused:?}");
            assert_eq!(refused.header("access-control-allow-origin"), None);
            refused.json();
        }
    }
}

fn answers_are_readable_for_configured_origins_alone(database: TestDatabase) {
    let app = start(database);
    let ada = app.user("ada");
    let get = |origin: &str| ada.call("GET", "/api/users/me").header("Origin", origin).send();
    assert_eq!(get(OURS).header("access-control-allow-origin"), Some(OURS));
    assert!(get(OURS).header("access-control-expose-headers").unwrap().to_lowercase().contains("retry-after"));
    assert_eq!(get("https://evil.example").header("access-control-allow-origin"), None);
    let refused = app.anonymous().call("GET", "/api/users/me").header("Origin", OURS).send();
    refused.is(NOT_AUTHENTICATED);
    assert_eq!(refused.header("access-control-allow-origin"), Some(OURS));
}
