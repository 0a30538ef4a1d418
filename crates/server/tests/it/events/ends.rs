//! Every way to end sessions, in each dialect, on the pages, by staff and on the command line: each session that it ends is
//! told of by exactly one event.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thunderhead_domain::ports::{Clock as _, PageStart, SessionFilter};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::SessionStatus;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use super::Reader;
use crate::app::{Client, PASSWORD, TestApp, claims};
use crate::kratos;
use crate::pages::browser::{Browser, hidden};
use crate::revoke::revoke;

on_both_engines!(
    in_the_current_dialect_each_ended_session_is_told_of_once,
    in_the_other_dialects_each_ended_session_is_told_of_once,
    on_the_pages_each_ended_session_is_told_of_once,
    what_staff_end_is_told_of_once,
    what_the_operator_ends_is_told_of_once,
    confirming_and_stepping_up_end_nothing_and_are_told,
);

const NEW: &str = "amber quarry lantern 9";

/// What the sessions of this moment are: by uuid, with their users' ids.
fn live(app: &TestApp) -> BTreeMap<String, String> {
    let now = app.clock().now();
    let all = block_on(app.storage().session_list(SessionFilter::default(), PageStart::Skip(0), 1_000, now)).unwrap();
    let usable = all
        .into_iter()
        .filter(|found| matches!(found.session.status(now), SessionStatus::Live | SessionStatus::SecondFactorPending));
    usable.map(|found| (found.session.uuid.to_string(), found.user.id.to_string())).collect()
}

fn tells_of(item: &Value, session: &str, user: &str) -> bool {
    let data = &item["data"];
    match item["type"].as_str().unwrap() {
        "session.ended" => data["session_uuid"] == session,
        "sessions.ended" => {
            (data["user_id"].is_null() || data["user_id"] == user) && data["kept_session_uuid"] != session
        }
        "user.deleted" => data["user_id"] == user,
        _ => false,
    }
}

/// Does something that ends so many sessions, and has each told of once, with this reason and by whom.
#[track_caller]
fn ends(app: &TestApp, reader: &Reader, many: usize, told: (Option<&str>, &str), act: impl FnOnce()) {
    let (place, before) = (reader.now(app), live(app));
    act();
    let (items, after) = (reader.since(app, &place), live(app));
    let ended: Vec<_> = before.iter().filter(|(session, _)| !after.contains_key(*session)).collect();
    assert_eq!(ended.len(), many, "{items:?}");
    for (session, user) in ended {
        let telling: Vec<_> = items.iter().filter(|item| tells_of(item, session, user)).collect();
        assert_eq!(telling.len(), 1, "{items:?}");
        let data = &telling[0]["data"];
        assert_eq!((data["reason"].as_str(), data["by"].as_str().unwrap()), told);
    }
    for (session, user) in &after {
        assert!(items.iter().all(|item| !tells_of(item, session, user)), "{items:?}");
    }
    let ends = items.iter().filter(|item| item["type"] == "session.ended").count();
    assert!(ends == many || ends == 0, "{items:?}");
}

fn uuid(client: &Client) -> String {
    claims(client.token())["jti"].as_str().unwrap().to_owned()
}

fn in_the_current_dialect_each_ended_session_is_told_of_once(database: TestDatabase) {
    let app = TestApp::with(database, |config| config.policy.sessions.users.max_sessions = 4);
    let reader = Reader::plain(&app);
    let own = (Some("revoked"), "self");
    let ada = app.user("ada");
    let three = || [(); 3].map(|()| ada.log_in("ada"));
    let [one, two, third] = three();
    ends(&app, &reader, 1, own, || drop(one.delete("/api/users/me/sessions/me").expect(200)));
    ends(&app, &reader, 1, own, || {
        drop(ada.delete(&format!("/api/users/me/sessions/{}", two.session_id())).expect(200));
    });
    ends(&app, &reader, 0, own, || drop(ada.delete(&format!("/api/users/me/sessions/{}", two.session_id()))));
    let [one, two] = [(); 2].map(|()| ada.log_in("ada"));
    ends(&app, &reader, 2, own, || {
        let ids = json!({"ids": [one.session_id().to_string(), two.session_id().to_string(), "1"]});
        drop(ada.delete_with("/api/users/me/sessions", &ids).expect(200));
    });
    ends(&app, &reader, 1, own, || drop(ada.delete("/api/users/me/sessions/all").expect(200)));
    assert!(ada.works() && !third.works());
    let found = ada.log_in("ada");
    ends(&app, &reader, 1, (Some("revoked_by_holder"), "self"), || drop(revoke(&app, found.token())));
    three();
    // One beyond the cap.
    ends(&app, &reader, 1, (Some("cap"), "system"), || drop(ada.log_in("ada")));
    let ada = app.anonymous().log_in("ada");
    let password = json!({"newPassword": NEW, "confirmNewPassword": NEW, "password": PASSWORD});
    ends(&app, &reader, 3, (Some("password_changed"), "self"), || {
        drop(ada.put("/api/users/me/password", &password).expect(200));
    });
    let scoped = json!({"name": "script", "permissionFlags": Scope::AccountRead.bit(), "password": NEW});
    assert_eq!(ada.post("/api/users/me/sessions", &scoped).status, 201);
    ends(&app, &reader, 2, own, || drop(ada.delete("/api/users/me/sessions/all?include-self=true").expect(200)));
    let bob = app.user("bob");
    bob.log_in("bob");
    ends(&app, &reader, 2, (None, "self"), || {
        drop(bob.delete_with("/api/users/me", &json!({"password": PASSWORD})).expect(200));
    });
}

