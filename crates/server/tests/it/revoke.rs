//! `POST /revoke`: whoever has a token may end its session (RFC 7009, `docs/API.md`).

use std::sync::Barrier;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thunderhead_domain::audit::{AuditFilter, AuditKind, AuditRecord};
use thunderhead_domain::ports::PageRequest;
use thunderhead_domain::scope::Scope;
use thunderhead_domain::session::Actor;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, block_on, on_both_engines};

use crate::app::{Call, Client, Cut, PASSWORD, Response, TestApp, backup, claims};
use crate::credentials::by_cookie;
use crate::errors::UNAVAILABLE;
use crate::introspect::Service;
use crate::kratos;
use crate::pages::browser::Browser;

on_both_engines!(
    whoever_has_a_token_ends_its_session_and_no_other,
    what_stands_for_no_session_is_a_200_too,
    what_names_no_token_is_400,
    an_end_by_a_finder_is_recorded_once_and_told_as_that,
    of_50_at_the_same_time_one_ends_it_and_all_are_200,
    no_switch_keeps_anybody_from_giving_up_a_token,
    what_a_client_shows_of_itself_makes_no_difference,
    an_outage_is_503_and_the_token_can_be_revoked_afterwards,
);

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn revoke(app: &TestApp, token: &str) -> Response {
    call(app, token).send()
}

fn call(app: &TestApp, token: &str) -> Call {
    app.anonymous().call("POST", "/revoke").body(FORM, format!("token={token}&token_type_hint=access_token"))
}

