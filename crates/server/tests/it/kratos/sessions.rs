//! One's own sessions.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thunderhead_domain::ports::AccountName;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::{SessionKey, TokenDigest};
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::{Device, PRIVATE, enter, error};
use crate::app::TestApp;

on_both_engines!(
    whoami_tells_the_session_and_its_user,
    the_others_end_and_the_one_in_use_stays,
    a_list_shows_the_others_and_no_address,
    ending_one_is_idempotent_and_never_the_one_in_use,
    scoped_sessions_need_their_scopes,
    a_scoped_session_is_shown_no_more_of_users_than_its_scopes_cover,
    the_token_is_stored_as_a_hash_alone,
    the_token_is_found_whatever_it_comes_in_and_a_bad_one_is_not_rescued,
    a_banned_user_is_nobody,
    logout_by_token_is_idempotent,
);

fn whoami_tells_the_session_and_its_user(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let device = enter(&app, "ada");
    let call = device.call("GET", "/auth/sessions/whoami").header("Host", "127.0.0.1:8000");
    let response = call.send();
    let body = response.expect(200);
    assert_eq!(response.header("cache-control"), Some(PRIVATE));
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(response.header("x-kratos-authenticated-identity-id"), body["identity"]["id"].as_str());
    let user = block_on(app.storage().account_find(AccountName::Username("ada".to_owned().try_into().unwrap())));
    let user = user.unwrap().unwrap();
    let at = user.created_at.to_string();
    let expires_at = user.created_at.plus_seconds(86_400).unix_seconds();
    let expires_at = thunderhead_domain::time::Timestamp::from_unix_seconds(expires_at).to_string();
    let expected = json!({
        "id": device.id(),
        "active": true,
        "expires_at": expires_at,
        "authenticated_at": at,
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [{"method": "password", "aal": "aal1", "completed_at": at}],
        "issued_at": at,
        "identity": {
            "id": user.uuid.to_string(),
            "schema_id": "default",
            "schema_url": "http://127.0.0.1:8000/openapi.json#/components/schemas/KratosTraits",
            "state": "active",
            "traits": {"username": "ada", "email": "ada@example.org"},
            "metadata_public": null,
            "created_at": at,
            "updated_at": at,
        },
        "devices": [{"id": device.id(), "ip_address": "127.0.0.1", "user_agent": null, "location": null}],
        "name": "Unknown device",
        "last_used_at": null,
        "current": true,
    });
    let mut found = body;
    // An empty User-Agent is sent as one by some engines of HTTP, and not at all by others.
    if found["devices"][0]["user_agent"] == "" {
        found["devices"][0]["user_agent"] = Value::Null;
    }
    assert_eq!(found, expected);
    assert_eq!(device.call("HEAD", "/auth/sessions/whoami").send().status, 200);
}

fn the_others_end_and_the_one_in_use_stays(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let bob = app.user("bob");
    let (one, other) = (enter(&app, "ada"), enter(&app, "ada"));
    assert_eq!(one.delete("/auth/sessions").expect(200), json!({"count": 2}));
    assert!(one.works() && !other.works() && !ada.works() && bob.works());
    assert_eq!(one.delete("/auth/sessions").expect(200), json!({"count": 0}));
    // The rows are kept.
    let uuid = thunderhead_domain::id::SessionUuid(other.id().parse().unwrap());
    assert!(block_on(app.storage().session_find_any(uuid)).unwrap().is_some());
}

fn a_list_shows_the_others_and_no_address(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada").delete("/api/users/me/sessions/me").expect(200);
    let device = enter(&app, "ada");
    let empty = device.get("/auth/sessions");
    assert_eq!((empty.text().as_str(), empty.header("x-total-count")), ("[]", Some("0")));
    let others: Vec<Device<'_>> = (0..3).map(|_| enter(&app, "ada")).collect();
    let listed = device.get("/auth/sessions");
    assert_eq!((listed.header("x-total-count"), listed.header("cache-control")), (Some("3"), Some(PRIVATE)));
    let listed = listed.expect(200);
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, others.iter().rev().map(Device::id).collect::<Vec<_>>());
    assert!(listed.as_array().unwrap().iter().all(|session| session["current"] == false));
    assert_eq!(listed[0]["identity"]["traits"], json!({"username": "ada"}));
    assert!(listed[0].get("revoked_at").is_none());
}

