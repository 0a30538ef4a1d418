//! The endpoints as the table of the specification lists them, with a request for each that succeeds.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;
use thunderhead_testkit::{TestDatabase, on_both_engines};

use super::{Device, begin, enter, error, password};
use crate::app::{Call, Client, TestApp};

on_both_engines!(
    the_rows_are_those_of_the_document,
    the_structures_are_those_of_the_document,
    every_endpoint_lets_in_who_may_come_in,
    every_endpoint_refuses_who_may_not,
    every_endpoint_requires_exactly_its_scope,
    every_switch_shuts_exactly_its_endpoints_and_staff_pass,
);

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Public,
    User,
    Staff,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    /// What a scoped session needs, where it needs anything.
    scope: Option<Scope>,
    /// `None`: not even GLOBAL shuts it.
    switches: Option<&'static [KillSwitch]>,
    pub(crate) success: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    who: Who,
    scope: Option<Scope>,
    switches: Option<&'static [KillSwitch]>,
    success: u16,
) -> Row {
    Row { method, path, who, scope, switches, success }
}

/// `docs/API-KRATOS.md`.
pub(crate) const ROWS: [Row; 17] = {
    use KillSwitch::{AccountLogin, AccountModify};
    use Scope::{SessionModify, SessionRead, StaffModifySessions, StaffReadSessions};
    use Who::{Public, Staff, User};
    const MODIFY: Option<&[KillSwitch]> = Some(&[AccountModify]);
    const GLOBAL: Option<&[KillSwitch]> = Some(&[]);
    [
        row("GET", "/sessions/whoami", User, None, GLOBAL, 200),
        row("GET", "/sessions", User, Some(SessionRead), GLOBAL, 200),
        row("DELETE", "/sessions", User, Some(SessionModify), MODIFY, 200),
        row("DELETE", "/sessions/{id}", User, Some(SessionModify), MODIFY, 204),
        row("DELETE", "/self-service/logout/api", Public, None, None, 204),
        row("GET", "/self-service/login/api", Public, None, None, 200),
        row("GET", "/self-service/login/browser", Public, None, None, 200),
        row("POST", "/self-service/login", Public, None, Some(&[AccountLogin]), 200),
        row("GET", "/self-service/logout/browser", User, Some(SessionModify), GLOBAL, 200),
        // The token belongs to another session.
        row("GET", "/self-service/logout", User, Some(SessionModify), MODIFY, 403),
        row("GET", "/admin/sessions", Staff, Some(StaffReadSessions), GLOBAL, 200),
        row("POST", "/admin/sessions", Staff, Some(StaffModifySessions), GLOBAL, 200),
        row("GET", "/admin/sessions/{id}", Staff, Some(StaffReadSessions), GLOBAL, 200),
        row("DELETE", "/admin/sessions/{id}", Staff, Some(StaffModifySessions), GLOBAL, 204),
        row("PATCH", "/admin/sessions/{id}/extend", Staff, Some(StaffModifySessions), GLOBAL, 200),
        row("GET", "/admin/identities/{id}/sessions", Staff, Some(StaffReadSessions), GLOBAL, 200),
        row("DELETE", "/admin/identities/{id}/sessions", Staff, Some(StaffModifySessions), GLOBAL, 204),
    ]
};

/// What requests are about.
pub(crate) struct Target {
    pub(crate) name: String,
    session: String,
    identity: String,
    token: String,
    flow: String,
}

impl Target {
    /// A session of a user, opened now, and a flow.
    pub(crate) fn of(app: &TestApp, name: &str) -> Self {
        let Device { token, session, .. } = enter(app, name);
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let (id, identity) = (text(&session["id"]), text(&session["identity"]["id"]));
        Self { name: name.to_owned(), session: id, identity, token, flow: begin(app, "api", "") }
    }
}

