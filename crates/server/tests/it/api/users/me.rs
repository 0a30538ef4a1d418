//! `/api/users/me`.

mod account;
mod delete;
mod email;
mod factors;
mod passkey_proof;
mod password;
mod sessions;
mod username;

use serde_json::json;
use thunderhead_domain::scope::Scope;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use crate::app::TestApp;

on_both_engines!(a_user_sees_themselves_without_their_secrets);

fn a_user_sees_themselves_without_their_secrets(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("Ada");
    let mut shown = ada.get("/api/users/me").expect(200);
    let uuid = shown["uuid"].take();
    assert!(uuid.as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{uuid}");
    assert_eq!(
        shown,
        json!({
            "id": "1768478400250",
            "uuid": null,
            "username": "Ada",
            "email": "Ada@example.org",
            "staff": false,
            "hasPassword": true,
            "verifiedAt": null,
            "bannedAt": null,
            "createdAt": "2026-01-15T12:00:00.250Z",
            "updatedAt": "2026-01-15T12:00:00.250Z",
        })
    );
    let scoped = ada.scoped(&[Scope::AccountRead]);
    assert_eq!(scoped.get("/api/users/me").expect(200)["uuid"], uuid);
}
