//! Postgres is stopped, or frozen: every endpoint that needs it answers 503 with `Retry-After` soon, and works again
//! by itself soon after the database does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Report, Violations};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, on_threads, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, register, who_am_i};
use thunderhead_tooling::process::output;

/// Within this, the answer that there is no database is promised.
const SOON: Duration = Duration::from_secs(2);
/// A client gives up after this.
const LONGEST: Duration = Duration::from_secs(20);
/// `uploads:made-up`
const MADE_UP_SERVICE: &str = "Basic dXBsb2FkczptYWRlLXVw";
const FORM: &str = "application/x-www-form-urlencoded";
/// Questions that are asked at once.
const AT_ONCE: u32 = 6;

pub(super) fn stopped(bed: &mut TestBed, report: &mut Report) -> Result<()> {
    let check = OutageCheck::set_up(bed)?;
    bed.cluster.stop(&bed.postgres)?;
    let figures = check.without_database("stopped", report.violations())?;
    bed.cluster.start_again(&bed.postgres)?;
    // Only then is the time up to the server.
    wait_for("Postgres", LONGEST, || bed.cluster.is_ready(&bed.postgres).then_some(()))?;
    let back = check.back("stopped", report.violations())?;
    report.row("stopped", Engine::Postgres, format!("{figures}; back after {} ms", back.as_millis()));
    Ok(())
}

pub(super) fn frozen(bed: &TestBed, report: &mut Report) -> Result<()> {
    let check = OutageCheck::set_up(bed)?;
    let frozen = Frozen::freeze(bed)?;
    let figures = check.without_database("frozen", report.violations())?;
    frozen.thaw()?;
    let back = check.back("frozen", report.violations())?;
    report.row("frozen", Engine::Postgres, format!("{figures}; back after {} ms", back.as_millis()));
    Ok(())
}

/// A server with a user, and all that can be asked of it.
pub(super) struct OutageCheck {
    server: Server,
    token: String,
    requests: Vec<Request>,
    _site: Site,
}

impl OutageCheck {
    fn set_up(bed: &TestBed) -> Result<Self> {
        Self::on(Site::new(bed, Engine::Postgres)?)
    }

    /// In this place.
    pub(super) fn on(site: Site) -> Result<Self> {
        let server = site.start()?;
        let mut client = Client::new(server.address);
        let token = client.ask(&register("ada"))?.text("token");
        let document = client.ask(&Request::new("GET", "/openapi.json"))?.body;
        let requests = requests(&serde_json::from_str(&document)?, &token)?;
        Ok(Self { server, token, requests, _site: site })
    }

    /// Asks everything while there is no database. Returns figures.
    pub(super) fn without_database(&self, fault: &str, violations: &Violations) -> Result<String> {
        let address = self.server.address;
        let seen = Mutex::new((0, Duration::ZERO));
        on_threads(AT_ONCE, |thread| {
            for request in self.requests.iter().skip(thread as usize).step_by(AT_ONCE as usize) {
                let what = format!("{fault}: {} {}", request.method, request.path);
                match Client::patient_for(address, LONGEST).ask(request) {
                    Ok(answer) => {
                        let outage = answer.status == 503 && answer.header("retry-after").is_some();
                        violations.unless(outage, || format!("{what}: {answer}"));
                        violations.unless(answer.took < SOON, || format!("{what}: took {:?}", answer.took));
                        if let Ok(mut seen) = seen.lock() {
                            *seen = (seen.0 + u32::from(outage), seen.1.max(answer.took));
                        }
                    }
                    Err(error) => violations.add(format!("{what}: {error}")),
                }
            }
            Ok(())
        })?;
        let mut client = Client::patient_for(address, LONGEST);
        for path in ["/health/live", "/openapi.json", "/docs", "/.well-known/jwks.json"] {
            let answer = client.ask(&Request::new("GET", path))?;
            violations.unless(answer.status == 200, || format!("{fault}: GET {path}: {}", answer.status));
        }
        let (outages, slowest) = seen.into_inner().unwrap_or_default();
        let asked = self.requests.len();
        Ok(format!("{asked} requests, {outages} of them 503, slowest {} ms", slowest.as_millis()))
    }

    /// Waits until the session works again, which is to be soon. Returns how long that took.
    pub(super) fn back(&self, fault: &str, violations: &Violations) -> Result<Duration> {
        self.back_within(SOON, fault, violations)
    }

