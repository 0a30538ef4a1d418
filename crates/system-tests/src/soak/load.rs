//! A steady mixed load: clients who check, list, log in, end, change passwords and use tokens, so many times a second, and
//! a service that reads the feed. What is answered otherwise than it must be is a violation, unless a fault was under way, or
//! the server says that it is too busy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use thunderhead_system_tests::live::http::{Answer, Client, NoAnswer, Request};
use thunderhead_system_tests::live::pause;
use thunderhead_system_tests::live::report::Violations;
use thunderhead_system_tests::requests::{Dice, PASSWORD, log_in, log_out, register, who_am_i};

pub(super) const CLIENTS: u32 = 8;
/// Accounts of each client.
const PEOPLE: u32 = 8;
/// Sessions that a person has at a time.
const MOST: usize = 4;
const REPLICAS: usize = 2;
/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(15);
/// A person's password is one of these.
const PASSWORDS: [&str; 2] = [PASSWORD, "nine lanterns by the weir"];
/// So that sessions are named after a client, as those of browsers are.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// `ACCOUNT_READ` and `SESSION_MODIFY`.
const SCOPES: u64 = 4 + 64;

/// How long answers took, in nanoseconds.
#[derive(Default)]
pub(super) struct Latencies {
    pub(super) reads: Vec<u64>,
    pub(super) changes: Vec<u64>,
}

/// What clients and whoever makes faults know of each other.
pub(super) struct SoakState<'a> {
    addresses: Mutex<[SocketAddr; REPLICAS]>,
    /// Goes up where a fault begins and where it is over: odd while one is under way.
    fault: AtomicU64,
    over: AtomicBool,
    latencies: Mutex<Latencies>,
    /// What each replica has answered.
    answered: [AtomicU64; REPLICAS],
    pub(super) events: AtomicU64,
    /// What a server had no time for: a busy machine is no fault of its own, but it may not be many.
    pub(super) refused: AtomicU64,
    violations: &'a Violations,
}

/// It was not answered as it must be, and it was told where that matters.
struct Failed;

impl<'a> SoakState<'a> {
    pub(super) fn new(addresses: [SocketAddr; REPLICAS], violations: &'a Violations) -> Self {
        Self {
            addresses: Mutex::new(addresses),
            fault: AtomicU64::new(0),
            over: AtomicBool::new(false),
            latencies: Mutex::default(),
            answered: [AtomicU64::new(0), AtomicU64::new(0)],
            events: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            violations,
        }
    }

    pub(super) fn addresses(&self) -> [SocketAddr; REPLICAS] {
        *held(&self.addresses)
    }

    pub(super) fn replica_is_at(&self, number: usize, address: SocketAddr) {
        if let Some(place) = held(&self.addresses).get_mut(number) {
            *place = address;
        }
    }

    pub(super) fn fault_begins(&self) {
        self.fault.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn fault_is_over(&self) {
        self.fault.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What was noted since the last time.
    pub(super) fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut *held(&self.latencies))
    }

    pub(super) fn answered_by(&self, replica: usize) -> u64 {
        self.answered.get(replica).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Asks, and tells of an answer that is none of those, unless there was a fault meanwhile. Refusals are counted.
    fn expect(
        &self,
        what: &str,
        statuses: &[u16],
        ask: impl FnOnce() -> Result<Answer, NoAnswer>,
    ) -> Result<Answer, Failed> {
        let before = self.fault.load(Ordering::SeqCst);
        let answer = match ask() {
            Ok(answer) if statuses.contains(&answer.status) => return Ok(answer),
            Ok(answer) if answer.status == 503 && answer.header("retry-after").is_some() => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Failed);
            }
            Ok(answer) => answer.to_string(),
            Err(error) => error.to_string(),
        };
        let calm = before.is_multiple_of(2) && self.fault.load(Ordering::SeqCst) == before;
        self.violations.unless(!calm, || format!("soak: {what}: {answer}"));
        Err(Failed)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Person {
    name: String,
    is_registered: bool,
    password: usize,
    tokens: Vec<String>,
}

/// One client with a connection to each replica, and its people.
pub(super) struct LoadClient<'a> {
    shared: &'a SoakState<'a>,
    service: &'a str,
    connections: [Option<(SocketAddr, Client)>; REPLICAS],
    people: Vec<Person>,
    dice: Dice,
}

