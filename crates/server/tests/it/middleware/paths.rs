//! Paths and methods, and the endpoints outside of `/api`.

use serde_json::json;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;
use crate::errors::{INVALID_ENDPOINT, NOT_AUTHENTICATED, UNAVAILABLE, WRONG_METHOD};

on_both_engines!(
    an_unknown_path_is_404,
    a_wrong_method_is_405_and_says_which_ones_there_are,
    a_trailing_slash_is_the_same_path,
    head_works_where_get_does,
    health_and_keys_stay_up_under_global,
    published_keys_show_no_private_part,
);

fn an_unknown_path_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for path in [
        "/",
        "/x",
        "/api/x",
        "/apix",
        "/api/users/me/sessions/1/2",
        "/api/login/x",
        "/API/users/me",
        "/api/users/1768478400250/x",
        "/api/users/me/x",
        "/api/killswitches/1/2",
        "/api/loglevel",
        "/api/users/verify",
        "/api/users/me/verify",
        "/health",
        "/api/%ff",
        "/api/..%2f..%2fetc",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "BREW"] {
            app.anonymous().call(method, path).send().is(INVALID_ENDPOINT);
            ada.call(method, path).send().is(INVALID_ENDPOINT);
        }
    }
}

fn a_wrong_method_is_405_and_says_which_ones_there_are(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for (method, path, allowed) in [
        ("GET", "/api/login", "POST"),
        ("DELETE", "/api/register", "POST"),
        ("POST", "/api/users/me", "DELETE, GET, HEAD"),
        ("POST", "/api/users", "DELETE, GET, HEAD"),
        ("GET", "/api/users/me/username", "PUT"),
        ("POST", "/api/users/1/ban", "DELETE, PUT"),
        ("PUT", "/api/killswitches", "DELETE, GET, HEAD"),
        ("GET", "/api/killswitches/8", "DELETE, PUT"),
        ("GET", "/introspect", "POST"),
        ("GET", "/revoke", "POST"),
        ("POST", "/forward-auth", "GET, HEAD"),
        ("PUT", "/api/users/me/sessions", "DELETE, GET, HEAD, POST"),
        ("POST", "/api/users/me/sessions/1", "DELETE, GET, HEAD"),
        ("POST", "/api/users/me/sessions/all", "DELETE"),
        ("PATCH", "/api/users/1/sessions", "DELETE, GET, HEAD"),
        ("OPTIONS", "/api/users/1/sessions/1", "DELETE, GET, HEAD"),
        ("BREW", "/api/users/1/sessions/all", "DELETE"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/.well-known/jwks.json", "GET, HEAD"),
    ] {
        for client in [&ada, &app.anonymous()] {
            let response = client.call(method, path).send();
            response.is(WRONG_METHOD);
            let mut methods: Vec<&str> = response.header("allow").unwrap().split(", ").collect();
            methods.sort_unstable();
            assert_eq!(methods.join(", "), allowed, "{method} {path}");
        }
    }
}

fn a_trailing_slash_is_the_same_path(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    for path in ["/api/users/me/", "/api/users/me/sessions/", "/api/users/me/sessions/me/", "/api/", "/health/live/"] {
        ada.get(path).expect(200);
    }
    ada.get("/api/users/me/sessions/?limit=1&full=true").expect(200);
    ada.delete("/api/users/me/sessions/all/").expect(200);
    app.anonymous().get("/api/users/me/").is(NOT_AUTHENTICATED);
    app.anonymous().log_in("ada").post("/api/login/", &json!({})).is(NOT_AUTHENTICATED);
}

fn head_works_where_get_does(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let own = format!("/api/users/me/sessions/{}", ada.session_id());
    for path in ["/api/users/me", "/api/users/me/sessions", &own, "/api/", "/health/live", "/.well-known/jwks.json"] {
        let (get, head) = (ada.get(path), ada.call("HEAD", path).send());
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert!(head.is_empty());
        for name in ["content-type", "content-length"] {
            assert_eq!(get.header(name), head.header(name), "{path} {name}");
        }
    }
    let refused = app.anonymous().call("HEAD", "/api/users/me").send();
    assert!(refused.status == 401 && refused.is_empty());
    assert_eq!(ada.call("HEAD", "/api/login").send().status, 405);
}

fn health_and_keys_stay_up_under_global(database: TestDatabase) {
    let app = TestApp::start(database);
    app.switch(KillSwitch::Global, true);
    for path in ["/health/live", "/health/ready", "/.well-known/jwks.json"] {
        app.anonymous().get(path).expect(200);
    }
    for path in ["/api/", "/api/x", "/api/users/me"] {
        app.anonymous().get(path).is_with(UNAVAILABLE, json!({"feature": 8}));
    }
}

fn published_keys_show_no_private_part(database: TestDatabase) {
    let app = TestApp::start(database);
    let response = app.anonymous().get("/.well-known/jwks.json");
    let keys = response.expect(200);
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let key = keys[0].as_object().unwrap();
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig"))
    );
    assert!(key["kid"].is_string() && key["x"].is_string() && key["y"].is_string());
    assert!(!key.contains_key("d"));
    let same = app.replica().anonymous().get("/.well-known/jwks.json").expect(200);
    assert_eq!(same["keys"].as_array().unwrap(), keys);
    let same = app.restart().anonymous().get("/.well-known/jwks.json").expect(200);
    assert_eq!(same["keys"].as_array().unwrap().len(), 1);
}
