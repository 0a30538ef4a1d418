//! The Kratos dialect, `/auth` (`docs/API-KRATOS.md`).

mod admin;
mod browser;
mod errors;
mod factor;
mod login;
mod outage;
mod paging;
pub(crate) mod routes;
mod sessions;

use serde_json::{Value, json};

use crate::app::{Call, Client, CodeApp, Enrolled, PASSWORD, Response, TestApp};

/// What every answer to GET says of being kept.
const PRIVATE: &str = "private, no-cache, no-store, must-revalidate";

/// A client that logged in by this dialect.
pub(crate) struct Device<'a> {
    app: &'a TestApp,
    pub(crate) token: String,
    session: Value,
}

impl Device<'_> {
    fn call(&self, method: &str, path: &str) -> Call {
        self.app.anonymous().call(method, path).header("X-Session-Token", &self.token)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path).send()
    }

    fn delete(&self, path: &str) -> Response {
        self.call("DELETE", path).send()
    }

    pub(crate) fn id(&self) -> &str {
        self.session["id"].as_str().expect("a session's id")
    }

    fn whoami(&self) -> Response {
        self.get("/auth/sessions/whoami")
    }

    pub(crate) fn works(&self) -> bool {
        let response = self.whoami();
        match response.status {
            200 => true,
            401 => false,
            _ => panic!("neither in nor out: {response:?}"),
        }
    }
}

/// Begins a flow, as nobody.
pub(crate) fn begin(app: &TestApp, kind: &str, query: &str) -> String {
    flow_id(&app.anonymous().get(&format!("/auth/self-service/login/{kind}{query}")))
}

#[track_caller]
fn flow_id(response: &Response) -> String {
    response.expect(200)["id"].as_str().expect("a flow's id").to_owned()
}

/// A submission, as nobody.
pub(crate) fn submission(app: &TestApp, flow: &str, body: &Value) -> Call {
    app.anonymous().call("POST", &format!("/auth/self-service/login?flow={flow}")).json(body)
}

pub(crate) fn password(identifier: &str) -> Value {
    json!({"method": "password", "identifier": identifier, "password": PASSWORD})
}

/// An authenticator app's code, as it is submitted.
pub(crate) fn totp(code: &str) -> Value {
    json!({"method": "totp", "totp_code": code})
}

/// A backup code, as it is submitted.
pub(crate) fn lookup_secret(code: &str) -> Value {
    json!({"method": "lookup_secret", "lookup_secret": code})
}

/// Logs a user in with the password.
#[track_caller]
pub(crate) fn enter<'a>(app: &'a TestApp, identifier: &str) -> Device<'a> {
    let flow = begin(app, "api", "");
    let body = submission(app, &flow, &password(identifier)).send().expect(200);
    let token = body["session_token"].as_str().expect("a token").to_owned();
    Device { app, token, session: body["session"].clone() }
}

/// Begins the second step of somebody who has given the password.
pub(crate) fn second_step(device: &Device<'_>) -> String {
    flow_id(&device.get("/auth/self-service/login/api?aal=aal2"))
}

/// Submits a second factor.
pub(crate) fn show(device: &Device<'_>, flow: &str, body: &Value) -> Response {
    device.call("POST", &format!("/auth/self-service/login?flow={flow}")).json(body).send()
}

/// A user's authenticator app, and the backup codes that came with it.
struct Phone {
    app: CodeApp,
    codes: Vec<String>,
}

impl Phone {
    /// Enrols one as the user's first factor. Its present code is thereby used.
    fn enrol(app: &TestApp, user: &Client) -> Self {
        let (phone, Enrolled { codes, .. }) = user.enrol_totp(app);
        Self { app: phone, codes }
    }

    /// A code that was never shown before: a step passes.
    fn code(&self, app: &TestApp) -> Value {
        totp(&self.app.fresh_code(app))
    }

    fn backup(&self, number: usize) -> Value {
        lookup_secret(&self.codes[number])
    }
}

/// The error of an answer: status and the `error` object.
#[track_caller]
pub(crate) fn error(response: &Response, status: u16) -> Value {
    let error = response.expect(status)["error"].clone();
    assert_eq!(error["code"], status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(error["request"].as_str(), response.header("x-request-id"));
    error
}
