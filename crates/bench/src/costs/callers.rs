//! The server under test and those who call it: kept alive while the cases end sessions and delete accounts.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::processor_time::ProcessorTime;
use super::texts::NUMBER;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, register, totp_code};

/// The right password of everybody here.
pub(super) const GOOD_PASSWORD: &str = PASSWORD;
/// The page that security keys are used on.
pub(super) const ORIGIN: &str = "http://localhost:8000";
/// Seconds for which an authenticator app shows a code.
const STEP: u64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallerKind {
    Anonymous,
    User,
    Scoped,
    Staff,
    StaffScoped,
    /// A user with very many sessions and as many factors as there may be.
    Full,
}

impl CallerKind {
    pub(super) const ALL: [Self; 6] =
        [Self::Anonymous, Self::User, Self::Scoped, Self::Staff, Self::StaffScoped, Self::Full];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::Scoped => "scoped",
            Self::Staff => "staff",
            Self::StaffScoped => "staff, scoped",
            Self::Full => "full account",
        }
    }
}

/// Somebody with a session, and all that they and it are called.
#[derive(Clone, Debug, Default)]
pub(super) struct TestAccount {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) uid: String,
    pub(super) sid: String,
    pub(super) uuid: String,
    pub(super) session_uuid: String,
    pub(super) codes: Vec<String>,
    secrets: Vec<String>,
}

pub(super) struct Callers {
    pub(super) client: Client,
    pub(super) processor: ProcessorTime,
    pub(super) flow: String,
    pub(super) full: TestAccount,
    /// Of the full account, since it was made.
    pub(super) wrong_answers: u32,
    known: Vec<(CallerKind, TestAccount)>,
    victim: TestAccount,
    serial: u64,
    site: Site,
    _server: Server,
}

impl Callers {
    /// A server on a site that has the full account.
    pub(super) fn new(site: Site, server: Server, full: TestAccount) -> Result<Self> {
        let client = Client::new(server.address);
        let processor = ProcessorTime::new(server.pid());
        let mut callers = Self {
            client,
            processor,
            flow: String::new(),
            full,
            wrong_answers: 0,
            known: vec![],
            victim: TestAccount::default(),
            serial: 0,
            site,
            _server: server,
        };
        callers.flow = callers.ask(&Request::new("GET", "/auth/self-service/login/api"), 200)?.text("id");
        callers.victim = callers.new_user("victim")?;
        Ok(callers)
    }

    /// Asks for what must be answered like this.
    pub(super) fn ask(&mut self, request: &Request, status: u16) -> Result<Answer> {
        expect(&mut self.client, request, status)
    }

    /// With another number in the place of each placeholder.
    pub(super) fn numbered(&mut self, mut request: Request) -> Request {
        self.serial += 1;
        let number = self.serial.to_string();
        request.path = request.path.replace(NUMBER, &number);
        request.body = request.body.map(|body| body.replace(NUMBER, &number));
        for (_, value) in &mut request.headers {
            if value.contains(NUMBER) {
                *value = value.replace(NUMBER, &number);
            }
        }
        request
    }

    /// Whoever calls as this kind; nobody where that is an anonymous one. One that may be dead is replaced if it is.
    pub(super) fn caller(&mut self, kind: CallerKind, may_be_dead: bool) -> Result<Option<TestAccount>> {
        let known = match kind {
            CallerKind::Anonymous => return Ok(None),
            CallerKind::Full => return Ok(Some(self.full.clone())),
            _ => self.known.iter().find(|(known, _)| *known == kind).map(|(_, account)| account.clone()),
        };
        if let Some(account) = known
            && (!may_be_dead || self.is_alive(&account)?)
        {
            return Ok(Some(account));
        }
        self.replace(kind).map(Some)
    }

    /// A new one of this kind.
    pub(super) fn replace(&mut self, kind: CallerKind) -> Result<TestAccount> {
        let account = match kind {
            CallerKind::Anonymous | CallerKind::Full => bail!("{} cannot be replaced", kind.name()),
            CallerKind::User => self.new_user("user")?,
            CallerKind::Scoped => {
                let account = self.new_user("scoped")?;
                let token =
                    self.ask(&scoped_session(&account.token, json!({"password": PASSWORD})), 201)?.text("token");
                known_as(&mut self.client, &account.name, token)?
            }
            CallerKind::Staff => self.new_staff()?,
            CallerKind::StaffScoped => {
                let mut account = self.new_staff()?;
                let challenge = self.ask(&scoped_session(&account.token, json!({"password": PASSWORD})), 401)?;
                let answer = json!({"2fa": backup(&challenge, &mut account.codes)?});
                let token = self.ask(&scoped_session(&account.token, answer), 201)?.text("token");
                known_as(&mut self.client, &account.name, token)?
            }
        };
        self.known.retain(|(known, _)| *known != kind);
        self.known.push((kind, account.clone()));
        Ok(account)
    }

    /// Another user, for whoever may change them.
    pub(super) fn victim(&mut self, must_live: bool) -> Result<TestAccount> {
        let victim = self.victim.clone();
        if must_live && !self.is_alive(&victim)? {
            self.victim = self.new_user("victim")?;
        }
        Ok(self.victim.clone())
    }

    pub(super) fn new_user(&mut self, beginning: &str) -> Result<TestAccount> {
        self.serial += 1;
        let name = format!("{beginning}-{}", self.serial);
        new_user(&mut self.client, &name)
    }

    /// The operator's command line.
    pub(super) fn operate(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.site.operate(arguments, input)
    }

    fn is_alive(&mut self, account: &TestAccount) -> Result<bool> {
        Ok(send(&mut self.client, &Request::new("GET", "/api/users/me").token(&account.token))?.status == 200)
    }

