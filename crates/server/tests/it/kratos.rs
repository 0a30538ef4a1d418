//! The Kratos dialect, `/auth` (`spec/kratos-api.md`).

mod admin;
mod browser;
mod errors;
mod factor;
mod login;
mod outage;
mod paging;
mod routes;
mod sessions;

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::app::{Call, Client, PASSWORD, Response, TestApp};

/// What every answer to GET says of being kept.
const PRIVATE: &str = "private, no-cache, no-store, must-revalidate";

/// A client that logged in by this dialect.
struct Device<'a> {
    app: &'a TestApp,
    token: String,
    session: Value,
}

impl Device<'_> {
    fn call(&self, method: &str, path: &str) -> Call {
        self.app.anonymous().call(method, path).header("X-Session-Token", &self.token)
    }

    fn get(&self, path: &str) -> Response {
        self.call("GET", path).send()
    }

    fn delete(&self, path: &str) -> Response {
        self.call("DELETE", path).send()
    }

    fn id(&self) -> &str {
        self.session["id"].as_str().expect("a session's id")
    }

    fn whoami(&self) -> Response {
        self.get("/auth/sessions/whoami")
    }

    fn works(&self) -> bool {
        let response = self.whoami();
        match response.status {
            200 => true,
            401 => false,
            _ => panic!("neither in nor out: {response:?}"),
        }
    }
}

/// Begins a flow, as nobody.
fn begin(app: &TestApp, kind: &str, query: &str) -> String {
    flow_id(&app.anonymous().get(&format!("/auth/self-service/login/{kind}{query}")))
}

#[track_caller]
fn flow_id(response: &Response) -> String {
    response.expect(200)["id"].as_str().expect("a flow's id").to_owned()
}

/// A submission, as nobody.
fn submission(app: &TestApp, flow: &str, body: &Value) -> Call {
    app.anonymous().call("POST", &format!("/auth/self-service/login?flow={flow}")).json(body)
}

fn password(identifier: &str) -> Value {
    json!({"method": "password", "identifier": identifier, "password": PASSWORD})
}

/// Logs a user in with the password.
#[track_caller]
fn enter<'a>(app: &'a TestApp, identifier: &str) -> Device<'a> {
    let flow = begin(app, "api", "");
    let body = submission(app, &flow, &password(identifier)).send().expect(200);
    let token = body["session_token"].as_str().expect("a token").to_owned();
    Device { app, token, session: body["session"].clone() }
}

/// Begins the second step of somebody who has given the password.
fn second_step(device: &Device<'_>) -> String {
    flow_id(&device.get("/auth/self-service/login/api?aal=aal2"))
}

/// Submits a second factor.
fn show(device: &Device<'_>, flow: &str, body: &Value) -> Response {
    device.call("POST", &format!("/auth/self-service/login?flow={flow}")).json(body).send()
}

/// A user's authenticator app, and the backup codes that came with it.
struct Phone {
    app: Totp,
    codes: Vec<String>,
}

impl Phone {
    /// Enrols one as the user's first factor. Its present code is thereby used.
    fn enrol(app: &TestApp, user: &Client) -> Self {
        let offer = user.post("/api/users/me/2fa/totp", &json!({"password": PASSWORD})).expect(200);
        let secret = Secret::try_from_base32(offer["secret"].as_str().expect("a secret")).expect("base32");
        let phone = Builder::new().with_secret(secret).build_noncompliant();
        let code = phone.generate(u64::try_from(app.seconds()).expect("a time after 1970")).to_string();
        let body = json!({"token": offer["token"], "name": "My phone", "code": code});
        let enrolled = user.post("/api/users/me/2fa/totp/confirm", &body).expect(201);
        let codes = enrolled["codes"].as_array().expect("codes").iter();
        Self { app: phone, codes: codes.map(|code| code.as_str().expect("a code").to_owned()).collect() }
    }

    /// A code that was never shown before: a step passes.
    fn code(&self, app: &TestApp) -> Value {
        app.clock().advance_seconds(30);
        let code = self.app.generate(u64::try_from(app.seconds()).expect("a time after 1970")).to_string();
        json!({"method": "totp", "totp_code": code})
    }

    fn backup(&self, number: usize) -> Value {
        json!({"method": "lookup_secret", "lookup_secret": self.codes[number]})
    }
}

/// The error of an answer: status and the `error` object.
#[track_caller]
fn error(response: &Response, status: u16) -> Value {
    let error = response.expect(status)["error"].clone();
    assert_eq!(error["code"], status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(error["request"].as_str(), response.header("x-request-id"));
    error
}
