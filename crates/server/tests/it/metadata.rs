//! `/.well-known/oauth-authorization-server`: how clients find the endpoints (RFC 8414, `docs/API.md`), and whom the
//! tokens say that they are for.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::{Cut, TestApp, claims};
use crate::errors::INVALID_ENDPOINT;
use crate::introspect::Service;
use crate::limits::{tight, told};

on_both_engines!(
    an_issuer_that_can_be_looked_up_tells_where_all_is,
    an_issuer_with_a_path_is_looked_up_at_that_path,
    an_issuer_that_cannot_be_looked_up_tells_nothing,
    it_is_told_whatever_is_shut_or_away_and_not_counted,
    tokens_of_sessions_say_whom_they_are_for_where_the_operator_says_so,
);

const PLACE: &str = "/.well-known/oauth-authorization-server";

fn of(database: TestDatabase, issuer: &str) -> TestApp {
    TestApp::with(database, |config| config.issuer = issuer.to_owned())
}

fn an_issuer_that_can_be_looked_up_tells_where_all_is(database: TestDatabase) {
    let app = of(database, "https://auth.example");
    let (anonymous, ada) = (app.anonymous(), app.user("ada"));
    let answer = anonymous.get(PLACE);
    let scopes: Vec<_> = Scope::TABLE.into_iter().map(|(scope, _)| scope.name()).collect();
    let expected = json!({
        "issuer": "https://auth.example",
        "jwks_uri": "https://auth.example/.well-known/jwks.json",
        "scopes_supported": scopes,
        "introspection_endpoint": "https://auth.example/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": "https://auth.example/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
    });
    assert_eq!(answer.expect(200), expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(expected["issuer"], claims(ada.token())["iss"]);
    let head = anonymous.call("HEAD", PLACE).send();
    assert!(head.status == 200 && head.is_empty(), "{head:?}");
    let wrong = anonymous.call("POST", PLACE).send();
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    anonymous.get(&format!("{PLACE}/a")).is(INVALID_ENDPOINT);
    anonymous.get("/.well-known/openid-configuration").is(INVALID_ENDPOINT);
    // What it names is there.
    for (name, answered) in [("jwks_uri", 200), ("introspection_endpoint", 405), ("revocation_endpoint", 405)] {
        let path = expected[name].as_str().unwrap().strip_prefix("https://auth.example").unwrap();
        assert_eq!(anonymous.get(path).status, answered, "{name}");
    }
}

fn an_issuer_with_a_path_is_looked_up_at_that_path(database: TestDatabase) {
    let app = of(database, "https://auth.example/tenant/one/");
    let told = app.anonymous().get(&format!("{PLACE}/tenant/one")).expect(200);
    assert_eq!(
        (&told["issuer"], &told["revocation_endpoint"]),
        (&json!("https://auth.example/tenant/one/"), &json!("https://auth.example/revoke"))
    );
    for nowhere in [PLACE.to_owned(), format!("{PLACE}/tenant"), format!("/tenant/one{PLACE}")] {
        app.anonymous().get(&nowhere).is(INVALID_ENDPOINT);
    }
}

fn an_issuer_that_cannot_be_looked_up_tells_nothing(database: TestDatabase) {
    let app = of(database, "thunderhead");
    let plain = app.replica_with(|config| config.issuer = "http://auth.example".to_owned());
    for app in [&app, &plain] {
        app.anonymous().get(PLACE).is(INVALID_ENDPOINT);
    }
}

fn it_is_told_whatever_is_shut_or_away_and_not_counted(database: TestDatabase) {
    let app = TestApp::with(database, tight);
    app.switch(KillSwitch::Global, true);
    app.cut(Cut::Everything);
    for _ in 0..7 {
        let answer = app.anonymous().get(PLACE);
        assert_eq!((answer.status, told(&answer)), (200, [None; 4]));
    }
    assert_eq!(app.cut(Cut::Nothing), 0);
}

fn tokens_of_sessions_say_whom_they_are_for_where_the_operator_says_so(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        app.replica_with(|config| config.audience = names.try_into().unwrap())
    };
    let (one, several) = (replica(&["uploads"]), replica(&["uploads", "https://mail.example"]));
    let ada = app.user("ada");
    let service = Service::new(&app);
    let plain: Value = claims(ada.token());
    assert_eq!(plain.get("aud"), None);
    for (replica, aud) in [(&one, json!("uploads")), (&several, json!(["uploads", "https://mail.example"]))] {
        let device = ada.at(replica).log_in("ada");
        let script = device.scoped(&[Scope::All]);
        for client in [&device, &script] {
            assert_eq!(claims(client.token())["aud"], aud);
            // Whom a token is for is the business of who checks its signature.
            assert!([&app, &one, &several].into_iter().all(|server| client.at(server).works()));
            assert_eq!(service.told(client)["active"], true);
        }
    }
    assert!(ada.at(&several).works());
}
