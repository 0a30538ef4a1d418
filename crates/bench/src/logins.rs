//! Logins beside raw hashing, and logins by passkeys beside those by passwords.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::BenchSetup;
use crate::contest::{ROUNDS, median};
use crate::table::{Goal, Table};
use crate::users::TestUsers;
use crate::wrk::{self, WrkLoad, WrkRequest, WrkRequests};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::requests::PASSWORD;
use thunderhead_tooling::process;

/// The defaults of the server, which the other measurements do not use.
pub(crate) const HASHING: [(&str, &str); 3] =
    [("HASHING__MEMORY_KIB", "19456"), ("HASHING__PASSES", "2"), ("HASHING__QUEUE", "64")];
/// Users who log in, over and over.
const USERS: u32 = 64;
/// Clients who log in at once, by passwords and by passkeys: as many as that queue has places for strangers, so that
/// nobody is refused. With few, everybody waits for the same commit and nobody works meanwhile: that measures the disk.
const CLIENTS: u32 = 48;
/// Users who log in by passkeys: so many that each does so no more than a few times a second.
const HOLDERS: u32 = 512;
/// Seconds of logins by passkeys, in each round.
const PASSKEY_SECONDS: u32 = 2;
/// How many answers are signed beforehand for each second: each is good once, and more than come to be sent.
const ANSWERS_A_SECOND: u32 = 8_000;
/// A page where passkeys may be used.
const ORIGIN: &str = "http://localhost";

pub(crate) fn run(setup: &BenchSetup, engine: Engine, table: &mut Table) -> Result<()> {
    let site = Site::new(&setup.bed, engine)?;
    let mut settings = HASHING.to_vec();
    settings.push(("RELYING_PARTY__ORIGINS", ORIGIN));
    let server = setup.start(&site, &settings)?;
    let users = TestUsers::register(&server, "l", USERS)?;
    let bodies = log_in_bodies(&users, PASSWORD);
    let logins = bodies.iter().map(|body| WrkRequest::post("/api/login", body));
    let asks = WrkRequests::write(site.folder(), "login", logins)?;
    // Hashing is slow: more seconds make as many figures.
    let seconds = setup.seconds() * 2;
    let (mut parts, mut logins, mut hashes) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let hashed = raw(setup, seconds)?;
        let seen = wrk::run(server.address, &asks, WrkLoad { threads: 1, connections: CLIENTS, seconds })?;
        parts.push(seen.per_second / hashed);
        logins.push(seen.per_second);
        hashes.push(hashed);
    }
    let by_password = median(logins);
    let seen = format!("{by_password:.1}/s, {:.1}/s; {CLIENTS} clients", median(hashes));
    table.ratio(format!("login ÷ raw Argon2id, {engine}"), median(parts), Goal::AtLeast(0.90), seen);
    let by_passkey = by_passkeys(setup, &site, &server)?;
    let goal = match engine {
        Engine::Sqlite => Goal::AtLeast(20.0),
        Engine::Postgres => Goal::AtLeast(10.0),
    };
    let seen = format!("{by_passkey:.0}/s, {by_password:.1}/s; {CLIENTS} clients");
    table.ratio(format!("login by passkey ÷ by password, {engine}"), by_passkey / by_password, goal, seen);
    Ok(())
}

/// Logins by passkeys in a second. What authenticators answer is signed before the first is sent.
fn by_passkeys(setup: &BenchSetup, site: &Site, server: &Server) -> Result<f64> {
    let users = TestUsers::register(server, "p", HOLDERS)?;
    let mut keys = Authenticators::start(setup)?;
    let mut client = Client::new(server.address);
    for (number, user) in (0..).zip(users.all()) {
        enrol(&mut keys, &mut client, number, &user.token)?;
    }
    let mut rates = vec![];
    for round in 0..ROUNDS {
        let count = PASSKEY_SECONDS * ANSWERS_A_SECOND;
        let answers = (0..count).map(|number| answer(&mut keys, &mut client, number % HOLDERS));
        let bodies = answers.collect::<Result<Vec<_>>>()?;
        let logins = bodies.iter().map(|body| WrkRequest::post("/api/login", body));
        let asks = WrkRequests::write(site.folder(), &format!("passkeys{round}"), logins)?;
        let load = WrkLoad { threads: 1, connections: CLIENTS, seconds: PASSKEY_SECONDS };
        let seen = wrk::run(server.address, &asks, load)?;
        ensure!(seen.requests <= u64::from(count), "more logins than answers: sign more of them beforehand");
        rates.push(seen.per_second);
    }
    Ok(median(rates))
}

fn enrol(keys: &mut Authenticators, client: &mut Client, number: u32, token: &str) -> Result<()> {
    let path = "/api/users/me/2fa/passkey";
    let offer = client.ask(&Request::new("POST", path).token(token).json(&json!({"password": PASSWORD})))?;
    ensure!(offer.status == 200, "no offer: {offer}");
    let response = keys.ask(number, "create", &serde_json::from_str(&offer.body)?)?;
    let body = json!({"token": offer.text("token"), "name": "passkey", "response": response});
    let confirmed = client.ask(&Request::new("POST", &format!("{path}/confirm")).token(token).json(&body))?;
    ensure!(confirmed.status == 201, "no passkey: {confirmed}");
    Ok(())
}

/// What one logs in with.
fn answer(keys: &mut Authenticators, client: &mut Client, number: u32) -> Result<String> {
    let asked = client.ask(&Request::new("POST", "/api/login/passkey"))?;
    ensure!(asked.status == 200, "no challenge: {asked}");
    let response = keys.ask(number, "get", &asked.member("challenge"))?;
    Ok(json!({"passkey": {"token": asked.text("token"), "response": response}}).to_string())
}

/// Authenticators in a process of their own.
struct Authenticators {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Authenticators {
    fn start(setup: &BenchSetup) -> Result<Self> {
        let mut command = Command::new(&setup.passkeys);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().context("no way in")?;
        let answers = BufReader::new(process.stdout.take().context("no way out")?);
        Ok(Self { process, questions, answers })
    }

    fn ask(&mut self, number: u32, kind: &str, options: &Value) -> Result<Value> {
        writeln!(self.questions, "{number} {kind} {ORIGIN} {options}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("an authenticator gave no answer")
    }
}

impl Drop for Authenticators {
    fn drop(&mut self) {
        // It has nothing to lose.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the users log in with.
pub(crate) fn log_in_bodies(users: &TestUsers, password: &str) -> Vec<String> {
    let body = |name: &str| format!(r#"{{"username":"{name}","password":"{password}"}}"#);
    users.all().iter().map(|user| body(&user.name)).collect()
}

/// Hashes per second, on as many threads as the server hashes on.
fn raw(setup: &BenchSetup, seconds: u32) -> Result<f64> {
    let threads = available_parallelism()?.to_string();
    let mut hash = Command::new(&setup.argon2id);
    hash.args(["19456", "2", "1", &threads, &seconds.to_string()]);
    process::output(hash)?.trim().parse().context("not a number of hashes")
}