impl<'a> LoadClient<'a> {
    /// The service is what may introspect: its name and secret.
    pub(super) fn new(number: u32, shared: &'a SoakState<'a>, service: &'a str) -> Self {
        let person =
            |which| Person { name: format!("soak{number}x{which}"), is_registered: false, password: 0, tokens: vec![] };
        Self {
            shared,
            service,
            connections: [None, None],
            people: (0..PEOPLE).map(person).collect(),
            dice: Dice::new(u64::from(number) + 900),
        }
    }

    /// Does something each time so much time has passed, until all is over. What could not be done in time is left out.
    pub(super) fn work(&mut self, interval: Duration) {
        let mut next = Instant::now();
        while !self.shared.is_over() {
            next = (next + interval).max(Instant::now());
            pause(next.saturating_duration_since(Instant::now()));
            let mut which = self.dice.below(u64::from(PEOPLE)) as usize;
            // Those who are not there yet come first.
            which = self.people.iter().position(|person| !person.is_registered).unwrap_or(which);
            let mut person = self.people.swap_remove(which);
            if self.act(&mut person).is_err() {
                // What has become of the request is not known: the next step is to begin anew.
                person.tokens.clear();
            }
            self.people.push(person);
        }
    }

    fn act(&mut self, person: &mut Person) -> Result<(), Failed> {
        if !person.is_registered {
            return self.join(person);
        }
        let Some(token) = person.tokens.first().cloned() else { return self.begin_anew(person) };
        match self.dice.below(100) {
            0..60 => self.read("a check", &who_am_i(&token)),
            60..68 => self.read("a list", &Request::new("GET", "/api/users/me/sessions").token(&token)),
            68..82 => self.open(person),
            82..92 => self.end_one(person),
            92..96 => self.use_token(person, &token),
            96..98 => self.change_password(person, &token),
            _ => {
                let wrong = log_in(&person.name, "not the password of anybody");
                self.change("a wrong password", &[401], &wrong)?;
                self.open(person)
            }
        }
    }

    fn join(&mut self, person: &mut Person) -> Result<(), Failed> {
        let request = register(&person.name).header("User-Agent", BROWSER);
        // In doubt they may have been registered before.
        let answer = self.change("a registration", &[201, 409], &request)?;
        person.is_registered = true;
        person.tokens.extend((answer.status == 201).then(|| answer.text("token")));
        Ok(())
    }

    /// Logs in with whichever password holds, and ends whatever else there may be.
    fn begin_anew(&mut self, person: &mut Person) -> Result<(), Failed> {
        let mut answer = self.change("a login in doubt", &[201, 401], &browser_login(person))?;
        if answer.status == 401 {
            person.password = 1 - person.password;
            answer = self.change("a login with the other password", &[201], &browser_login(person))?;
        }
        let token = answer.text("token");
        let others = Request::new("DELETE", "/api/users/me/sessions/all").token(&token);
        self.change("the end of the others", &[200], &others)?;
        person.tokens = vec![token];
        Ok(())
    }

    fn open(&mut self, person: &mut Person) -> Result<(), Failed> {
        if person.tokens.len() >= MOST {
            self.end_one(person)?;
        }
        let answer = self.change("a login", &[201], &browser_login(person))?;
        person.tokens.push(answer.text("token"));
        Ok(())
    }

    /// The one that was opened first. No replica may accept it any more.
    fn end_one(&mut self, person: &mut Person) -> Result<(), Failed> {
        let token = person.tokens.remove(0);
        self.change("an end", &[200], &log_out(&token))?;
        self.ask("a check of what has ended", &[401], &who_am_i(&token)).map(drop)
    }

