//! What a proxy must do: hand on who calls, refuse who may not, and believe no client.

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::kind::ProxyKind;
use super::proxy::{Block, Proxy};
use super::upstream::{COOKIES, FAILING, FAILURE, Upstream};
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::live::{TestBed, wait_for};

/// The headers that say who calls (`GET /forward-auth`).
const IDENTITY: [&str; 8] = [
    "X-User-Id",
    "X-User-Name",
    "X-User-Staff",
    "X-Session-Id",
    "X-Session-Scopes",
    "X-Auth-Time",
    "X-Auth-Methods",
    "X-Auth-Level",
];
pub(super) const PASSWORD: &str = "seven kettles on the moor";
const LONGEST: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Count {
    pub(super) checks: u32,
    pub(super) failed: u32,
}

impl AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.checks += more.checks;
        self.failed += more.failed;
    }
}

/// A proxy before a service and a Thunderhead with users.
pub(super) struct Deployment<'a> {
    pub(super) kind: ProxyKind,
    pub(super) proxy: Proxy,
    pub(super) thunderhead: SocketAddr,
    upstream: &'a Upstream,
    user_id: String,
    pub(super) full: String,
    uploads: String,
    pub(super) reads: String,
    ended: String,
    to_be_ended: String,
    banned: String,
}

impl<'a> Deployment<'a> {
    pub(super) fn set_up(
        site: &Site,
        server: &Server,
        kind: ProxyKind,
        block: &Block,
        upstream: &'a Upstream,
    ) -> Result<Self> {
        let proxy = Proxy::start(block, server.address, upstream.address)?;
        let mut client = Client::new(server.address);
        let mut token = |request: &Request| anyhow::Ok(client.ask(request)?.text("token"));
        let register = |name: &str| {
            let email = format!("{name}@example.org");
            let body = json!({"username": name, "email": email, "password": PASSWORD, "confirmPassword": PASSWORD});
            Request::new("POST", "/api/register").json(&body)
        };
        let (full, banned) = (token(&register("ada"))?, token(&register("mallory"))?);
        site.operate(&["user", "ban", "mallory"], "")?;
        let scoped = |flags: u32| {
            let body = json!({"name": "script", "permissionFlags": flags, "password": PASSWORD});
            Request::new("POST", "/api/users/me/sessions").token(&full).json(&body)
        };
        let (uploads, reads) = (token(&scoped(2))?, token(&scoped(4))?);
        let login = Request::new("POST", "/api/login").json(&json!({"username": "ada", "password": PASSWORD}));
        let (ended, to_be_ended) = (token(&login)?, token(&login)?);
        client.ask(&Request::new("DELETE", "/api/users/me/sessions/me").token(&ended))?;
        let user_id = client.ask(&Request::new("GET", "/api/users/me").token(&full))?.text("id");
        let thunderhead = server.address;
        Ok(Self { kind, proxy, thunderhead, upstream, user_id, full, uploads, reads, ended, to_be_ended, banned })
    }

    /// Where the service is.
    pub(super) const fn service(&self) -> SocketAddr {
        self.upstream.address
    }

    /// The same users behind another proxy of this kind, before another server on the same database.
    pub(super) fn behind(&self, proxy: Proxy, thunderhead: SocketAddr) -> Self {
        Self {
            kind: self.kind,
            proxy,
            thunderhead,
            upstream: self.upstream,
            user_id: self.user_id.clone(),
            full: self.full.clone(),
            uploads: self.uploads.clone(),
            reads: self.reads.clone(),
            ended: self.ended.clone(),
            to_be_ended: self.to_be_ended.clone(),
            banned: self.banned.clone(),
        }
    }