fn in_the_other_dialects_each_ended_session_is_told_of_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let own = (Some("revoked"), "self");
    let ada = app.user("ada");
    let [one, two, third] = [(); 3].map(|()| ada.log_in("ada"));
    ends(&app, &reader, 1, own, || drop(ada.delete(&format!("/api/user/session/{}", one.session_id())).expect(200)));
    ends(&app, &reader, 1, own, || {
        drop(ada.delete_with("/api/user/sessions", &json!({"sessions": [two.session_id()]})).expect(200));
    });
    ends(&app, &reader, 1, own, || drop(ada.delete("/api/user/sessions/all?allButSelf=true").expect(200)));
    assert!(!third.works());
    ends(&app, &reader, 1, own, || drop(ada.delete("/api/user/sessions/all").expect(200)));

    let device = kratos::enter(&app, "ada");
    let [one, two, _] = [(); 3].map(|()| kratos::enter(&app, "ada"));
    let by_device = app.anonymous().with_token(&device.token);
    ends(&app, &reader, 1, own, || assert!(by_device.delete(&format!("/auth/sessions/{}", one.id())).status < 500));
    ends(&app, &reader, 2, own, || drop(by_device.delete("/auth/sessions").expect(200)));
    assert!(!two.works());
    let token = json!({"session_token": device.token});
    ends(&app, &reader, 1, own, || {
        assert_eq!(app.anonymous().delete_with("/auth/self-service/logout/api", &token).status, 204);
    });
}

fn on_the_pages_each_ended_session_is_told_of_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let own = (Some("revoked"), "self");
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    ends(&app, &reader, 1, own, || {
        drop(browser.post("/account/sessions/end", &[("id", &ada.session_id().to_string())]));
    });
    ada.log_in("ada");
    ends(&app, &reader, 1, own, || drop(browser.post("/account/sessions/end-others", &[])));
    let own_id = hidden(&browser.get("/account/sessions").text(), "id");
    ends(&app, &reader, 1, own, || drop(browser.post("/account/sessions/end", &[("id", &own_id)])));
    let mut browser = Browser::signed_in(&app, "ada");
    ends(&app, &reader, 1, own, || drop(browser.post("/logout", &[])));
    let mut browser = Browser::signed_in(&app, "ada");
    ada.log_in("ada");
    ends(&app, &reader, 2, own, || drop(browser.post("/account/sessions/end-all", &[])));
    // A link, by which nobody is signed in.
    ada.log_in("ada");
    let (_, link) = block_on(app.operator().link_create("ada")).unwrap();
    let path = link.path();
    let mut stranger = Browser::new(&app);
    ends(&app, &reader, 1, (Some("password_changed"), "self"), || {
        let set = stranger.post(&path, &[("new-password", NEW), ("confirm-password", NEW)]);
        assert_eq!(set.status, 303, "{set:?}");
    });
}