fn ending_one_is_idempotent_and_never_the_one_in_use(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    app.user("bob");
    let (one, other, bobs) = (enter(&app, "ada"), enter(&app, "ada"), enter(&app, "bob"));
    let end = |id: &str| one.delete(&format!("/auth/sessions/{id}"));
    for _ in 0..2 {
        let response = end(other.id());
        assert!(response.status == 204 && response.is_empty(), "{response:?}");
    }
    assert!(!other.works());
    assert_eq!((end(bobs.id()).status, bobs.works()), (204, true));
    assert_eq!(end("0191f2a4-8b1c-4def-8000-00000000002a").status, 204);
    let own = error(&end(one.id()), 400);
    assert_eq!(own["message"], "cannot revoke current session");
    assert!(own.get("reason").is_none() && own.get("id").is_none() && one.works());
    for bad in ["me", "1", &one.id().replace('-', ""), &format!("%7B{}%7D", one.id())] {
        assert_eq!(error(&end(bad), 400)["message"], "id must be a UUID", "{bad}");
    }
}

fn scoped_sessions_need_their_scopes(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let with = |scopes: &[Scope]| {
        let token = ada.scoped(scopes).token().to_owned();
        Device { app: &app, token, session: Value::Null }
    };
    let (reader, modifier, other) =
        (with(&[Scope::SessionRead]), with(&[Scope::SessionModify]), with(&[Scope::AccountRead]));
    for scoped in [&reader, &modifier, &other] {
        scoped.whoami().expect(200);
        for flow in ["api", "browser", "api?refresh=true", "api?aal=aal2"] {
            error(&scoped.get(&format!("/auth/self-service/login/{flow}")), 403);
        }
        let flow = super::begin(&app, "api", "?refresh=true");
        error(&super::show(scoped, &flow, &super::password("ada")), 403);
    }
    reader.get("/auth/sessions").expect(200);
    error(&modifier.get("/auth/sessions"), 403);
    let nobodys = "/auth/sessions/0191f2a4-8b1c-4def-8000-00000000002a";
    assert_eq!(error(&reader.delete(nobodys), 403)["reason"], "The session's scopes do not cover it.");
    error(&reader.delete("/auth/sessions"), 403);
    error(&other.delete("/auth/sessions"), 403);
    assert_eq!(modifier.delete(nobodys).status, 204);
    modifier.delete("/auth/sessions").expect(200);
}

fn a_scoped_session_is_shown_no_more_of_users_than_its_scopes_cover(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let hers = ada.get("/auth/sessions/whoami").expect(200);
    let (id, identity) = (hers["id"].as_str().unwrap(), hers["identity"]["id"].as_str().unwrap());
    let all = json!({"username": "ada", "email": "ada@example.org"});
    let in_list = json!({"username": "ada"});
    let nothing = json!({});
    for (scopes, own, listed) in [
        (&[Scope::UploadFile][..], &nothing, None),
        (&[Scope::SessionRead], &nothing, Some(&nothing)),
        (&[Scope::AccountRead], &all, None),
        (&[Scope::SessionRead, Scope::AccountRead], &all, Some(&in_list)),
        (&[Scope::All], &all, Some(&in_list)),
    ] {
        let script = ada.scoped(scopes);
        let shown = script.get("/auth/sessions/whoami").expect(200);
        assert_eq!((&shown["identity"]["traits"], &shown["identity"]["id"]), (own, &json!(identity)), "{scopes:?}");
        if let Some(listed) = listed {
            assert_eq!(&script.get("/auth/sessions").expect(200)[0]["identity"]["traits"], listed, "{scopes:?}");
        }
    }
    let one = format!("/auth/admin/sessions/{id}?expand=identity");
    let every = "/auth/admin/sessions?expand=identity&page_size=1000".to_owned();
    let of_identity = format!("/auth/admin/identities/{identity}/sessions");
    for (scopes, shown, listed) in [
        (&[Scope::StaffReadSessions][..], &nothing, &nothing),
        (&[Scope::StaffReadSessions, Scope::StaffReadAccounts], &all, &in_list),
        (&[Scope::All], &all, &in_list),
    ] {
        let script = root.scoped(scopes);
        assert_eq!(&script.get(&one).expect(200)["identity"]["traits"], shown, "{scopes:?}");
        assert_eq!(&script.get(&of_identity).expect(200)[0]["identity"]["traits"], listed, "{scopes:?}");
        let found = script.get(&every).expect(200);
        let hers = found.as_array().unwrap().iter().find(|session| session["id"] == id).unwrap();
        assert_eq!(&hers["identity"]["traits"], listed, "{scopes:?}");
    }
    let changer = root.scoped(&[Scope::StaffModifySessions]);
    let extended = changer.call("PATCH", &format!("/auth/admin/sessions/{id}/extend")).send().expect(200);
    assert_eq!((&extended["identity"]["traits"], extended.get("devices")), (&nothing, None));
}