    /// A scoped session: opened, introspected, ended, introspected again.
    fn use_token(&mut self, person: &Person, token: &str) -> Result<(), Failed> {
        let password = PASSWORDS[person.password];
        let wish = json!({"name": "script", "permissionFlags": SCOPES, "password": password});
        let request = Request::new("POST", "/api/users/me/sessions").token(token).json(&wish);
        let scoped = self.change("a scoped session", &[201], &request)?.text("token");
        self.introspect(&scoped, true)?;
        self.change("the end of a scoped session", &[200], &log_out(&scoped))?;
        self.introspect(&scoped, false)
    }

    fn introspect(&mut self, token: &str, active: bool) -> Result<(), Failed> {
        let mut request = Request::new("POST", "/introspect")
            .header("Authorization", &basic(self.service))
            .header("Content-Type", "application/x-www-form-urlencoded");
        request.body = Some(format!("token={token}"));
        let answer = self.ask("an introspection", &[200], &request)?;
        let is_right = answer.member("active") == Value::Bool(active);
        self.shared.violations.unless(is_right, || format!("soak: introspected, where active is {active}: {answer}"));
        Ok(())
    }

    fn change_password(&mut self, person: &mut Person, token: &str) -> Result<(), Failed> {
        let [old, new] = [person.password, 1 - person.password].map(|which| PASSWORDS[which]);
        let wish = json!({"password": old, "newPassword": new, "confirmNewPassword": new});
        let request = Request::new("PUT", "/api/users/me/password").token(token).json(&wish);
        self.change("a new password", &[200], &request)?;
        person.password = 1 - person.password;
        person.tokens.truncate(1);
        Ok(())
    }

    fn read(&mut self, what: &str, request: &Request) -> Result<(), Failed> {
        let answer = self.ask(what, &[200], request)?;
        held(&self.shared.latencies).reads.push(answer.took.as_nanos() as u64);
        Ok(())
    }

    fn change(&mut self, what: &str, statuses: &[u16], request: &Request) -> Result<Answer, Failed> {
        let answer = self.ask(what, statuses, request)?;
        held(&self.shared.latencies).changes.push(answer.took.as_nanos() as u64);
        Ok(answer)
    }

    /// Asks one of the replicas.
    fn ask(&mut self, what: &str, statuses: &[u16], request: &Request) -> Result<Answer, Failed> {
        let replica = self.dice.below(REPLICAS as u64) as usize;
        let address = self.shared.addresses()[replica];
        let connection = &mut self.connections[replica];
        if connection.as_ref().is_none_or(|(known, _)| *known != address) {
            *connection = Some((address, Client::patient_for(address, PATIENCE)));
        }
        let Some((_, client)) = connection else { return Err(Failed) };
        let answer = self.shared.expect(what, statuses, || client.ask(request))?;
        self.shared.answered[replica].fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }
}

fn browser_login(person: &Person) -> Request {
    log_in(&person.name, PASSWORDS[person.password]).header("User-Agent", BROWSER)
}

fn basic(service: &str) -> String {
    format!("Basic {}", STANDARD.encode(service))
}

/// Follows the feed at one replica and then at the other, until all is over.
pub(super) fn follow_feed(shared: &SoakState<'_>, service: &str) {
    let (mut place, mut turn) = (None::<String>, 0);
    while !shared.is_over() {
        turn += 1;
        let address = shared.addresses()[turn % REPLICAS];
        let after = place.iter().map(|place| format!("&after={place}")).collect::<String>();
        let request = Request::new("GET", &format!("/events?limit=1000&wait=1{after}"));
        let request = request.header("Authorization", &basic(service));
        let ask = || Client::patient_for(address, PATIENCE).ask(&request);
        let Ok(answer) = shared.expect("the feed", &[200], ask) else {
            pause(Duration::from_millis(50));
            continue;
        };
        let told = answer.member("items").as_array().map_or(0, Vec::len);
        shared.events.fetch_add(told as u64, Ordering::Relaxed);
        place = answer.member("next").as_str().map(str::to_owned).or(place);
    }
}