    /// The same with another idea of soon.
    pub(super) fn back_within(&self, soon: Duration, fault: &str, violations: &Violations) -> Result<Duration> {
        let mut client = Client::patient_for(self.server.address, LONGEST);
        let request = who_am_i(&self.token);
        let mut ask = || client.ask(&request).ok().filter(|answer| answer.status != 503);
        let (answer, after) = wait_for("service", LONGEST, &mut ask)?;
        violations.unless(answer.status == 200, || format!("{fault}: afterwards {answer}"));
        violations.unless(after < soon, || format!("{fault}: service after {after:?}"));
        Ok(after)
    }
}

/// Every path and method whose answers may be 503, with a session, with none, and with a made-up one; and what
/// other services ask, which is not in the document.
fn requests(document: &Value, token: &str) -> Result<Vec<Request>> {
    let base = |method: &str, path: &str| {
        let path = path.replace("{uid}", "1767225600000").replace("{sid}", "1767225600");
        Request::new(method, &path.replace("{fid}", "1").replace("{id}", "0"))
    };
    let mut asked = vec![base("GET", "/forward-auth"), base("HEAD", "/forward-auth")];
    let mut introspect = base("POST", "/introspect").header("Content-Type", FORM);
    introspect.body = Some(format!("token={token}&client_id=uploads&client_secret=made-up"));
    let mut by_services = vec![];
    for (path, methods) in document["paths"].as_object().context("a document without paths")? {
        for (method, operation) in methods.as_object().context("a path without methods")? {
            if !operation["responses"]["503"].is_object() {
                continue;
            }
            let request = base(&method.to_uppercase(), path);
            let request = if operation["requestBody"].is_null() {
                request
            } else if operation["requestBody"]["content"][FORM].is_object() {
                let mut request = request.header("Content-Type", FORM);
                request.body = Some(format!("token={token}"));
                request
            } else {
                request.json(&body())
            };
            // Whoever shows no secret is refused without a question to the database.
            let security = operation["security"].as_array().into_iter().flatten();
            if security.into_iter().any(|way| way["service"].is_array()) {
                by_services.push(request.header("Authorization", MADE_UP_SERVICE));
            } else {
                asked.push(request);
            }
        }
    }
    if asked.len() < 20 {
        bail!("the document tells of only {} requests that need the database", asked.len());
    }
    let all = asked.iter().flat_map(|request| {
        let bare = request.clone();
        [bare.clone(), bare.clone().token(token), bare.token("made.up.token")]
    });
    Ok(all.chain([introspect]).chain(by_services).collect())
}

/// Something for every field that any endpoint reads.
fn body() -> Value {
    json!({
        "username": "grace",
        "email": "grace@example.org",
        "password": PASSWORD,
        "confirmPassword": PASSWORD,
        "newPassword": "nine lanterns by the weir",
        "confirmNewPassword": "nine lanterns by the weir",
        "name": "a name",
        "permissionFlags": 4,
        "ids": ["1767225600000"],
        "token": "made.up.token",
        "code": "123456",
        "response": {},
    })
}

/// All processes of the cluster, stopped where they stand. They go on when this is dropped, and also when we are
/// killed: a shell waits for the end of its standard input.
struct Frozen(Child);

const FREEZER: &str = r#"
trap '' HUP INT TERM
kill -s STOP "$1"
all="$1 $(ps -A -o pid= -o ppid= | awk -v parent="$1" '$2 == parent { print $1 }')"
kill -s STOP $all
echo frozen
cat >/dev/null
kill -s CONT $all
"#;

impl Frozen {
    fn freeze(bed: &TestBed) -> Result<Self> {
        let folder = bed.cluster.folder();
        let mut head = bed.postgres.command("head", folder);
        head.args(["-n", "1", "data/postmaster.pid"]);
        let pid = output(head)?;
        let mut shell: Command = bed.postgres.command("sh", folder);
        shell.args(["-c", FREEZER, "freezer", pid.trim()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut shell = Self(shell.spawn().context("cannot run sh")?);
        let mut said = String::new();
        BufReader::new(shell.0.stdout.take().context("a shell without an output")?).read_line(&mut said)?;
        if said != "frozen\n" {
            bail!("Postgres was not frozen");
        }
        Ok(shell)
    }

    fn thaw(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.0.stdin.take());
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("Postgres may still be frozen: {error}");
        }
    }
}
