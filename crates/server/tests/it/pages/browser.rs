//! Somebody with a browser: it keeps cookies, follows nothing by itself, and says where its forms come from.

use std::collections::BTreeMap;

use crate::app::{Call, Client, ORIGIN, PASSWORD, Response, TestApp};

/// How a browser asks for pages.
pub(crate) const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

pub(crate) struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(app: &TestApp) -> Self {
        Self { client: app.anonymous(), cookies: BTreeMap::new() }
    }

    /// One that holds somebody's token in its cookie.
    pub(crate) fn with_token(app: &TestApp, token: &str) -> Self {
        let mut browser = Self::new(app);
        browser.cookies.insert(SESSION.to_owned(), token.to_owned());
        browser
    }

    /// One in which a user has signed in.
    pub(crate) fn signed_in(app: &TestApp, name: &str) -> Self {
        let mut browser = Self::new(app);
        let answer = browser.sign_in("/login", name);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/account")), "{answer:?}");
        browser
    }

    pub(crate) fn sign_in(&mut self, path: &str, name: &str) -> Response {
        self.post(path, &[("username", name), ("password", PASSWORD)])
    }

    /// A request with the cookies, and with nothing that says where it comes from.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = self.client.call(method, path).header("Accept", ACCEPT).header("Host", "auth.example");
        if cookies.is_empty() { call } else { call.header("Cookie", &cookies.join("; ")) }
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        let response = self.call("GET", path).header("Sec-Fetch-Site", "none").send();
        self.keep(response)
    }

    /// Sends a form of a page of ours.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let call = self.call("POST", path).header("Sec-Fetch-Site", "same-origin").header("Origin", ORIGIN);
        let response = call.body("application/x-www-form-urlencoded", form(fields)).send();
        self.keep(response)
    }

    /// The page that a form leads to.
    pub(crate) fn follow(&mut self, response: &Response) -> Response {
        assert_eq!(response.status, 303, "{response:?}");
        let place = response.header("location").expect("a place").to_owned();
        self.get(&place)
    }

    /// The token in the session cookie.
    pub(crate) fn token(&self) -> Option<&str> {
        self.cookies.get(SESSION).map(String::as_str)
    }

    /// Loses a cookie.
    pub(crate) fn forget(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    /// The pass, as a proxy's question holds it.
    pub(crate) fn pass(&self) -> String {
        format!("{PASS}={}", self.cookie(PASS).expect("a pass"))
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    fn keep(&mut self, response: Response) -> Response {
        for line in response.headers("set-cookie") {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

pub(crate) const SESSION: &str = "__Host-thunderhead_session";
pub(crate) const PASS: &str = "__Secure-thunderhead_pass";
pub(crate) const NOTICE: &str = "__Host-thunderhead_notice";

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    fields.join("&")
}

/// The value of the first field of this name in a page.
#[track_caller]
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&marker).unwrap_or_else(|| panic!("no field {name} in {page}"));
    let value = rest.split('"').next().expect("a value");
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
