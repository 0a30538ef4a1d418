//! `/api/user…`: the legacy dialect (`docs/API-LEGACY.md`), as programs written years ago speak it.

mod bodies;
mod errors;
mod headers;
mod login;
mod sessions;
mod staff;

use serde_json::{Value, json};

use crate::app::{Client, Response, TestApp};
use crate::errors::Expected;

const MISSING_PERMISSIONS: Expected =
    Expected { status: 403, code: "INSUFFICIENT_PERMISSIONS_ERROR", message: "Missing Permissions" };
const SESSION_MISSING: Expected =
    Expected { status: 404, code: "SESSION_NOT_FOUND_ERROR", message: "Session Not Found" };

/// One attempt without a session.
fn attempt(app: &TestApp, body: &Value) -> Response {
    app.anonymous().post("/api/user/session", body)
}

/// Somebody's session as this dialect shows it, where it was opened by the current one.
fn shown(client: &Client) -> Value {
    let session = client.get("/api/users/me/sessions/me").expect(200);
    json!({"iat": session["id"], "exp": session["exp"], "sub": client.id(), "name": session["name"]})
}

fn ended(count: u64) -> Value {
    json!({"count": count, "type": "session"})
}