#[track_caller]
fn done(response: &Response) {
    assert!(response.status == 200 && response.is_empty(), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

fn ends(app: &TestApp) -> Vec<AuditRecord> {
    let filter = AuditFilter { kind: Some(AuditKind::SessionEnded), ..AuditFilter::default() };
    block_on(app.operator().audit_list(filter, PageRequest { limit: 100, offset: 0 })).unwrap().items
}

fn whoever_has_a_token_ends_its_session_and_no_other(database: TestDatabase) {
    let app = TestApp::start(database);
    let (replica, service) = (app.replica(), Service::new(&app));
    let ada = app.user("ada");
    let opaque = kratos::enter(&app, "ada").token;
    let prefixed = format!("ory_st_{}", kratos::enter(&app, "ada").token);
    let others = [ada.log_in("ada"), ada.scoped(&[Scope::All]), ada.with_token(&opaque)];
    for client in &others {
        assert!(client.works() && client.at(&replica).works());
        assert_eq!(service.told(client)["active"], true);
        for _ in 0..2 {
            done(&revoke(&app, client.token()));
            assert!(!client.at(&replica).works() && !client.works());
            assert_eq!(service.told(client), json!({"active": false}));
        }
    }
    done(&revoke(&app, &prefixed));
    assert!(!ada.with_token(prefixed.trim_start_matches("ory_st_")).works());
    assert!(ada.works() && ada.at(&replica).works());
}

fn what_stands_for_no_session_is_a_200_too(database: TestDatabase) {
    let app = TestApp::start(database);
    let expired = app.user("expired");
    app.clock().advance_seconds(86_400);
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (_, enrolled) = bob.enrol_totp(&app);
    let challenge = app.anonymous().login_challenged("bob")["token"].as_str().unwrap().to_owned();
    let last = ada.token().chars().last().unwrap();
    let mut forged = ada.token()[..ada.token().len() - 1].to_owned();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let uuid = claims(ada.token())["jti"].as_str().unwrap().to_owned();
    let long = format!("a.{}.b", "x".repeat(60_000));
    let flow = kratos::begin(&app, "api", "");
    for text in [
        "",
        "garbage",
        "a.b.c",
        &"x".repeat(32),
        &forged,
        &uuid,
        &challenge,
        &flow,
        &enrolled.codes[0],
        expired.token(),
        &long,
        "%ff",
        "%00",
    ] {
        done(&revoke(&app, text));
    }
    assert!(ada.works() && bob.works());
    assert_eq!(ends(&app), []);
    // The challenge was not spent.
    let answered = app.anonymous().answer_login(&backup(&json!({"token": challenge}), &enrolled.codes[0]));
    answered.expect(201);
}

fn what_names_no_token_is_400(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let refused = |call: Call| assert_eq!(call.send().expect(400), json!({"error": "invalid_request"}));
    let asking = || app.anonymous().call("POST", "/revoke");
    refused(asking());
    for body in ["", "tokens=x", "token_type_hint=access_token"] {
        refused(asking().body(FORM, body));
    }
    refused(asking().json(&json!({"token": ada.token()})));
    refused(asking().body(&format!("{FORM}-not"), format!("token={}", ada.token())));
    // It belongs into the body, so that no log has it.
    refused(app.anonymous().call("POST", &format!("/revoke?token={}", ada.token())));
    let large = asking().body(FORM, format!("token={}&x={}", ada.token(), "x".repeat(70_000))).send();
    assert_eq!(large.expect(413)["code"], "BODY_TOO_LARGE_ERROR");
    assert!(ada.works());
}

fn an_end_by_a_finder_is_recorded_once_and_told_as_that(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let leaked = kratos::enter(&app, "ada");
    for _ in 0..2 {
        done(&revoke(&app, &leaked.token));
    }
    let records = ends(&app);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((record.action.by, record.user), (Actor::Stranger, Some(ada.user_id())));
    assert_eq!(record.detail.as_deref(), Some("revoked_by_holder"));
    assert_eq!(record.session.unwrap().to_string(), leaked.id());
    assert_eq!(record.action.client_ip.unwrap().to_string(), "127.0.0.1");
    let shown = root.get(&format!("/auth/admin/sessions/{}", leaked.id())).expect(200);
    let told = ["revoked_reason", "revoked_by"].map(|name| shown[name].as_str().unwrap());
    assert_eq!(told, ["revoked_by_holder", "stranger"]);
    let said = |name: &str, path: &str| Browser::signed_in(&app, name).get(path).text();
    let words = "ended by somebody who had its token";
    let sessions = said("ada", "/account/sessions");
    let (_, ended) = sessions.split_once("Recently ended").unwrap();
    assert!(ended.contains(words) && ended.contains("somebody who was not signed in"), "{ended}");
    let account = said("ada", "/account");
    assert!(account.contains(words), "{account}");
    let trail = said("root", &format!("/staff/audit?user={}", ada.id()));
    let told = trail.contains("by somebody who had its token") && trail.contains("a stranger");
    assert!(told && !trail.contains("revoked_by_holder"), "{trail}");
    // Programs are told the name.
    assert!(said("root", "/staff/audit.csv?kind=session-ended").contains("revoked_by_holder"));
    // Who logs out has done it themselves.
    let own = json!({"session_token": kratos::enter(&app, "ada").token});
    assert_eq!(app.anonymous().delete_with("/auth/self-service/logout/api", &own).status, 204);
    let by_itself = |record: &&AuditRecord| record.detail.as_deref() == Some("revoked");
    assert_eq!(ends(&app).iter().find(by_itself).unwrap().action.by, Actor::User(ada.user_id()));
}

fn of_50_at_the_same_time_one_ends_it_and_all_are_200(database: TestDatabase) {
    let app = TestApp::start(database);
    let (replica, ada) = (app.replica(), app.user("ada"));
    let barrier = Barrier::new(50);
    thread::scope(|scope| {
        for number in 0..50 {
            let (server, barrier, ada) = (if number % 2 == 0 { &app } else { &replica }, &barrier, &ada);
            scope.spawn(move || {
                barrier.wait();
                done(&revoke(server, ada.token()));
                assert!(!ada.at(server).works());
            });
        }
    });
    assert_eq!(ends(&app).len(), 1);
}

fn no_switch_keeps_anybody_from_giving_up_a_token(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("ada");
    for (switch, name) in KillSwitch::TABLE {
        let (one, two) = (app.anonymous().log_in("ada"), app.anonymous().log_in("ada"));
        app.switch(switch, true);
        done(&revoke(&app, one.token()));
        let logout = json!({"session_token": two.token()});
        let logged_out = app.anonymous().delete_with("/auth/self-service/logout/api", &logout);
        assert_eq!(logged_out.status, 204, "{name}");
        app.switch(switch, false);
        assert!(!one.works() && !two.works(), "{name}");
    }
}

fn what_a_client_shows_of_itself_makes_no_difference(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    let basic = format!("Basic {}", STANDARD.encode("nobody:wrong"));
    let victim = || ada.log_in("ada");
    let named = |client: &Client| format!("token={}&client_id=nobody&client_secret=wrong", client.token());
    for authorization in [basic.as_str(), "Bearer x", ada.token(), ""] {
        let victim = victim();
        let call = app.anonymous().call("POST", "/revoke").header("Authorization", authorization);
        done(&call.body(FORM, named(&victim)).send());
        assert!(!victim.works() && ada.works(), "{authorization}");
    }
    // Another site has the browser ask: it needs the token all the same, and the cookie's session stays.
    let victim = victim();
    let call = by_cookie(&ada, &app, "POST", "/revoke").header("Sec-Fetch-Site", "cross-site");
    let answer = call.header("Origin", "https://evil.example").body(FORM, named(&victim)).send();
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None), "{answer:?}");
    assert!(!victim.works() && ada.works());
}

fn an_outage_is_503_and_the_token_can_be_revoked_afterwards(database: TestDatabase) {
    let app = TestApp::start(database);
    let ada = app.user("ada");
    assert!(ada.works());
    for cut in [Cut::Everything, Cut::Operation("session_locate"), Cut::Operation("session_end")] {
        app.cut(cut);
        let response = revoke(&app, ada.token());
        response.is(UNAVAILABLE);
        assert_eq!(response.header("retry-after"), Some("1"));
        app.cut(Cut::Nothing);
        assert!(ada.works());
    }
    done(&revoke(&app, ada.token()));
    assert!(!ada.works());
    let login: Value = json!({"username": "ada", "password": PASSWORD});
    app.anonymous().post("/api/login", &login).expect(201);
}