fn the_token_is_stored_as_a_hash_alone(database: TestDatabase) {
    let settings = database.settings();
    let app = TestApp::start(database);
    app.user("ada");
    let device = enter(&app, "ada");
    assert!(device.token.len() == 32 && device.token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(device.token, enter(&app, "ada").token);
    let digest = TokenDigest(Sha256::digest(&device.token).into());
    let found = block_on(app.storage().session_authority(Some(SessionKey::Opaque(digest)))).unwrap();
    assert_eq!(found.authenticated.unwrap().session.uuid.to_string(), device.id());
    // Nothing that lies in the file of an engine that has one holds the token.
    if let Some(folder) = settings.url.sqlite_path().and_then(|path| path.parent().map(std::path::Path::to_owned)) {
        let mut found = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
            found += usize::from(bytes.windows(32).any(|window| window == digest.0));
            assert!(!bytes.windows(32).any(|window| window == device.token.as_bytes()));
        }
        assert!(found > 0, "the digest is somewhere");
    }
}

fn the_token_is_found_whatever_it_comes_in_and_a_bad_one_is_not_rescued(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let device = enter(&app, "ada");
    let whoami = || app.anonymous().call("GET", "/auth/sessions/whoami");
    let cookie = |token: &str| format!("__Host-thunderhead_session={token}");
    whoami().header("Cookie", &cookie(&device.token)).send().expect(200);
    whoami().header("Authorization", &format!("Bearer {}", device.token)).send().expect(200);
    whoami().header("X-Session-Token", &format!("ory_st_{}", device.token)).send().expect(200);
    for bad in ["", "garbage", "a b", &"x".repeat(39), &"x".repeat(3_000)] {
        let response = whoami().header("X-Session-Token", bad).header("Cookie", &cookie(&device.token));
        let response = response.header("Authorization", &format!("Bearer {}", device.token)).send();
        assert_eq!(error(&response, 401)["id"], "session_inactive", "{bad}");
    }
    let bad_cookie = whoami().header("Cookie", &cookie("garbage")).header("Authorization", &device.token);
    error(&bad_cookie.send(), 401);
    error(&device.call("GET", "/auth/sessions/whoami").header("X-Session-Token", &device.token).send(), 401);
    error(&whoami().send(), 401);
}

fn a_banned_user_is_nobody(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    let device = enter(&app, "ada");
    app.ban("ada");
    assert_eq!(error(&device.whoami(), 401)["id"], "session_inactive");
    error(&device.delete("/auth/sessions"), 401);
}

fn logout_by_token_is_idempotent(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let device = enter(&app, "ada");
    let log_out =
        |token: &str| app.anonymous().delete_with("/auth/self-service/logout/api", &json!({"session_token": token}));
    for _ in 0..2 {
        let response = log_out(&device.token);
        assert!(response.status == 204 && response.is_empty(), "{response:?}");
        assert!(!device.works());
    }
    assert_eq!((log_out(ada.token()).status, ada.works()), (204, false));
    for unknown in ["", "garbage", &"x".repeat(32)] {
        assert_eq!(error(&log_out(unknown), 403)["reason"], "The token stands for no session.");
    }
    let missing = app.anonymous().delete_with("/auth/self-service/logout/api", &json!({}));
    assert_eq!(error(&missing, 400)["message"], "session_token must be a text");
}
