//! The endpoints as the tables of the specification list them, with a request for each that succeeds: for tests
//! that walk all of them.

use serde_json::{Value, json};
use thunderhead_domain::scope::Scope;
use thunderhead_domain::switch::KillSwitch;

use crate::app::{Call, Client, PASSWORD, TestApp, registration};
use crate::errors::Expected;

/// The id of a factor that nobody has.
pub(crate) const NO_FACTOR: &str = "0191f2a4-8b1c-7def-8000-00000000002a";

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Those without a session.
    Guest,
    /// Those who log in, with a session or without.
    Login,
    User,
    Staff,
}

impl Who {
    /// Whether nobody needs a session for it.
    pub(crate) fn gets_in(self) -> bool {
        matches!(self, Self::Guest | Self::Login)
    }
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

/// `docs/API.md`; `docs/API-LEGACY.md`. Nobody in these requests has
/// a second factor: where one is needed, "success" is what who has none is told.
pub(crate) const ROWS: [Row; 67] = {
    use KillSwitch::{AccountCreate, AccountDelete, AccountLogin, AccountModify};
    use Scope::{
        AccountModify as ModifyAccount, AccountRead, SecondFactorRead, SessionModify, SessionRead, StaffModifyAccounts,
        StaffModifyKillswitches, StaffModifySecondFactors, StaffModifySessions, StaffReadAccounts,
        StaffReadSecondFactors, StaffReadSessions,
    };
    use Who::{Guest, Login, Staff, User};
    [
        row("POST", "/api/login", Guest, None, &[AccountLogin], 201),
        row("POST", "/api/login/passkey", Login, None, &[AccountLogin], 200),
        row("POST", "/api/register", Guest, None, &[AccountCreate], 201),
        row("GET", "/api/users/me", User, Some(AccountRead), &[], 200),
        row("POST", "/api/users/me/sessions", User, None, &[AccountModify, AccountLogin], 201),
        row("GET", "/api/users/me/sessions/:sid", User, Some(SessionRead), &[], 200),
        row("GET", "/api/staff/sessions", Staff, Some(StaffReadSessions), &[], 200),
        row("GET", "/api/users/:uid/sessions/:sid", Staff, Some(StaffReadSessions), &[], 200),
        row("GET", "/api/users/me/sessions", User, Some(SessionRead), &[], 200),
        row("GET", "/api/users/:uid/sessions", Staff, Some(StaffReadSessions), &[], 200),
        row("DELETE", "/api/users/me/sessions/:sid", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions/:sid", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/users/me/sessions", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/users/me/sessions/all", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/sessions/all", Staff, Some(StaffModifySessions), &[], 200),
        row("PUT", "/api/users/me/username", User, Some(ModifyAccount), &[AccountModify], 200),
        row("PUT", "/api/users/me/email", User, None, &[AccountModify], 200),
        row("PUT", "/api/users/me/password", User, None, &[AccountModify], 200),
        // Without passkeys nobody does without a password.
        row("DELETE", "/api/users/me/password", User, None, &[AccountModify], 400),
        row("DELETE", "/api/users/me", User, None, &[AccountDelete], 200),
        row("GET", "/api/users", Staff, Some(StaffReadAccounts), &[], 200),
        row("GET", "/api/users/:uid", Staff, Some(StaffReadAccounts), &[], 200),
        row("PUT", "/api/users/:uid/ban", Staff, Some(StaffModifyAccounts), &[], 200),
        row("DELETE", "/api/users/:uid/ban", Staff, Some(StaffModifyAccounts), &[], 200),
        row("PUT", "/api/users/:uid/username", Staff, Some(StaffModifyAccounts), &[], 200),
        row("PUT", "/api/users/:uid/verify", Staff, Some(StaffModifyAccounts), &[], 200),
        row("DELETE", "/api/users/:uid/verify", Staff, Some(StaffModifyAccounts), &[], 200),
        row("PUT", "/api/users/:uid/email", Staff, None, &[], 200),
        row("PUT", "/api/users/:uid/password", Staff, None, &[], 200),
        // Without a second factor nobody is promoted.
        row("PUT", "/api/users/:uid/staff", Staff, None, &[], 400),
        row("DELETE", "/api/users/:uid/staff", Staff, None, &[], 200),
        row("DELETE", "/api/users/:uid", Staff, Some(StaffModifyAccounts), &[], 200),
        row("DELETE", "/api/users", Staff, Some(StaffModifyAccounts), &[], 200),
        row("GET", "/api/users/me/2fa", User, Some(SecondFactorRead), &[], 200),
        row("GET", "/api/users/me/2fa/:fid", User, Some(SecondFactorRead), &[], 404),
        row("POST", "/api/users/me/2fa/totp", User, None, &[AccountModify], 200),
        row("POST", "/api/users/me/2fa/totp/confirm", User, None, &[AccountModify], 400),
        row("POST", "/api/users/me/2fa/webauthn", User, None, &[AccountModify], 200),
        row("POST", "/api/users/me/2fa/webauthn/confirm", User, None, &[AccountModify], 400),
        row("POST", "/api/users/me/2fa/passkey", User, None, &[AccountModify], 200),
        row("POST", "/api/users/me/2fa/passkey/confirm", User, None, &[AccountModify], 400),
        row("POST", "/api/users/me/2fa/backup", User, None, &[AccountModify], 400),
        row("DELETE", "/api/users/me/2fa/:fid", User, None, &[AccountModify], 404),
        row("DELETE", "/api/users/me/2fa", User, None, &[AccountModify], 200),
        row("DELETE", "/api/users/me/2fa/all", User, None, &[AccountModify], 200),
        row("GET", "/api/users/:uid/2fa", Staff, Some(StaffReadSecondFactors), &[], 200),
        row("GET", "/api/users/:uid/2fa/:fid", Staff, Some(StaffReadSecondFactors), &[], 404),
        row("DELETE", "/api/users/:uid/2fa/:fid", Staff, Some(StaffModifySecondFactors), &[AccountModify], 404),
        row("DELETE", "/api/users/:uid/2fa", Staff, Some(StaffModifySecondFactors), &[AccountModify], 200),
        row("DELETE", "/api/users/:uid/2fa/all", Staff, Some(StaffModifySecondFactors), &[AccountModify], 200),
        row("GET", "/api/killswitches", Staff, Some(StaffModifyKillswitches), &[], 200),
        row("PUT", "/api/killswitches/:id", Staff, Some(StaffModifyKillswitches), &[], 200),
        row("DELETE", "/api/killswitches/:id", Staff, Some(StaffModifyKillswitches), &[], 200),
        row("DELETE", "/api/killswitches", Staff, Some(StaffModifyKillswitches), &[], 200),
        row("POST", "/api/user/session", Login, None, &[AccountLogin], 201),
        row("GET", "/api/user/session", User, Some(SessionRead), &[], 200),
        row("GET", "/api/user/session/:sid", User, Some(SessionRead), &[], 200),
        row("GET", "/api/user/sessions", User, Some(SessionRead), &[], 200),
        row("DELETE", "/api/user/session/:sid", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/user/sessions", User, Some(SessionModify), &[AccountModify], 200),
        row("DELETE", "/api/user/sessions/all", User, Some(SessionModify), &[AccountModify], 200),
        row("GET", "/api/user/:uid/sessions", Staff, Some(StaffReadSessions), &[], 200),
        row("GET", "/api/user/:uid/session/:sid", Staff, Some(StaffReadSessions), &[], 200),
        row("DELETE", "/api/user/:uid/session/:sid", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/user/:uid/sessions", Staff, Some(StaffModifySessions), &[], 200),
        row("DELETE", "/api/user/:uid/sessions/all", Staff, Some(StaffModifySessions), &[], 200),
    ]
};

impl Row {
    /// A request by `caller` that succeeds if they may make it. `target` is the user it is about: on paths under
    /// `me` the caller themselves. What ends the target's account ends that of somebody else instead.
    pub(crate) fn call(&self, app: &TestApp, caller: &Client, target: &Client) -> Call {
        if self.is_fatal() && self.who == Who::Staff {
            return self.call_about(app, caller, &app.spare(), 1);
        }
        let session = target.log_in(target.name()).session_id();
        self.call_about(app, caller, target, session)
    }

    /// The same about a session that is there already, and about the target whatever comes of it.
    pub(crate) fn call_about(&self, app: &TestApp, caller: &Client, target: &Client, session: i64) -> Call {
        let call = caller.call(self.method, &self.path_about(target, session));
        match self.body(app, target, session) {
            Some(body) => call.json(&body),
            None => call,
        }
    }

    /// The path with everything that it names. The kill switch shuts nothing that this server has, and the factor is
    /// nobody's.
    pub(crate) fn path_about(&self, target: &Client, session: i64) -> String {
        let path = self.path.replace(":uid", target.id()).replace(":sid", &session.to_string());
        path.replace(":fid", NO_FACTOR).replace(":id", "6")
    }

    /// Whether the row is of the legacy dialect.
    pub(crate) fn is_legacy(&self) -> bool {
        self.path.starts_with("/api/user/")
    }

    /// An error as the row's dialect tells it.
    pub(crate) fn worded(&self, error: Expected) -> Expected {
        match error.code {
            "INSUFFICIENT_PERMISSIONS_ERROR" if self.is_legacy() => {
                Expected { message: "Missing Permissions", ..error }
            }
            "BANNED_ERROR" if self.is_legacy() => Expected { message: "Account Banned", ..error },
            _ => error,
        }
    }

    /// Whether a switch leaves it to the login itself: staff come in by it.
    pub(crate) fn leads_to_login(&self) -> bool {
        self.path == "/api/login/passkey"
    }

    /// Whether nobody logs in to the account afterwards that this is about.
    pub(crate) fn is_fatal(&self) -> bool {
        let fatal = ["DELETE /api/users/me", "DELETE /api/users/:uid", "DELETE /api/users", "PUT /api/users/:uid/ban"];
        fatal.contains(&format!("{} {}", self.method, self.path).as_str())
    }

    /// Whether it changes or ends an account, so that the next request had better be about another one.
    pub(crate) fn is_of_an_account(&self) -> bool {
        self.path.starts_with("/api/users") && !self.path.contains("/sessions")
    }

    /// The fields that a good request has, in the order of the specification. Changes are to what is there
    /// already.
    pub(crate) fn body(&self, app: &TestApp, target: &Client, session: i64) -> Option<Value> {
        match (self.method, self.path) {
            ("POST", "/api/login") => Some(json!({"username": target.name(), "password": PASSWORD})),
            ("POST", "/api/login/passkey") => None,
            ("POST", "/api/user/session") => Some(json!({"user": target.name(), "pass": PASSWORD})),
            ("DELETE", path) if self.is_legacy() && path.ends_with("/sessions") => Some(json!({"sessions": [session]})),
            ("DELETE", _) if self.is_legacy() => None,
            ("POST", "/api/register") => Some(registration(&format!("new{}", app.number()))),
            ("POST", path) if path.ends_with("/totp/confirm") => {
                Some(json!({"token": "garbage", "name": "phone", "code": "123456"}))
            }
            ("POST", path) if path.ends_with("/webauthn/confirm") || path.ends_with("/passkey/confirm") => {
                Some(json!({"token": "garbage", "name": "key", "response": {}}))
            }
            ("POST", path) if path.contains("/2fa/") => Some(json!({"password": PASSWORD})),
            ("POST", _) => Some(json!({"name": "script", "permissionFlags": 1, "password": PASSWORD})),
            ("GET", _) => None,
            (_, "/api/users") => Some(json!({"ids": [target.id()], "password": PASSWORD})),
            (_, path) if path.ends_with("/sessions") => Some(json!({"ids": [session]})),
            (_, path) if path.contains("/sessions/") => None,
            (_, path) if path.ends_with("/2fa") => Some(json!({"ids": [NO_FACTOR], "password": PASSWORD})),
            (_, path) if path.ends_with("/username") => Some(json!({"username": target.name(), "password": PASSWORD})),
            (_, path) if path.ends_with("/email") => {
                Some(json!({"email": format!("{}@example.org", target.name()), "password": PASSWORD}))
            }
            ("PUT", path) if path.ends_with("/password") => {
                Some(json!({"newPassword": PASSWORD, "confirmNewPassword": PASSWORD, "password": PASSWORD}))
            }
            ("PUT", path) if path.ends_with("/ban") => Some(json!({"reason": "spam", "password": PASSWORD})),
            _ => Some(json!({"password": PASSWORD})),
        }
    }
}
