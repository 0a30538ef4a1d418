//! `GET /api/users/me/sessions/:sid`.

use serde_json::json;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;
use crate::errors::NO_SUCH_SESSION;

on_both_engines!(
    a_session_is_shown_by_its_id_and_as_me,
    a_scoped_session_shows_its_flags,
    an_unknown_session_is_404,
    another_users_session_is_404,
    an_expired_session_is_404,
);

fn a_session_is_shown_by_its_id_and_as_me(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let mut shown = ada.get("/api/users/me/sessions/me").expect(200);
    assert_eq!(ada.get(&format!("/api/users/me/sessions/{}", ada.session_id())).expect(200), shown);
    let uuid = shown["uuid"].take();
    assert!(uuid.as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{uuid}");
    assert_eq!(
        shown,
        json!({
            "id": 1_768_478_400,
            "uuid": null,
            "name": "Unknown device",
            "permissionFlags": null,
            "exp": 1_768_478_400 + 86_400,
            "usedAt": null,
            "createdAt": "2026-01-15T12:00:00.250Z",
            "updatedAt": "2026-01-15T12:00:00.250Z",
        })
    );
}

fn a_scoped_session_shows_its_flags(database: TestDatabase) {
    let app = TestApp::start(database);
    let scoped = app.user("ada").scoped(&[Scope::SessionRead, Scope::FileRead]);
    assert_eq!(scoped.get("/api/users/me/sessions/me").expect(200)["permissionFlags"], 160);
}

fn an_unknown_session_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let id = ada.session_id();
    let spellings = [
        "1".to_owned(),
        "0".to_owned(),
        "x".to_owned(),
        "Me".to_owned(),
        "-1".to_owned(),
        format!("0{id}"),
        format!("+{id}"),
        format!("{id}.0"),
        format!("%20{id}"),
        (id + 1).to_string(),
        "99999999999999999999".to_owned(),
        "9223372036854775807".to_owned(),
        "%FF".to_owned(),
        "%00".to_owned(),
    ];
    for spelling in spellings {
        ada.get(&format!("/api/users/me/sessions/{spelling}")).is(NO_SUCH_SESSION);
    }
}

fn another_users_session_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.clock().advance_seconds(10);
    let bob = app.user("bob");
    bob.get(&format!("/api/users/me/sessions/{}", ada.session_id())).is(NO_SUCH_SESSION);
}

fn an_expired_session_is_404(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    app.clock().advance_seconds(86_000);
    let later = ada.log_in("ada");
    app.clock().advance_seconds(400);
    later.get(&format!("/api/users/me/sessions/{}", ada.session_id())).is(NO_SUCH_SESSION);
    assert_eq!(later.get("/api/users/me/sessions").expect(200)["count"], 1);
}
