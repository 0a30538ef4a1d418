//! Signing keys change while servers run: nobody is logged out, and every replica takes every token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use thunderhead::config::KeySource;
use thunderhead_auth::operator::OperatorError;
use thunderhead_auth::tokens::keys::{EncryptionKeys, SigningKeyError};
use thunderhead_domain::audit::{AuditFilter, AuditKind};
use thunderhead_domain::ports::{Clock, PageRequest};
use thunderhead_domain::time::Timestamp;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Client, TestApp};
use crate::errors::{NOT_AUTHENTICATED, UNAVAILABLE};

on_both_engines!(
    a_rotation_logs_nobody_out,
    servers_publish_both_keys_once_they_have_looked,
    a_new_key_signs_after_its_lead_alone,
    a_replica_that_has_not_looked_takes_tokens_of_a_new_key,
    unknown_keys_are_looked_for_once_a_second_alone,
    an_old_key_goes_once_its_sessions_are_over,
    the_encryption_key_is_changed_while_servers_run,
    nothing_is_sealed_anew_where_something_cannot_be_opened,
    a_key_that_a_server_cannot_read_stops_no_other_and_its_tokens_are_503,
);

/// Milliseconds between a key's making and its first signature.
const LEAD: i64 = 60_000;

fn kid(client: &Client) -> String {
    let header = URL_SAFE_NO_PAD.decode(client.token().split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn published(app: &TestApp) -> Vec<String> {
    let keys = app.anonymous().get("/.well-known/jwks.json").expect(200);
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Makes a new key, later than the first one; returns all ids, newest first.
fn rotate(app: &TestApp) -> Vec<String> {
    app.clock().advance_millis(1);
    let keys = block_on(app.operator().key_rotate(app.encryption_keys())).unwrap();
    keys.into_iter().map(|key| key.kid).collect()
}

/// Deletes keys that a newer one took over from before a moment, if nothing needs them; returns how many.
fn prune(app: &TestApp, retired_before: Timestamp) -> u64 {
    block_on(app.storage().prune_signing_keys(retired_before, app.clock().now())).unwrap()
}

fn a_rotation_logs_nobody_out(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    rotate(&app);
    assert!(ada.works() && ada.at(&replica).works());
    for server in [&app, &replica] {
        server.refresh_keys();
    }
    app.clock().advance_millis(LEAD);
    assert!(ada.works() && ada.at(&replica).works());
    let later = app.restart();
    assert!(ada.at(&later).works());
}

fn servers_publish_both_keys_once_they_have_looked(database: TestDatabase) {
    let app = TestApp::start(database);
    let before = published(&app);
    let keys = rotate(&app);
    assert_eq!((before.len(), keys.len()), (1, 2));
    assert_eq!(published(&app), before);
    app.refresh_keys();
    assert_eq!(published(&app), keys);
    assert_eq!(published(&app.replica()), keys, "a server that starts knows all keys");
}

fn a_new_key_signs_after_its_lead_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let old = kid(&ada);
    let keys = rotate(&app);
    app.refresh_keys();
    assert_eq!(kid(&ada.log_in("ada")), old);
    app.clock().advance_millis(LEAD - 1);
    assert_eq!(kid(&ada.log_in("ada")), old);
    app.clock().advance_millis(1);
    let new = ada.log_in("ada");
    assert_eq!(kid(&new), keys[0]);
    assert!(keys[0] != old && new.works() && ada.works());
}

fn a_replica_that_has_not_looked_takes_tokens_of_a_new_key(database: TestDatabase) {
    let app = TestApp::start(database);
    let replica = app.replica();
    let ada = app.user("ada");
    let keys = rotate(&app);
    app.refresh_keys();
    app.clock().advance_millis(LEAD);
    let new = ada.log_in("ada");
    assert_eq!(kid(&new), keys[0]);
    assert_eq!(published(&replica).len(), 1, "the replica has not looked");
    assert!(new.at(&replica).works());
    assert_eq!(published(&replica), keys);
}

fn unknown_keys_are_looked_for_once_a_second_alone(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let forged = |name: &str| {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{name}"}}"#));
        ada.with_token(&format!("{header}.{}", ada.token().split_once('.').unwrap().1))
    };
    forged("a").get("/api/users/me").is(NOT_AUTHENTICATED);
    let keys = rotate(&app);
    for name in ["a", "b", "c"] {
        forged(name).get("/api/users/me").is(NOT_AUTHENTICATED);
    }
    assert_eq!(published(&app).len(), 1, "the second was not over");
    app.clock().advance_millis(1_000);
    forged("a").get("/api/users/me").is(NOT_AUTHENTICATED);
    assert_eq!(published(&app), keys);
}

fn an_old_key_goes_once_its_sessions_are_over(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let keys = rotate(&app);
    app.refresh_keys();
    app.clock().advance_millis(LEAD);
    assert_eq!(prune(&app, app.clock().now()), 0, "the new key signs from now on");
    app.clock().advance_millis(1);
    let retired = app.clock().now();
    let new = ada.log_in("ada");
    assert_eq!(kid(&new), keys[0]);
    assert_eq!(prune(&app, retired), 0, "a session lives that the old key signed");
    assert!(ada.works());
    ada.delete("/api/users/me/sessions/me").expect(200);
    assert_eq!(prune(&app, retired), 1);
    app.refresh_keys();
    assert_eq!(published(&app), keys[..1]);
    assert!(new.works());
    ada.get("/api/users/me").is(NOT_AUTHENTICATED);
}

/// A key of an operator's own making, and one that the server has as well.
fn with_new_key(app: &TestApp) -> [EncryptionKeys; 2] {
    let new = "5e".repeat(32);
    let former = app.encryption_keys().primary().to_text();
    [new.clone(), format!("{new}\n{former}\n")].map(|text| EncryptionKeys::parse(&text).unwrap())
}

fn the_encryption_key_is_changed_while_servers_run(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let [new, both] = with_new_key(&app);
    let between = app.replica_with(|config| config.encryption_key = KeySource::Given(both.clone()));
    assert!(ada.at(&between).works());
    let keys = rotate(&app);
    between.refresh_keys();
    let reseal = |keys: &EncryptionKeys| block_on(app.operator().key_reseal(keys)).unwrap();
    assert_eq!(reseal(app.encryption_keys()), 0, "all is under the only key there is");
    assert_eq!((reseal(&both), reseal(&both), reseal(&new)), (2, 0, 0));
    assert!(ada.works() && ada.log_in("ada").works(), "a server goes on with the keys that it has read");
    let later = app.replica_with(|config| config.encryption_key = KeySource::Given(new));
    for server in [&between, &later] {
        server.refresh_keys();
        assert!(ada.at(server).works());
        assert_eq!(published(server), keys);
    }
    let records = block_on(app.operator().audit_list(
        AuditFilter { kind: Some(AuditKind::SecretsResealed), ..AuditFilter::default() },
        PageRequest { limit: 10, offset: 0 },
    ));
    let records = records.unwrap();
    assert_eq!((records.count, records.items[0].detail.as_deref()), (1, Some("2")));
}

fn a_key_that_a_server_cannot_read_stops_no_other_and_its_tokens_are_503(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let old = published(&app);
    let [_, both] = with_new_key(&app);
    app.clock().advance_millis(1);
    let made = block_on(app.operator().key_rotate(&both)).unwrap().remove(0).kid;
    let other = app.replica_with(|config| config.encryption_key = KeySource::Given(both));
    app.clock().advance_millis(LEAD);
    let theirs = app.anonymous().at(&other).log_in("ada");
    assert_eq!(kid(&theirs), made);
    for server in [&app, &app.replica()] {
        server.refresh_keys();
        assert_eq!(published(server), old);
        assert!(ada.at(server).works() && app.anonymous().at(server).log_in("ada").works());
        theirs.at(server).get("/api/users/me").is(UNAVAILABLE);
        assert_eq!(theirs.at(server).get("/auth/sessions/whoami").status, 503);
        assert_eq!(theirs.at(server).get("/forward-auth").status, 503);
    }
    assert!(theirs.works() && ada.at(&other).works());
}

fn nothing_is_sealed_anew_where_something_cannot_be_opened(database: TestDatabase) {
    let app = TestApp::start(database);
    let [new, both] = with_new_key(&app);
    let first = published(&app).remove(0);
    app.clock().advance_millis(1);
    let second = block_on(app.operator().key_rotate(&both)).unwrap().remove(0).kid;
    let before = block_on(app.storage().signing_keys()).unwrap();
    for (keys, locked) in [(&new, &first), (app.encryption_keys(), &second)] {
        let refused = block_on(app.operator().key_reseal(keys)).unwrap_err();
        let OperatorError::Key(SigningKeyError::Sealed { what }) = refused else { panic!("{refused}") };
        assert_eq!(what, format!("signing-key:{locked}"));
    }
    assert_eq!(block_on(app.storage().signing_keys()).unwrap(), before);
}