    /// Checks everything, and at last without Thunderhead.
    pub(super) fn check(&self, server: Server, bed: &mut TestBed, violations: &Violations) -> Result<Count> {
        let mut checks = Checks::new(self, violations);
        checks.those_who_may()?;
        checks.forgeries()?;
        checks.those_who_may_not()?;
        checks.who_may_no_more()?;
        checks.changes_by_cookie()?;
        checks.websockets()?;
        checks.cookies_of_the_service()?;
        checks.what_the_service_says()?;
        let full = Request::new("GET", "/").token(&self.full);
        bed.cluster.stop(&bed.postgres)?;
        checks.unavailable("the database is away", 503, &full)?;
        bed.cluster.start_again(&bed.postgres)?;
        wait_for("Postgres", LONGEST, || bed.cluster.is_ready(&bed.postgres).then_some(()))?;
        let back = || self.ask(&full).ok().filter(|answer| answer.status == 200);
        wait_for("service after the database came back", LONGEST, back)?;
        server.kill()?;
        checks.unavailable("Thunderhead is away", self.kind.status_alone(), &full)?;
        Ok(checks.count)
    }

    fn ask(&self, request: &Request) -> Result<Answer> {
        Ok(Client::patient_for(self.proxy.address, LONGEST).ask(request)?)
    }
}

pub(super) struct Checks<'a> {
    pub(super) deployment: &'a Deployment<'a>,
    violations: &'a Violations,
    count: Count,
}

impl<'a> Checks<'a> {
    pub(super) fn new(deployment: &'a Deployment<'a>, violations: &'a Violations) -> Self {
        Self { deployment, violations, count: Count::default() }
    }

    pub(super) const fn into_count(self) -> Count {
        self.count
    }
}

