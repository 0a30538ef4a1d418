//! What can be asked: the operations of the server's own document, and paths that are in no document.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::callers::GOOD_PASSWORD;
use super::texts::NUMBER;
use thunderhead_system_tests::live::http::{Client, Request};

/// An endpoint and what a body of it usually has.
#[derive(Clone, Debug)]
pub(super) struct TestedEndpoint {
    pub(super) method: String,
    /// With its parameters in braces.
    pub(super) path: String,
    pub(super) body: Option<Map<String, Value>>,
    /// Whether it reads forms.
    pub(super) forms: bool,
    /// Whether strangers may use it.
    pub(super) open: bool,
}

impl TestedEndpoint {
    fn root(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), body: None, forms: false, open: true }
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it is about another user, who is not to be the same one twice.
    pub(super) fn changes_another(&self) -> bool {
        let is_of_another = self.path.contains("{uid}") || self.path.contains("/admin/") || self.path == "/api/users";
        self.method != "GET" && is_of_another
    }
}

pub(super) fn all(client: &mut Client) -> Result<Vec<TestedEndpoint>> {
    let answer = client.ask(&Request::new("GET", "/openapi.json"))?;
    let document: Value = serde_json::from_str(&answer.body).context("/openapi.json is no JSON")?;
    let paths = document["paths"].as_object().context("/openapi.json has no paths")?;
    let mut endpoints = vec![];
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            endpoints.push(documented(method, path, operation));
        }
    }
    if endpoints.len() < 50 {
        bail!("/openapi.json has {} operations alone", endpoints.len());
    }
    for endpoint in endpoints.iter_mut().filter(|endpoint| matches!(endpoint.path.as_str(), "/introspect" | "/revoke"))
    {
        endpoint.body = json!({"token": "x", "client_id": "bench", "client_secret": "x"}).as_object().cloned();
    }
    endpoints.extend(
        ["/forward-auth/envoy/-/a/b", "/api/nowhere", "/nowhere"].map(|path| TestedEndpoint::root("GET", path)),
    );
    Ok(endpoints)
}

fn documented(method: &str, path: &str, operation: &Value) -> TestedEndpoint {
    let content = &operation["requestBody"]["content"];
    let mut body = content["application/json"]["example"].as_object().cloned();
    if let Some(body) = &mut body {
        fill(path, body);
    }
    let forms = content.get("application/x-www-form-urlencoded").is_some();
    let open = matches!(operation["x-requirement"]["access"].as_str(), None | Some("public" | "guest" | "login"));
    TestedEndpoint { method: method.to_uppercase(), path: path.to_owned(), body, forms, open }
}

/// Puts what succeeds in the place of what is an example.
fn fill(path: &str, body: &mut Map<String, Value>) {
    let is_login = path.ends_with("/login") || path.ends_with("/session");
    for (name, value) in body.iter_mut() {
        let text = match name.as_str() {
            "username" | "user" | "identifier" if is_login => format!("nobody{NUMBER}"),
            "username" => format!("name{NUMBER}"),
            "email" => format!("name{NUMBER}@example.org"),
            "password" | "pass" | "confirmPassword" | "newPassword" | "confirmNewPassword" => GOOD_PASSWORD.to_owned(),
            _ => continue,
        };
        *value = Value::String(text);
    }
    // It asks for the answer to a challenge; those are cases of their own.
    body.remove("2fa");
}
