//! The way of a browser that has no session: from an application to the sign-in page, and back to where it was.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::json;

use super::checks::{Checks, Count, Deployment, PASSWORD};
use super::proxy::{Block, Proxy};
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::postgres::free_port;

/// On plain HTTP, where the proxies of these tests are.
const COOKIE: &str = "thunderhead_session";
const PAGE: &str = "/files/a?b=c&d=%20e";
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Checks a proxy with its block before a server that has pages.
pub(super) fn check(site: &Site, block: &Block, beside: &Deployment<'_>, violations: &Violations) -> Result<Count> {
    let [server, proxy] = [free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
    let (public_url, application) = (format!("http://{server}"), format!("http://{proxy}"));
    let settings = [("LISTEN", server.as_str()), ("PUBLIC_URL", &public_url), ("REDIRECT__ORIGINS", &application)];
    let server = site.start_with(&settings)?;
    let address: SocketAddr = proxy.parse()?;
    let proxy = Proxy::start_at(address, block, server.address, beside.service())?;
    let deployment = beside.behind(proxy, server.address);
    let mut checks = Checks::new(&deployment, violations);
    checks.browsers_sign_in(&public_url, &application)?;
    Ok(checks.into_count())
}

/// A browser that shows what it gets.
fn navigation(method: &str, path: &str) -> Request {
    let request = Request::new(method, path).header("Accept", ACCEPT).header("Sec-Fetch-Site", "none");
    request.header("Sec-Fetch-Mode", "navigate").header("Sec-Fetch-Dest", "document")
}

impl Checks<'_> {
    fn browsers_sign_in(&mut self, public_url: &str, application: &str) -> Result<()> {
        let led = self.refused("a browser without a session", 302, &navigation("GET", PAGE))?;
        let escaped = |text: &str| text.bytes().map(escape).collect::<String>();
        let expected = format!("{public_url}/login?rd={}", escaped(&format!("{application}{PAGE}")));
        let place = led.header("location").unwrap_or_default().to_owned();
        self.equals("where it is led", &json!(place), &json!(expected));
        let head = self.refused("HEAD without a session", 302, &navigation("HEAD", PAGE))?;
        self.equals("where that is led", &json!(head.header("location")), &json!(expected));
        self.who_is_not_led()?;
        let (token, back) = self.sign_in(&place)?;
        self.equals("where it is led back to", &json!(back), &json!(format!("{application}{PAGE}")));
        let cookie = format!("a=1; {COOKIE}={token}");
        let path = back.strip_prefix(application).unwrap_or_default();
        let asked = self.passes("a browser that has signed in", &navigation("GET", path).header("Cookie", &cookie))?;
        self.equals("the path and the query", &asked["path"], &json!(PAGE));
        self.end(&token)?;
        let again =
            self.refused("a session that has ended", 302, &navigation("GET", PAGE).header("Cookie", &cookie))?;
        self.equals("where that is led", &json!(again.header("location")), &json!(expected));
        Ok(())
    }

    /// Programs, and what is no page.
    fn who_is_not_led(&mut self) -> Result<()> {
        let told = |what: &str, checks: &mut Self, request: &Request| -> Result<()> {
            let answer = checks.refused(what, 401, request)?;
            checks.check(what, answer.header("location").is_none(), &answer);
            checks.check(what, answer.headers_of("www-authenticate").count() == 1, &answer);
            Ok(())
        };
        told("a program", self, &Request::new("GET", PAGE))?;
        told("a program that takes anything", self, &Request::new("GET", PAGE).header("Accept", "*/*"))?;
        told("a script", self, &Request::new("GET", PAGE).header("Accept", ACCEPT).header("Sec-Fetch-Mode", "cors"))?;
        told("a form", self, &navigation("POST", PAGE))?;
        told("a bad token", self, &navigation("GET", PAGE).token("made.up.token"))?;
        let reads = self.deployment.reads.clone();
        self.refused("a browser without the scope", 403, &navigation("GET", PAGE).token(&reads))?;
        Ok(())
    }

    /// Signs in where a browser was led; returns the token, and where the browser is led then.
    fn sign_in(&mut self, place: &str) -> Result<(String, String)> {
        let path = place.strip_prefix("http://").and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
        let path = path.with_context(|| format!("no place to sign in at: {place}"))?;
        let mut client = Client::new(self.deployment.thunderhead);
        let page = client.ask(&navigation("GET", path))?;
        self.check("the sign-in page", page.status == 200 && page.body.contains("action=\"/login?rd="), &page);
        let mut form = navigation("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        form.headers.retain(|(name, _)| name != "Sec-Fetch-Site");
        form.body = Some(format!("username=ada&password={}", PASSWORD.replace(' ', "+")));
        let answer = client.ask(&form.header("Sec-Fetch-Site", "same-origin"))?;
        self.check("the sign-in", answer.status == 303, &answer);
        Ok((cookie(&answer), answer.header("location").unwrap_or_default().to_owned()))
    }

    fn end(&self, token: &str) -> Result<()> {
        let request = Request::new("DELETE", "/api/users/me/sessions/me").token(token);
        Client::new(self.deployment.thunderhead).ask(&request)?;
        Ok(())
    }
}

/// The token in the session cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let start = format!("{COOKIE}=");
    let set = answer.headers_of("set-cookie").find_map(|cookie| cookie.strip_prefix(&start));
    set.and_then(|rest| rest.split(';').next()).unwrap_or_default().to_owned()
}

/// As forms escape it.
fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}