fn what_staff_end_is_told_of_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let by_staff = (Some("revoked_by_staff"), "staff");
    let root = app.staff("root");
    let ada = app.user("ada");
    let user = format!("/api/users/{}", ada.id());
    let legacy = format!("/api/user/{}", ada.id());
    let another = || ada.log_in("ada");
    let (one, two) = (another(), another());
    ends(&app, &reader, 1, by_staff, || {
        drop(root.delete(&format!("{user}/sessions/{}", one.session_id())).expect(200));
    });
    ends(&app, &reader, 1, by_staff, || {
        let ids = json!({"ids": [two.session_id().to_string()]});
        drop(root.delete_with(&format!("{user}/sessions"), &ids).expect(200));
    });
    another();
    ends(&app, &reader, 2, by_staff, || drop(root.delete(&format!("{user}/sessions/all")).expect(200)));
    let one = another();
    ends(&app, &reader, 1, by_staff, || {
        assert!(root.delete(&format!("{legacy}/session/{}", one.session_id())).status < 500);
    });
    another();
    ends(&app, &reader, 1, by_staff, || drop(root.delete(&format!("{legacy}/sessions/all")).expect(200)));
    let (one, two) = (another(), another());
    ends(&app, &reader, 1, by_staff, || {
        assert!(root.delete(&format!("/auth/admin/sessions/{}", uuid(&one))).status < 500)
    });
    ends(&app, &reader, 1, by_staff, || {
        let body = json!({"action": "disable", "sessions": [uuid(&two)]});
        assert_eq!(root.post("/auth/admin/sessions", &body).status, 200);
    });
    another();
    let identity = root.get("/auth/admin/sessions?expand=identity").expect(200);
    let of_ada = identity.as_array().unwrap().iter().find(|found| found["identity"]["traits"]["username"] == "ada");
    let identity = of_ada.unwrap()["identity"]["id"].as_str().unwrap().to_owned();
    ends(&app, &reader, 1, by_staff, || {
        assert!(root.delete(&format!("/auth/admin/identities/{identity}/sessions")).status < 500);
    });
    let proof = json!({"password": PASSWORD});
    another();
    ends(&app, &reader, 1, (Some("banned"), "staff"), || drop(root.put(&format!("{user}/ban"), &proof).expect(200)));
    ends(&app, &reader, 0, (Some("banned"), "staff"), || {
        assert!(root.put(&format!("{user}/ban"), &proof).status < 500)
    });
    root.delete_with(&format!("{user}/ban"), &proof).expect(200);
    another();
    let password = json!({"newPassword": NEW, "confirmNewPassword": NEW, "password": PASSWORD});
    ends(&app, &reader, 1, (Some("password_changed"), "staff"), || {
        drop(root.put(&format!("{user}/password"), &password).expect(200));
    });
    let bob = app.user("bob");
    bob.enrol_totp(&app);
    ends(&app, &reader, 1, (Some("staff_changed"), "staff"), || {
        drop(root.put(&format!("/api/users/{}/staff", bob.id()), &proof).expect(200));
    });
    let eve = app.user("eve");
    ends(&app, &reader, 1, (None, "staff"), || {
        drop(root.delete_with(&format!("/api/users/{}", eve.id()), &proof).expect(200));
    });
}

fn what_the_operator_ends_is_told_of_once(database: TestDatabase) {
    let app = TestApp::start(database);
    let (reader, operator) = (Reader::plain(&app), app.operator());
    let by_operator = (Some("operator"), "operator");
    let ada = app.user("ada");
    let one = ada.log_in("ada");
    ends(&app, &reader, 1, by_operator, || {
        let session = uuid(&one).parse().map(thunderhead_domain::id::SessionUuid).unwrap();
        assert!(block_on(operator.session_end(session)).unwrap());
    });
    ends(&app, &reader, 1, by_operator, || assert_eq!(block_on(operator.session_end_all("ada")).unwrap(), 1));
    app.user("eve");
    ada.log_in("ada");
    ends(&app, &reader, 2, by_operator, || assert_eq!(block_on(operator.session_end_everywhere(None)).unwrap(), 2));
    ada.log_in("ada");
    ends(&app, &reader, 1, (Some("banned"), "operator"), || app.ban("ada"));
    ada.log_in("eve");
    ends(&app, &reader, 1, (Some("staff_changed"), "operator"), || {
        drop(block_on(operator.account_promote("eve")).unwrap())
    });
    ada.log_in("eve");
    ends(&app, &reader, 0, (Some("staff_changed"), "operator"), || {
        drop(block_on(operator.account_demote("eve")).unwrap())
    });
    ends(&app, &reader, 1, (None, "operator"), || drop(block_on(operator.account_delete("eve")).unwrap()));
}

fn confirming_and_stepping_up_end_nothing_and_are_told(database: TestDatabase) {
    let app = TestApp::start(database);
    let reader = Reader::plain(&app);
    let ada = app.user("ada");
    let mut browser = Browser::signed_in(&app, "ada");
    let told = |place: &str| -> Vec<String> {
        reader.since(&app, place).iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect()
    };
    let place = reader.now(&app);
    ends(&app, &reader, 0, (None, ""), || {
        assert_eq!(browser.post("/account/confirm?rd=%2Faccount", &[("password", PASSWORD)]).status, 303);
    });
    // The token is another one since.
    assert_eq!(told(&place), ["session.stepped_up"]);
    let place = reader.now(&app);
    ends(&app, &reader, 0, (None, ""), || drop(ada.enrol_totp(&app)));
    assert_eq!(told(&place), ["factor.added", "session.stepped_up"]);
}
