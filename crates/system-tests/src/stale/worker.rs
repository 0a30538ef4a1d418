//! A client that makes users and sessions, and has staff who may end them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::ledger::{Probe, REPLICAS, Target};
use super::run::{ProbeClients, StaleRun};
use super::token_checks::TokenCheck;
use thunderhead_system_tests::live::http::{Answer, Client, Request};
use thunderhead_system_tests::live::wait_for;
use thunderhead_system_tests::requests::{Dice, PASSWORD, log_in, register, totp_code};

/// Nothing that is waited for takes longer.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

pub(super) enum Trigger {
    Request(Request),
    /// By the command line, with something on its standard input.
    Command(Vec<String>, String),
}

/// What is about to happen.
pub(super) struct PreparedEnding {
    pub(super) trigger: Trigger,
    pub(super) ended: Vec<Arc<Target>>,
    pub(super) spared: Vec<Arc<Target>>,
}

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

pub(super) struct Worker<'a> {
    pub(super) run: &'a StaleRun<'a>,
    pub(super) clients: [Client; REPLICAS],
    pub(super) probes: [ProbeClients; REPLICAS],
    pub(super) dice: Dice,
    pub(super) log: Vec<Probe>,
    staff: Option<Staff>,
    pub(super) last: Vec<Arc<Target>>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(run: &'a StaleRun<'a>, number: u32) -> Self {
        let clients = run.addresses.map(Client::new);
        let probes = std::array::from_fn(|replica| run.clients_of(replica));
        Self { run, clients, probes, dice: Dice::new(u64::from(number) + 1), log: vec![], staff: None, last: vec![] }
    }

    /// What it has asked goes into the ledger.
    pub(super) fn finish(self) {
        self.run.ledger.keep(self.log);
    }

    /// A client of any replica.
    pub(super) fn client(&mut self) -> &mut Client {
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
            target.restored(self.run.ledger.now());
        }
    }

    /// The same, again and again while the database is away.
    pub(super) fn insist(&mut self, request: &Request, right: u16) -> Result<Answer> {
        let what = format!("{} {}", request.method, request.path);
        wait_for(&what, LONGEST, || self.ask(request, right).ok()).map(|(answer, _)| answer)
    }

    /// Tokens for the ledger, shown wherever sessions are.
    pub(super) fn targets(&self, person: &Person, tokens: &[String]) -> Vec<Arc<Target>> {
        let checks = || TokenCheck::of_sessions(self.run.kratos);
        tokens.iter().map(|token| self.run.ledger.target(token, &person.id, checks())).collect()
    }

    /// A new user with so many sessions.
    pub(super) fn person(&mut self, sessions: usize) -> Result<Person> {
        let name = self.run.name();
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
        self.run.site.operate(&["user", "promote", &person.name], "")?;
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
        let code = totp_code(&offer.text("secret"), 0)?;
        let body = json!({"token": offer.text("token"), "name": "app", "code": code});
        let enrolled = self.ask(&post(&format!("{path}/confirm"), body), 201)?;
        let codes = serde_json::from_value(enrolled.member("codes"))?;
        Ok(codes)
    }
}