    fn new_staff(&mut self) -> Result<TestAccount> {
        self.serial += 1;
        let name = format!("staff-{}", self.serial);
        let address = address_of(&name);
        self.operate(&["user", "create", &name, "--email", &address, "--password-stdin", "--staff"], PASSWORD)?;
        let token = self.ask(&log_in(&name, PASSWORD), 201)?.text("token");
        let mut account = TestAccount { name, token, ..TestAccount::default() };
        enrol_app(&mut self.client, &mut account, "app")?;
        // Through the challenge: a session that was asked for its factor.
        let challenge = self.ask(&log_in(&account.name, PASSWORD), 401)?;
        let answer = json!({"2fa": backup(&challenge, &mut account.codes)?});
        let token = self.ask(&Request::new("POST", "/api/login").json(&answer), 201)?.text("token");
        Ok(TestAccount { codes: account.codes, ..known_as(&mut self.client, &account.name, token)? })
    }
}

/// A user with so many sessions, as many factors as there may be, and scoped sessions beside. Hashing is to be cheap.
pub(super) fn full_account(client: &mut Client, sessions: u32, scoped: u32) -> Result<TestAccount> {
    let mut account = crowd(client, "full", sessions)?;
    for _ in 0..scoped {
        expect(client, &scoped_session(&account.token, json!({"password": PASSWORD})), 201)?;
    }
    for number in 1..=19 {
        enrol_app(client, &mut account, &format!("app {number}"))?;
    }
    Ok(account)
}

pub(super) fn crowd(client: &mut Client, name: &str, sessions: u32) -> Result<TestAccount> {
    let account = new_user(client, name)?;
    for _ in 1..sessions {
        expect(client, &log_in(name, PASSWORD), 201)?;
    }
    Ok(account)
}

fn new_user(client: &mut Client, name: &str) -> Result<TestAccount> {
    let token = expect(client, &register(name), 201)?.text("token");
    known_as(client, name, token)
}

/// Asks what everything about a session is called.
fn known_as(client: &mut Client, name: &str, token: String) -> Result<TestAccount> {
    let uid = expect(client, &Request::new("GET", "/api/users/me").token(&token), 200)?.text("id");
    let who = expect(client, &Request::new("GET", "/auth/sessions/whoami").token(&token), 200)?;
    let identity = who.member("identity");
    let sid = expect(client, &Request::new("GET", "/api/users/me/sessions/me").token(&token), 200)?.member("id");
    Ok(TestAccount {
        name: name.to_owned(),
        token,
        uid,
        sid: sid.as_str().map_or_else(|| sid.to_string(), str::to_owned),
        uuid: identity["id"].as_str().unwrap_or_default().to_owned(),
        session_uuid: who.text("id"),
        ..TestAccount::default()
    })
}

fn scoped_session(token: &str, proof: Value) -> Request {
    let mut body = proof;
    body["name"] = json!("script");
    // ALL.
    body["permissionFlags"] = json!(1);
    Request::new("POST", "/api/users/me/sessions").token(token).json(&body)
}

/// Enrols an authenticator app; the one before proves the identity.
fn enrol_app(client: &mut Client, account: &mut TestAccount, name: &str) -> Result<()> {
    let path = "/api/users/me/2fa/totp";
    let offer = offered(client, account, path)?;
    let secret = offer.text("secret");
    let body = json!({"token": offer.text("token"), "name": name, "code": totp_code(&secret, 0)?});
    let confirmation = Request::new("POST", &format!("{path}/confirm")).token(&account.token).json(&body);
    let enrolled = expect(client, &confirmation, 201)?;
    account.secrets.push(secret);
    if let Value::Array(codes) = enrolled.member("codes") {
        account.codes = codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect();
    }
    Ok(())
}

/// Asks for an offer to enrol, with password and factor.
pub(super) fn offered(client: &mut Client, account: &mut TestAccount, path: &str) -> Result<Answer> {
    let post = |body: &Value| Request::new("POST", path).token(&account.token).json(body);
    let answer = send(client, &post(&json!({"password": PASSWORD})))?;
    if answer.status == 200 {
        return Ok(answer);
    }
    // Of the app that was enrolled last only the step of its confirmation is used.
    let secret = account.secrets.last().with_context(|| format!("no offer: {answer}"))?;
    let proof = json!({"token": answer.text("token"), "type": "totp", "code": totp_code(secret, STEP)?});
    expect(client, &post(&json!({"2fa": proof})), 200)
}

/// The answer to a challenge by a backup code.
pub(super) fn backup(challenge: &Answer, codes: &mut Vec<String>) -> Result<Value> {
    let code = codes.pop().context("no backup code is left")?;
    Ok(json!({"token": challenge.text("token"), "type": "backup", "code": code}))
}

/// Asks, over a new connection where the old one has ended: the server hangs up on those who send too much.
pub(super) fn send(client: &mut Client, request: &Request) -> Result<Answer> {
    match client.ask(request) {
        Ok(answer) => Ok(answer),
        Err(_) => Ok(client.ask(request)?),
    }
}

fn expect(client: &mut Client, request: &Request, status: u16) -> Result<Answer> {
    let answer = send(client, request)?;
    if answer.status != status {
        bail!("{} {}: {answer} instead of {status}", request.method, request.path);
    }
    Ok(answer)
}

/// An object as text, of which some values are not to be read and written again.
pub(super) fn object_text(body: &Map<String, Value>, raw: &[(&str, &str)]) -> String {
    let kept = body.iter().filter(|(name, _)| raw.iter().all(|(changed, _)| changed != name));
    let kept = kept.map(|(name, value)| format!("{}:{value}", json!(name)));
    let changed = raw.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
    format!("{{{}}}", kept.chain(changed).collect::<Vec<_>>().join(","))
}
