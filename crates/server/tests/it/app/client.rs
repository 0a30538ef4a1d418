//! Clients that talk to the server over real connections, and what they get back.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use thunderhead_domain::id::UserId;
use thunderhead_domain::scope::Scope;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::errors::Expected;

/// The password of every user of the tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// What a user registers with.
pub(crate) fn registration(name: &str) -> Value {
    let email = format!("{name}@example.org");
    json!({"username": name, "email": email, "password": PASSWORD, "confirmPassword": PASSWORD})
}

/// Somebody who makes requests, with or without a session.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    address: SocketAddr,
    token: Option<String>,
    user: Option<String>,
    name: Option<String>,
}

impl Client {
    pub(super) const fn new(agent: Agent, address: SocketAddr) -> Self {
        Self { agent, address, token: None, user: None, name: None }
    }

    /// The same user with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same user without a token.
    pub(super) fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The same credential at another server.
    pub(crate) fn at(&self, other: &super::TestApp) -> Self {
        Self { address: other.address(), ..self.clone() }
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("a client with a token")
    }

    /// The user's id.
    pub(crate) fn id(&self) -> &str {
        self.user.as_deref().expect("a client of a user")
    }

    /// The user's name.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().expect("a client of a user")
    }

    /// The user's id, for the ports.
    pub(crate) fn user_id(&self) -> UserId {
        self.id().parse().expect("a user's id")
    }

    /// Makes an account and keeps its session.
    pub(crate) fn register(&self, name: &str) -> Self {
        let response = self.post("/api/register", &registration(name));
        assert_eq!(response.status, 201, "{response:?}");
        self.with_token(&response.token()).knowing_its_user(name)
    }

    /// Logs a user in and keeps the session.
    pub(crate) fn log_in(&self, name: &str) -> Self {
        let response = self.without_token().post("/api/login", &json!({"username": name, "password": PASSWORD}));
        assert_eq!(response.status, 201, "{response:?}");
        self.with_token(&response.token()).knowing_its_user(name)
    }

    /// The `sub` of a token is its user.
    fn knowing_its_user(self, name: &str) -> Self {
        let user = claims(self.token())["sub"].as_str().expect("a subject").to_owned();
        Self { user: Some(user), name: Some(name.to_owned()), ..self }
    }

    /// A client of the same user with a scoped session.
    pub(crate) fn scoped(&self, scopes: &[Scope]) -> Self {
        let flags: u32 = scopes.iter().map(|scope| scope.bit()).sum();
        let body = json!({"name": "script", "permissionFlags": flags, "password": PASSWORD});
        let response = self.post("/api/users/me/sessions", &body);
        assert_eq!(response.status, 201, "{response:?}");
        self.with_token(&response.token())
    }

    /// The id of the client's own session.
    pub(crate) fn session_id(&self) -> i64 {
        claims(self.token())["iat"].as_i64().expect("an iat")
    }

    /// A request to be made.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let mut request = Call { agent: self.agent.clone(), builder: Request::builder(), body: None };
        request.builder = request.builder.method(method).uri(format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.header("Authorization", token),
            None => request,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.call("POST", path).json(body).send()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Response {
        self.call("PUT", path).json(body).send()
    }

    pub(crate) fn delete(&self, path: &str) -> Response {
        self.call("DELETE", path).send()
    }

    pub(crate) fn delete_with(&self, path: &str, body: &Value) -> Response {
        self.call("DELETE", path).json(body).send()
    }

    /// Whether the session may see what staff see of a user.
    pub(crate) fn works_as_staff(&self, user: &Self) -> bool {
        self.get(&format!("/api/users/{}/sessions", user.id())).status == 200
    }

    /// Whether the session works.
    pub(crate) fn works(&self) -> bool {
        let response = self.get("/api/users/me");
        match response.status {
            200 => true,
            401 => false,
            _ => panic!("neither in nor out: {response:?}"),
        }
    }
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

/// A request that is being put together.
pub(crate) struct Call {
    agent: Agent,
    builder: ureq::http::request::Builder,
    body: Option<Vec<u8>>,
}

impl Call {
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    #[must_use]
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    #[must_use]
    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", content_type).bare_body(body)
    }

    /// A body without a content type.
    #[must_use]
    pub(crate) fn bare_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    pub(crate) fn send(self) -> Response {
        let response = match self.body {
            Some(body) => self.agent.run(self.builder.body(body).expect("a request")),
            None => self.agent.run(self.builder.body(()).expect("a request")),
        };
        let mut response = response.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.body_mut().read_to_vec().expect("a whole answer");
        let response = Response { status, headers, body };
        response.assert_has_what_all_have();
        response
    }
}

/// What the server answered.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Response {
    /// The header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of ASCII"))
    }

    /// All values of a header that may be there more than once.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("a header of ASCII")).collect()
    }

    /// The body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The token that the body brings.
    pub(crate) fn token(&self) -> String {
        self.json()["token"].as_str().expect("a token").to_owned()
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Demands an error of the table, and nothing beside it.
    #[track_caller]
    pub(crate) fn is(&self, expected: Expected) {
        self.is_with(expected, json!({}));
    }

    /// Demands an error of the table with these fields besides.
    #[track_caller]
    pub(crate) fn is_with(&self, expected: Expected, extra: Value) {
        let mut body = json!({"code": expected.code, "message": expected.message});
        for (name, value) in extra.as_object().expect("fields") {
            body[name] = value.clone();
        }
        assert_eq!((self.status, self.json()), (expected.status, body));
    }

    /// The headers that every answer has, whatever it is.
    fn assert_has_what_all_have(&self) {
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{self:?}");
        assert!(self.header("cache-control").is_some(), "{self:?}");
        // A service that asks is no bearer of a session, and who bears one may be asked for more (RFC 9470).
        let asked = self.header("www-authenticate").filter(|asked| *asked != "Basic realm=\"thunderhead\"");
        let asked =
            asked.map(|asked| asked.split(" error=\"insufficient_user_authentication\"").next().unwrap_or(asked));
        assert_eq!(asked, (self.status == 401 && asked.is_some()).then_some("Bearer"), "{self:?}");
        assert_eq!(self.header("www-authenticate").is_some(), self.status == 401, "{self:?}");
        if self.status >= 400 {
            // What a proxy is told has no body, and so no type. People get pages.
            let known = ["application/json", "application/json; charset=utf-8", "text/html; charset=utf-8"].map(Some);
            assert!(known.contains(&self.header("content-type")) || self.is_empty(), "{self:?}");
            let never_kept = ["no-store", "private, no-cache, no-store, must-revalidate"].map(Some);
            assert!(never_kept.contains(&self.header("cache-control")), "{self:?}");
        }
    }
}