impl Row {
    /// A request that succeeds if the caller may make it: the credential is in `Authorization`, where all look.
    pub(crate) fn call(&self, caller: &Client, target: &Target) -> Call {
        let id = if self.path.contains("identities") { &target.identity } else { &target.session };
        let mut path = format!("/auth{}", self.path.replace("{id}", id));
        if self.path == "/self-service/login" {
            path = format!("{path}?flow={}", target.flow);
        }
        let call = caller.call(self.method, &path);
        match (self.method, self.path) {
            ("DELETE", "/self-service/logout/api") => call.json(&json!({"session_token": target.token})),
            ("POST", "/self-service/login") => call.json(&password(&target.name)),
            ("POST", _) => call.json(&json!({"action": "disable", "sessions": [target.session]})),
            _ => call,
        }
    }
}

/// Somebody who may call the endpoint.
pub(crate) fn caller(app: &TestApp, row: &Row, user: &Client, staff: &Client) -> Client {
    match row.who {
        Who::Public => app.anonymous(),
        Who::User => user.clone(),
        Who::Staff => staff.clone(),
    }
}

fn the_rows_are_those_of_the_document(database: TestDatabase) {
    let app = TestApp::start(database);
    let document = app.anonymous().get("/openapi.json").expect(200);
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/auth"));
    let documented: BTreeSet<_> = paths
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    let rows = ROWS.map(|row| format!("{} /auth{}", row.method.to_lowercase(), row.path));
    assert_eq!(documented, rows.into_iter().collect());
}

/// What is sent has all that the document says must be there, and nothing that it does not know.
fn the_structures_are_those_of_the_document(database: TestDatabase) {
    let app = TestApp::start(database);
    let document = app.anonymous().get("/openapi.json").expect(200);
    let (ada, root) = (app.user("ada"), app.staff("root"));
    let Device { session, .. } = enter(&app, "ada");
    let flow = app.anonymous().get("/auth/self-service/login/browser").expect(200);
    let listed = root.get("/auth/admin/sessions?expand=identity,devices").expect(200);
    let login = password("ada");
    let login = super::submission(&app, &begin(&app, "api", ""), &login).send().expect(200);
    let logout = ada.get("/auth/self-service/logout/browser").expect(200);
    let disabled = root.post("/auth/admin/sessions", &json!({"action": "disable", "sessions": []})).expect(200);
    for (name, sent) in [
        ("KratosSession", &session),
        ("KratosSession", &listed[0]),
        ("KratosIdentity", &session["identity"]),
        ("KratosTraits", &session["identity"]["traits"]),
        ("KratosTraits", &listed[0]["identity"]["traits"]),
        ("KratosLoginFlow", &flow),
        ("KratosLogin", &login),
        ("KratosLogout", &logout),
        ("KratosCount", &ada.delete("/auth/sessions").expect(200)),
        ("KratosProcessed", &disabled),
        ("KratosError", &app.anonymous().get("/auth/sessions").expect(401)),
    ] {
        let schema = &document["components"]["schemas"][name];
        let required = schema["required"].as_array();
        // What scopes do not cover is left out of traits.
        assert!(required.is_some() || name == "KratosTraits", "{name}");
        for required in required.into_iter().flatten() {
            assert!(sent.get(required.as_str().unwrap()).is_some(), "{name}: {required} in {sent}");
        }
        for field in sent.as_object().unwrap().keys() {
            assert!(schema["properties"].get(field).is_some(), "{name}: {field} is not told");
        }
    }
}

fn every_endpoint_lets_in_who_may_come_in(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("target");
    for (number, row) in ROWS.iter().enumerate() {
        let (ada, root) = (app.user(&format!("ada{number}")), app.staff(&format!("root{number}")));
        let target = Target::of(&app, if row.who == Who::User { ada.name() } else { "target" });
        let caller = caller(&app, row, &ada, &root);
        let response = row.call(&caller, &target).send();
        assert_eq!(response.status, row.success, "{row:?} {response:?}");
    }
}

