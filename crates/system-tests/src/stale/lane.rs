//! One who makes users and sessions, waits until every replica caches them, and ends them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::doors::Door;
use super::ledger::{Probe, REPLICAS, Target};
use super::stage::Stage;
use super::ways::Way;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::{pause, wait_for};
use thunderhead_system_tests::requests::{Dice, PASSWORD, log_in, register};

/// How often each replica has accepted a token before it is ended: the second time, from memory.
const WARM: u32 = 2;
/// How often each replica is asked after the end, at least.
const TRIED: u32 = 3;
/// Nothing that is waited for takes longer.
const LONGEST: Duration = Duration::from_secs(60);
/// How often something is prepared anew when the database is away.
const TRIES: u32 = 200;

/// How sessions are ended.
pub(super) enum Act {
    /// By a request.
    Ask(Request),
    /// By the command line, with something on its standard input.
    Type(Vec<String>, String),
}

/// What is about to happen.
pub(super) struct Scene {
    pub(super) act: Act,
    /// What it ends.
    pub(super) ended: Vec<Arc<Target>>,
    /// What it spares.
    pub(super) spared: Vec<Arc<Target>>,
}

/// A user with sessions.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) uuid: String,
    pub(super) tokens: Vec<String>,
}

/// A member of staff with a second factor.
pub(super) struct Staff {
    pub(super) person: Person,
    /// A session that may do all that a scoped one may.
    pub(super) scoped: String,
    codes: Vec<String>,
}