impl Checks<'_> {
    pub(super) fn check(&mut self, what: &str, holds: bool, seen: &Answer) {
        self.count.checks += 1;
        if !holds {
            self.count.failed += 1;
            self.violations.add(format!("{}: {what}: {seen} {:?}", self.deployment.kind, seen.headers));
        }
    }

    /// It passes. Returns what the service was asked.
    pub(super) fn passes(&mut self, what: &str, request: &Request) -> Result<Value> {
        let answer = self.deployment.ask(request)?;
        self.check(what, answer.status == 200, &answer);
        Ok(serde_json::from_str(&answer.body).unwrap_or_default())
    }

    /// It is refused, and the service hears nothing of it.
    pub(super) fn refused(&mut self, what: &str, status: u16, request: &Request) -> Result<Answer> {
        let before = self.deployment.upstream.asked();
        let answer = self.deployment.ask(request)?;
        let heard = self.deployment.upstream.asked() > before;
        self.check(what, answer.status == status && !heard, &answer);
        Ok(answer)
    }

    fn unavailable(&mut self, what: &str, status: u16, request: &Request) -> Result<()> {
        for method in ["GET", "POST"] {
            let request = Request { method: method.to_owned(), ..request.clone() };
            let answer = self.refused(&format!("{what}, {method}"), status, &request)?;
            let told = status != 503 || answer.header("retry-after").is_some();
            self.check(&format!("{what}: Retry-After"), told, &answer);
        }
        Ok(())
    }

    pub(super) fn equals(&mut self, what: &str, seen: &Value, expected: &Value) {
        self.count.checks += 1;
        if seen != expected {
            self.count.failed += 1;
            self.violations.add(format!("{}: {what}: {seen}, expected {expected}", self.deployment.kind));
        }
    }

    fn those_who_may(&mut self) -> Result<()> {
        let deployment = self.deployment;
        let asked = self.passes("a full session", &Request::new("GET", "/a?b=c").token(&deployment.full))?;
        self.equals("the path and the query", &asked["path"], &json!("/a?b=c"));
        self.equals("the user's id", &sole(&asked, "X-User-Id"), &json!(deployment.user_id));
        self.equals("the user's name", &sole(&asked, "X-User-Name"), &json!("ada"));
        self.equals("the user's title", &sole(&asked, "X-User-Staff"), &json!("false"));
        self.equals("the scopes", &sole(&asked, "X-Session-Scopes"), &json!("FULL"));
        self.equals("how it was proved", &sole(&asked, "X-Auth-Methods"), &json!("pwd"));
        self.equals("how well", &sole(&asked, "X-Auth-Level"), &json!("aal1"));
        let authenticated = format!("Bearer {}", deployment.full);
        self.passes("a bearer token", &Request::new("GET", "/").token(&authenticated))?;
        let asked = self.passes("a scoped session", &Request::new("GET", "/").token(&deployment.uploads))?;
        self.equals("its scopes", &sole(&asked, "X-Session-Scopes"), &json!("UPLOAD_FILE"));
        let mut upload = Request::new("POST", "/files").token(&deployment.uploads).header("Content-Type", "text/plain");
        upload.body = Some("content ".repeat(500));
        let asked = self.passes("an upload", &upload)?;
        self.equals("its method", &asked["method"], &json!("POST"));
        self.equals("its body", &asked["body"], &json!(upload.body));
        let head = deployment.ask(&Request::new("HEAD", "/").token(&deployment.full))?;
        self.check("HEAD", head.status == 200, &head);
        Ok(())
    }

    /// What a client says of itself does not reach the service, in whatever case and number.
    fn forgeries(&mut self) -> Result<()> {
        let deployment = self.deployment;
        for name in IDENTITY {
            let request = Request::new("GET", "/").token(&deployment.full).header(name, "forged");
            let request = request.header(&name.to_lowercase(), "forged").header(&name.to_uppercase(), "forged");
            let asked = self.passes("forged headers", &request)?;
            let values = values(&asked, name);
            let forged = values.len() != 1 || values[0].contains("forged");
            self.equals(&format!("a forged {name}: {values:?}"), &json!(forged), &json!(false));
        }
        let inside = deployment.ask(&Request::new("GET", "/_auth"))?;
        self.check("the question itself is not to be had", matches!(inside.status, 401 | 404), &inside);
        Ok(())
    }

    fn those_who_may_not(&mut self) -> Result<()> {
        let deployment = self.deployment;
        let get = |token: &str| Request::new("GET", "/").token(token);
        let nobody = self.refused("nobody", 401, &Request::new("GET", "/"))?;
        self.check("how to authenticate", nobody.header("www-authenticate").is_some(), &nobody);
        self.refused("nobody's change", 401, &Request::new("DELETE", "/"))?;
        self.refused("a made-up token", 401, &get("made.up.token"))?;
        self.refused("an ended session", 401, &get(&deployment.ended))?;
        self.refused("a session without the scope", 403, &get(&deployment.reads))?;
        self.refused("its query", 403, &Request::new("GET", "/?scope=ACCOUNT_READ").token(&deployment.reads))?;
        self.refused("a banned user", 403, &get(&deployment.banned))?;
        Ok(())
    }

    /// The next request after its end is refused.
    fn who_may_no_more(&mut self) -> Result<()> {
        let deployment = self.deployment;
        let get = Request::new("GET", "/").token(&deployment.to_be_ended);
        self.passes("a session that is about to end", &get)?;
        let mut client = Client::new(deployment.thunderhead);
        client.ask(&Request::new("DELETE", "/api/users/me/sessions/me").token(&deployment.to_be_ended))?;
        self.refused("a session that has just ended", 401, &get)?;
        Ok(())
    }

    /// It reaches the client as it is.
    fn what_the_service_says(&mut self) -> Result<()> {
        let answer = self.deployment.ask(&Request::new("GET", "/").token(&self.deployment.full))?;
        let kept = answer.headers_of("set-cookie").eq(COOKIES);
        self.check("the service's cookies", kept, &answer);
        let answer = self.deployment.ask(&Request::new("GET", FAILING).token(&self.deployment.full))?;
        self.check("the service's own failure", answer.status == 500 && answer.body == FAILURE, &answer);
        Ok(())
    }
}

/// All values of a header of a request that the service was sent.
pub(super) fn values(asked: &Value, name: &str) -> Vec<String> {
    let headers = asked["headers"].as_array().into_iter().flatten();
    let of_name = headers.filter(|header| header[0] == json!(name.to_lowercase()));
    of_name.map(|header| header[1].as_str().unwrap_or_default().to_owned()).collect()
}

/// The only value of it; null where there is none or several.
fn sole(asked: &Value, name: &str) -> Value {
    match values(asked, name).as_slice() {
        [value] => json!(value),
        _ => Value::Null,
    }
}