fn every_endpoint_refuses_who_may_not(database: TestDatabase) {
    let app = TestApp::start(database);
    let (ada, banned) = (app.user("ada"), app.user("banned"));
    app.ban("banned");
    let target = Target::of(&app, "ada");
    for row in ROWS.iter().filter(|row| row.who != Who::Public) {
        for nobody in [app.anonymous(), ada.with_token("garbage"), ada.with_token(&"x".repeat(32)), banned.clone()] {
            assert_eq!(error(&row.call(&nobody, &target).send(), 401)["id"], "session_inactive", "{row:?}");
        }
        if row.who == Who::Staff {
            error(&row.call(&ada, &target).send(), 403);
        }
    }
    for row in ROWS.iter().filter(|row| row.path.starts_with("/self-service/login")) {
        // A banned user's session is none, and does not say more.
        error(&row.call(&banned, &target).send(), 401);
        let dead = row.call(&ada.with_token("garbage"), &target).send();
        assert_eq!(dead.status, row.success, "{row:?}: who logs in may well carry what is over");
    }
}

fn every_endpoint_requires_exactly_its_scope(database: TestDatabase) {
    let app = TestApp::start(database);
    app.user("target");
    for (number, row) in ROWS.iter().enumerate() {
        let (Some(needed), false) = (row.scope, row.who == Who::Public) else { continue };
        let (ada, root) = (app.user(&format!("ada{number}")), app.staff(&format!("root{number}")));
        let caller = caller(&app, row, &ada, &root);
        let about = if row.who == Who::User { ada.name() } else { "target" };
        let known = Scope::TABLE.into_iter().map(|(scope, _)| scope);
        let known: Vec<_> = known.filter(|scope| row.who == Who::Staff || !scope.is_staff()).collect();
        let wrong: Vec<_> = known.iter().copied().filter(|scope| *scope != needed && *scope != Scope::All).collect();
        let refused = row.call(&caller.scoped(&wrong), &Target::of(&app, about)).send();
        assert_eq!(error(&refused, 403)["reason"], "The session's scopes do not cover it.", "{row:?}");
        for scope in [needed, Scope::All] {
            let scoped = caller.log_in(caller.name()).scoped(&[scope]);
            let response = row.call(&scoped, &Target::of(&app, about)).send();
            assert_eq!(response.status, row.success, "{row:?} with {scope}");
        }
    }
}

fn every_switch_shuts_exactly_its_endpoints_and_staff_pass(database: TestDatabase) {
    let app = TestApp::start(database);
    let target = app.user("target");
    for (number, row) in ROWS.iter().enumerate() {
        for switch in
            [KillSwitch::AccountModify, KillSwitch::AccountLogin, KillSwitch::AccountDelete, KillSwitch::Global]
        {
            let suffix = format!("{number}-{}", switch.id());
            let (ada, root) = (app.user(&format!("ada{suffix}")), app.staff(&format!("root{suffix}")));
            let about = if row.who == Who::User { ada.name() } else { target.name() };
            let (about, roots) = (Target::of(&app, about), Target::of(&app, root.name()));
            let caller = caller(&app, row, &ada, &root);
            app.switch(switch, true);
            let response = row.call(&caller, &about).send();
            let shut = row.switches.is_some_and(|shut| switch == KillSwitch::Global || shut.contains(&switch));
            if shut && row.who != Who::Staff {
                assert_eq!(error(&response, 503)["details"]["feature"], switch.id(), "{row:?} under {switch}");
                assert_eq!(response.header("retry-after"), Some("60"));
            } else {
                assert_eq!(response.status, row.success, "{row:?} under {switch}: {response:?}");
            }
            if row.who == Who::User {
                assert_eq!(row.call(&root, &roots).send().status, row.success, "{row:?} under {switch} as staff");
            }
            app.switch(switch, false);
        }
    }
}