pub(super) struct Lane<'a> {
    pub(super) stage: &'a Stage<'a>,
    clients: [Client; REPLICAS],
    dice: Dice,
    log: Vec<Probe>,
    staff: Option<Staff>,
    /// What was ended last.
    last: Vec<Arc<Target>>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, number: u32) -> Self {
        let clients = stage.addresses.map(Client::new);
        Self { stage, clients, dice: Dice::new(u64::from(number) + 1), log: vec![], staff: None, last: vec![] }
    }

    /// What it has asked goes into the ledger.
    pub(super) fn finish(self) {
        self.stage.ledger.keep(self.log);
    }

    /// Ends something in this way, while everybody asks for it. Returns whether that was answered.
    pub(super) fn perform(&mut self, way: Way) -> Result<bool> {
        let Scene { act, ended, spared } = self.prepare(way)?;
        let all = [ended.as_slice(), spared.as_slice()].concat();
        self.stage.heat(&all);
        let answered = self.end(way, &act, &ended, &all);
        self.stage.cool(&all);
        self.last = ended;
        answered.with_context(|| way.name())
    }

    fn prepare(&mut self, way: Way) -> Result<Scene> {
        let mut tries = 0;
        loop {
            match way.scene(self) {
                Ok(scene) => return Ok(scene),
                Err(_) if tries < TRIES => {
                    tries += 1;
                    pause(Duration::from_millis(20));
                }
                Err(error) => return Err(error.context(format!("cannot prepare {}", way.name()))),
            }
        }
    }

    fn end(&mut self, way: Way, act: &Act, ended: &[Arc<Target>], all: &[Arc<Target>]) -> Result<bool> {
        self.wait_until("every replica has accepted everything", all, |target| target.is_warm(WARM))?;
        let asked_at = self.stage.ledger.now();
        for target in ended {
            target.asked(asked_at);
        }
        let answered = self.act(act)?;
        let ended_at = self.stage.ledger.now();
        if !answered {
            return Ok(false);
        }
        for target in ended {
            target.ended(ended_at);
        }
        self.stage.ledger.revocation(way.name(), ended, ended_at - asked_at);
        // Nobody asks sooner than whoever got the answer.
        let first = self.dice.below(REPLICAS as u64) as usize;
        for replica in (0..REPLICAS).map(|step| (first + step) % REPLICAS) {
            for target in ended {
                let probe = self.stage.probe(&mut self.clients[replica], replica, target);
                self.log.push(probe);
            }
        }
        self.wait_until("every replica was asked afterwards", ended, |target| target.is_tried(TRIED))?;
        Ok(true)
    }

    /// Whether it was answered that it is done.
    fn act(&mut self, act: &Act) -> Result<bool> {
        match act {
            Act::Ask(request) => {
                let answer = self.client().ask(request)?;
                match answer.status {
                    200 | 201 | 204 => Ok(true),
                    503 => Ok(false),
                    _ => bail!("{} {}: {answer}", request.method, request.path),
                }
            }
            Act::Type(arguments, input) => {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                // Why it failed was printed; where it always does, that is found out at the end.
                Ok(self.stage.site.operate(&arguments, input).is_ok())
            }
        }
    }

    fn wait_until(&self, what: &str, targets: &[Arc<Target>], holds: impl Fn(&Target) -> bool) -> Result<()> {
        let waited = wait_for(what, LONGEST, || targets.iter().all(|target| holds(target)).then_some(()));
        let missing = || targets.iter().find(|target| !holds(target)).map(|target| target.standing());
        waited.map(drop).with_context(|| missing().unwrap_or_default())
    }

    /// A client of any replica.
    fn client(&mut self) -> &mut Client {
        let replica = self.dice.below(REPLICAS as u64) as usize;
        &mut self.clients[replica]
    }

    /// Asks any replica for something that has one right answer.
    pub(super) fn ask(&mut self, request: &Request, right: u16) -> Result<Answer> {
        let answer = self.client().ask(request)?;
        if answer.status != right {
            bail!("{} {}: {answer}", request.method, request.path);
        }
        Ok(answer)
    }

    /// What was ended last is about to be good again.
    pub(super) fn restore(&mut self) {
        for target in self.last.drain(..) {
            target.restored(self.stage.ledger.now());
        }
    }

    /// The same, again and again while the database is away.
    pub(super) fn insist(&mut self, request: &Request, right: u16) -> Result<Answer> {
        let what = format!("{} {}", request.method, request.path);
        wait_for(&what, LONGEST, || self.ask(request, right).ok()).map(|(answer, _)| answer)
    }

    /// Tokens for the ledger, shown wherever sessions are.
    pub(super) fn targets(&self, person: &Person, tokens: &[String]) -> Vec<Arc<Target>> {
        let doors = || Door::of_sessions(self.stage.kratos);
        tokens.iter().map(|token| self.stage.ledger.target(token, &person.id, doors())).collect()
    }

    /// A new user with so many sessions.
    pub(super) fn person(&mut self, sessions: usize) -> Result<Person> {
        let name = self.stage.name();
        let mut tokens = vec![self.ask(&register(&name), 201)?.text("token")];
        while tokens.len() < sessions {
            tokens.push(self.ask(&log_in(&name, PASSWORD), 201)?.text("token"));
        }
        let user = self.ask(&Request::new("GET", "/api/users/me").token(&tokens[0]), 200)?;
        Ok(Person { name, id: user.text("id"), uuid: user.text("uuid"), tokens })
    }

    /// A new user whose sessions are of the Kratos dialect.
    pub(super) fn kratos_person(&mut self, sessions: usize) -> Result<Person> {
        let mut person = self.person(1)?;
        person.tokens.clear();
        let submission = json!({"method": "password", "identifier": person.name, "password": PASSWORD});
        while person.tokens.len() < sessions {
            let flow = self.ask(&Request::new("GET", "/auth/self-service/login/api"), 200)?.text("id");
            let submit = Request::new("POST", &format!("/auth/self-service/login?flow={flow}")).json(&submission);
            person.tokens.push(self.ask(&submit, 200)?.text("session_token"));
        }
        Ok(person)
    }

    /// The id and the uuid of a token's session.
    pub(super) fn session(&mut self, token: &str) -> Result<(String, String)> {
        let session = self.ask(&Request::new("GET", "/api/users/me/sessions/me").token(token), 200)?;
        Ok((session.member("id").to_string().replace('"', ""), session.text("uuid")))
    }

    /// The ids of tokens' sessions.
    pub(super) fn ids(&mut self, tokens: &[String]) -> Result<Vec<String>> {
        tokens.iter().map(|token| Ok(self.session(token)?.0)).collect()
    }

    /// The member of staff who ends others' sessions here: their id and their scoped session.
    pub(super) fn staff(&mut self) -> Result<(String, String)> {
        let staff = match self.staff.take() {
            Some(staff) => staff,
            None => self.new_staff(1)?,
        };
        let known = (staff.person.id.clone(), staff.scoped.clone());
        self.staff = Some(staff);
        Ok(known)
    }

    /// Theirs has ended.
    pub(super) fn forget_staff(&mut self) {
        self.staff = None;
    }

    /// A request by that member of staff that proves identity.
    pub(super) fn proved(&mut self, method: &str, path: &str, body: &Value) -> Result<Request> {
        self.staff()?;
        let staff = self.staff.take_if(|staff| !staff.codes.is_empty());
        let mut staff = staff.map_or_else(|| self.new_staff(1), Ok)?;
        let request = self.proved_by(&mut staff, method, path, body);
        self.staff = Some(staff);
        request
    }

    fn proved_by(&mut self, staff: &mut Staff, method: &str, path: &str, body: &Value) -> Result<Request> {
        let bare = Request::new(method, path).token(&staff.person.tokens[0]);
        let mut body = body.clone();
        body["password"] = json!(PASSWORD);
        let challenge = self.ask(&bare.clone().json(&body), 401)?.text("token");
        let code = staff.codes.pop().context("no backup code is left")?;
        if let Some(fields) = body.as_object_mut() {
            fields.remove("password");
        }
        body["2fa"] = json!({"token": challenge, "type": "backup", "code": code});
        Ok(bare.json(&body))
    }

    /// A new member of staff with so many full sessions.
    pub(super) fn new_staff(&mut self, sessions: usize) -> Result<Staff> {
        let mut person = self.person(1)?;
        let mut codes = self.enrol(&person)?;
        self.stage.site.operate(&["user", "promote", &person.name], "")?;
        // With sessions that were opened by staff: none is cached as anybody else's.
        person.tokens.clear();
        while person.tokens.len() < sessions {
            let challenge = self.ask(&log_in(&person.name, PASSWORD), 401)?.text("token");
            let code = codes.pop().context("no backup code is left")?;
            let answer = json!({"2fa": {"token": challenge, "type": "backup", "code": code}});
            person.tokens.push(self.ask(&Request::new("POST", "/api/login").json(&answer), 201)?.text("token"));
        }
        let mut staff = Staff { person, scoped: String::new(), codes };
        let wish = json!({"name": "staff script", "permissionFlags": 1});
        let request = self.proved_by(&mut staff, "POST", "/api/users/me/sessions", &wish)?;
        staff.scoped = self.ask(&request, 201)?.text("token");
        Ok(staff)
    }

    /// Enrols an authenticator app as the first factor. Returns the backup codes.
    fn enrol(&mut self, person: &Person) -> Result<Vec<String>> {
        let path = "/api/users/me/2fa/totp";
        let post = |path: &str, body: Value| Request::new("POST", path).token(&person.tokens[0]).json(&body);
        let offer = self.ask(&post(path, json!({"password": PASSWORD})), 200)?;
        let code = code(&offer.text("secret"))?;
        let body = json!({"token": offer.text("token"), "name": "app", "code": code});
        let enrolled = self.ask(&post(&format!("{path}/confirm"), body), 201)?;
        let codes = serde_json::from_value(enrolled.member("codes"))?;
        Ok(codes)
    }
}

/// The code that an authenticator app shows now.
#[expect(clippy::disallowed_methods, reason = "the servers under test live in real time")]
fn code(secret: &str) -> Result<String> {
    let secret = Secret::try_from_base32(secret).ok().context("a secret that is not base32")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    Ok(Builder::new().with_secret(secret).build_noncompliant().generate(now).to_string())
}
