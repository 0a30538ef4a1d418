//! The endpoints as the tables of the specification list them, with a request for each that succeeds: for tests
//! that walk all of them.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::app::{Call, Client, PASSWORD, TestApp, registration};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Those without a session.
    Visitor,
    User,
    Staff,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    /// What a scoped session needs; `None` is never.
    pub(crate) scope: Option<Scope>,
    pub(crate) switches: &'static [KillSwitch],
    pub(crate) success: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    who: Who,
    scope: Option<Scope>,
    switches: &'static [KillSwitch],
    success: u16,
) -> Row {
    Row { method, path, who, scope, switches, success }
}

/// `spec/sessions-api.md`, *Endpoints*, and what there is of `spec/accounts-and-factors.md`, *Accounts*.
pub(crate) const ROWS: [Row; 14] = {
    use KillSwitch::{AccountCreate, AccountLogin, AccountModify};
    use Scope::{AccountRead, SessionModify, SessionRead, StaffModifySessions, StaffReadSessions};
    use Who::{Staff, User, Visitor};
    [
        row("POST", "/api/login", Visitor, None, &[AccountLogin], 201),
        row("POST", "/api/register", Visitor, None, &[AccountCreate], 201),
        row("GET", "/api/users/me", User, Some(AccountRead), &[], 200),
        row("POST", "/api/users/me/sessions", User, None, &[AccountModify, AccountLogin], 201),
        row("GET", "/api/users/me/sessions/:sid", User, Some(SessionRead), &[], 200),
        row("GET", "/api/users/:uid/sessions/:sid", Staff, Some(StaffReadSessions), &[], 200),
        row("GET", "/api/users/me/sessions", User, Some(SessionRead), &[], 200),
        row("GET", "/api/users/:uid/sessions", Staff, Some(StaffReadSessions), &[], 200),
        row("DELETE", "/api/users/me/sessions/:sid", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions/:sid", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/users/me/sessions", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/users/me/sessions/all", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions/all", Staff, Some(StaffModifySessions), &[], 200),
    ]
};

impl Row {
    /// A request by `caller` that succeeds if they may make it. `target` is the user it is about: on paths under
    /// `me` the caller themselves.
    pub(crate) fn call(&self, app: &TestApp, caller: &Client, target: &Client) -> Call {
        let session = target.log_in(target.name()).session_id();
        self.call_about(app, caller, target, session)
    }

    /// The same about a session that is there already.
    pub(crate) fn call_about(&self, app: &TestApp, caller: &Client, target: &Client, session: i64) -> Call {
        let path = self.path.replace(":uid", target.id()).replace(":sid", &session.to_string());
        let call = caller.call(self.method, &path);
        match self.body(app, target, session) {
            Some(body) => call.json(&body),
            None => call,
        }
    }

    /// The fields that a good request has, in the order of the specification.
    pub(crate) fn body(&self, app: &TestApp, target: &Client, session: i64) -> Option<Value> {
        match (self.method, self.path) {
            ("POST", "/api/login") => Some(json!({"username": target.name(), "password": PASSWORD})),
            ("POST", "/api/register") => Some(registration(&format!("new{}", app.number()))),
            ("POST", _) => Some(json!({"name": "script", "permissionFlags": 1, "password": PASSWORD})),
            ("DELETE", path) if path.ends_with("/sessions") => Some(json!({"ids": [session]})),
            _ => None,
        }
    }
}
