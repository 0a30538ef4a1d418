//! What a session cookie may do through a proxy, and that no service gets to see it.

use anyhow::Result;
use serde_json::json;

use super::checks::{Checks, values};
use thunderhead_system_tests::live::http::{Client, Request};

const COOKIE: &str = "__Host-thunderhead_session";
const PASS: &str = "__Secure-thunderhead_pass";

impl Checks<'_> {
    /// A browser sends the cookie along whoever made the page.
    pub(super) fn changes_by_cookie(&mut self) -> Result<()> {
        let by = |method: &str, name: &str, value: &str| {
            let cookie = format!("{COOKIE}={}", self.deployment.full);
            Request::new(method, "/").header("Cookie", &cookie).header(name, value)
        };
        let site = |method: &str, site: &str| by(method, "Sec-Fetch-Site", site);
        let own = format!("http://{}", self.deployment.proxy.address);
        let passing = [
            ("a cookie", site("GET", "same-origin")),
            ("a page of another site shows something", site("GET", "cross-site")),
            ("a change from the same origin", site("POST", "same-origin")),
            ("a change from the address that was asked for", by("POST", "Origin", &own)),
        ];
        let mut refused = vec![("a change from another origin", by("POST", "Origin", "https://evil.example"))];
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let change = site(method, "cross-site");
            let told = change.clone().header("X-Forwarded-Method", "GET").header("X-Original-Method", "GET");
            let mut with_a_body = change.clone();
            with_a_body.body = Some("content".to_owned());
            refused.push(("a change from another site", change));
            refused.push(("one with a body", with_a_body));
            refused.push(("a change that says it is none", told));
        }
        for (what, request) in passing {
            self.passes(what, &request)?;
        }
        for (what, request) in refused {
            self.refused(what, 403, &request)?;
        }
        Ok(())
    }

    /// A handshake is a GET that a page of any site can make.
    pub(super) fn websockets(&mut self) -> Result<()> {
        let deployment = self.deployment;
        let own = format!("http://{}", deployment.proxy.address);
        let cookie = format!("{COOKIE}={}", deployment.full);
        let by_cookie = |origin: &str| handshake().header("Cookie", &cookie).header("Origin", origin);
        for (what, request) in [
            ("a token opens a websocket", handshake().token(&deployment.full)),
            ("a cookie opens one for its own origin", by_cookie(&own)),
        ] {
            let mut client = Client::new(deployment.proxy.address);
            let answer = client.ask(&request)?;
            let tunnel = answer.status == 101 && client.echo("ping").is_some_and(|echo| echo == "ping");
            self.check(what, tunnel, &answer);
        }
        self.refused("a websocket for another site", 403, &by_cookie("https://evil.example"))?;
        self.refused("a websocket without a word", 403, &by_cookie("null"))?;
        self.refused("nobody's websocket", 401, &handshake())?;
        self.refused("a websocket without the scope", 403, &handshake().token(&deployment.reads))?;
        Ok(())
    }

    /// The service gets the cookies that are its own.
    pub(super) fn cookies_of_the_service(&mut self) -> Result<()> {
        let deployment = self.deployment;
        let ours = format!("{COOKIE}={}", deployment.full);
        for (sent, kept) in [
            (ours.clone(), ""),
            (format!("a=1; {ours}; b=2"), "a=1; b=2"),
            (format!("{ours}; b=2"), "b=2"),
            (format!("a=1; {ours}"), "a=1"),
            (format!("a=1;{ours};b=2"), "a=1; b=2"),
            (format!("a=1; {ours}; thunderhead_session=x; b=2"), "a=1; b=2"),
            (format!("a=1; {ours}; thunderhead_session=x; {PASS}=y; b=2"), "a=1; b=2"),
            (format!("{PASS}=y; a=1"), "a=1"),
            (format!("a=1; {PASS}=y"), "a=1"),
            (format!("x{PASS}=1"), "x__Secure-thunderhead_pass=1"),
            (
                format!("xthunderhead_session=1; {ours}; thunderhead_session2=2"),
                "xthunderhead_session=1; thunderhead_session2=2",
            ),
            ("a=1; b=2".to_owned(), "a=1; b=2"),
        ] {
            // With the token, so that a cookie that is not ours passes too.
            let request = Request::new("GET", "/").token(&deployment.full).header("Cookie", &sent);
            let asked = self.passes("cookies", &request)?;
            let kept = if deployment.kind.keeps_other_cookies() { kept } else { "" };
            let seen = values(&asked, "Cookie").join("; ").replace(';', "; ").replace("  ", " ");
            self.equals(&format!("the cookies of {sent:?}"), &json!(seen), &json!(kept));
        }
        for sent in [
            format!("a=1; {COOKIE}=x; b=2; {COOKIE} = y"),
            format!("thunderhead_session=x; {COOKIE}=y;thunderhead_session=z"),
            format!("{PASS}=x; a=1; {PASS}=y"),
        ] {
            let asked =
                self.passes("cookies", &Request::new("GET", "/").token(&deployment.full).header("Cookie", &sent))?;
            let seen = values(&asked, "Cookie").join("; ");
            self.equals(&format!("several of ours: {seen:?}"), &json!(seen.contains("thunderhead")), &json!(false));
        }
        Ok(())
    }
}

fn handshake() -> Request {
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}
