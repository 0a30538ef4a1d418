//! `cargo xtask services`: the services in `examples/`, as they are, beside two real servers over one database. They let in
//! whom the session lets in, until it ends at the other server; a websocket is closed then. Where the server is away,
//! nobody is let in, and nobody is held up.

mod websocket;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use self::websocket::WebSocket;
use thunderhead_system_tests::live::example::{self, ACTIX_WEB, AXUM, ExampleService, WEBSOCKET};
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::report::{Durations, Report};
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_system_tests::live::{TestBed, wait_for};
use thunderhead_system_tests::requests::{PASSWORD, log_in, log_out, register};
use thunderhead_tooling::postgres::Installation;
use thunderhead_tooling::process;
use thunderhead_tooling::throwaway::{ThrowAwayCluster, parent_folder};

/// What the services are known by.
const SERVICE: &str = "services";
/// How soon half of the websockets are closed at the latest, and how soon all are, in milliseconds. Where the machine does
/// nothing else, nearly all of them are within the first.
const SOON: f64 = 100.0;
const LATEST: f64 = 1_000.0;
/// How long the guard waits for a server, and some.
const DEADLINE: Duration = Duration::from_millis(2_500);
/// Close codes of RFC 6455.
const POLICY: u16 = 1008;
const TRY_AGAIN_LATER: u16 = 1013;

/// How much is tried.
#[derive(Args)]
pub(crate) struct ServiceOptions {
    /// How many websockets have their session ended, on each database.
    #[arg(long, default_value_t = 40)]
    websockets: u32,
}

/// Runs them on both databases, and fails if something was not as it must be.
pub(crate) fn run(options: &ServiceOptions) -> Result<()> {
    process::run(process::cargo(["build", "--bin", "thunderhead"]), &[])?;
    example::build()?;
    let postgres = Installation::find()?;
    let cluster = ThrowAwayCluster::start(&postgres)?;
    let binary = process::target()?.join("debug/thunderhead");
    let bed = TestBed { binary, postgres, cluster, parent: parent_folder() };
    let mut report = Report::default();
    for engine in Engine::BOTH {
        eprintln!("> {engine}");
        on(engine, options, &bed, &mut report)?;
    }
    report.finish()
}

fn on(engine: Engine, options: &ServiceOptions, bed: &TestBed, report: &mut Report) -> Result<()> {
    let site = Site::new(bed, engine)?;
    let (asked, other) = (site.start()?, site.start()?);
    let printed = site.operate(&["service", "create", SERVICE, "--events"], "")?;
    let (_, secret) = printed.trim().split_once(':').context("no secret was printed")?;
    let start = |name, settings: &[(&str, &str)]| {
        ExampleService::start(&site, name, asked.address, (SERVICE, secret), settings)
    };
    let kept = [("KEEP_SECONDS", "30")];
    let services = [
        ("actix-web, Exact", start(ACTIX_WEB, &[])?),
        ("actix-web, Within", start(ACTIX_WEB, &kept)?),
        ("axum, Exact", start(AXUM, &[])?),
        ("axum, Within", start(AXUM, &kept)?),
    ];
    for (number, (name, service)) in services.iter().enumerate() {
        let took = let_in(service, &other, &format!("ada{number}")).with_context(|| (*name).to_owned())?;
        if name.ends_with("Exact") {
            report.violations().unless(took.is_zero(), || format!("{engine}, {name}: let in {took:?} after the end"));
        }
        report.row(&engine.to_string(), name, format!("lets in whom it should; refused {took:.1?} after the end"));
    }
    let chat = start(WEBSOCKET, &[])?;
    closed_with_their_session(engine, &chat, (&site, &other), options.websockets, report)?;
    let token = Client::new(other.address).ask(&register("last"))?.text("token");
    for (name, service) in &services {
        let status = Client::new(service.address).ask(&me(&token))?.status;
        report.violations().unless(status == 200, || format!("{engine}, {name}: {status} before the server went away"));
    }
    let mut socket = WebSocket::open(chat.address, &token)?;
    asked.kill()?;
    let begun = Instant::now();
    let code = socket.close_code()?;
    report.violations().unless(code == TRY_AGAIN_LATER, || format!("{engine}: a websocket was closed with {code}"));
    let closed = begun.elapsed();
    for (name, service) in &services {
        // One that keeps answers hears by its feed that there is nobody to ask.
        let refused = wait_for("a 503", DEADLINE, || {
            let answer = Client::new(service.address).ask(&me(&token)).ok()?;
            (answer.status == 503 && answer.took < DEADLINE).then_some(())
        });
        report.violations().unless(refused.is_ok(), || format!("{engine}, {name}: no 503 though the server is gone"));
    }
    report.row(&engine.to_string(), "no server", format!("503 everywhere; a websocket was closed after {closed:.0?}"));
    site.remove(bed)
}

fn me(token: &str) -> Request {
    Request::new("GET", "/me").header("Authorization", &format!("Bearer {token}"))
}

/// Who is let in by a service, and how long after its end a session still is.
fn let_in(service: &ExampleService, other: &Server, name: &str) -> Result<Duration> {
    let (mut server, mut client) = (Client::new(other.address), Client::new(service.address));
    let full = server.ask(&register(name))?.text("token");
    let wish = json!({"name": "reader", "permissionFlags": 128, "password": PASSWORD});
    let reader = server.ask(&Request::new("POST", "/api/users/me/sessions").token(&full).json(&wish))?.text("token");
    let bearer = |request: Request, token: &str| request.header("Authorization", &format!("Bearer {token}"));
    let mut upload = Request::new("PUT", "/files");
    upload.body = Some("some bytes".to_owned());
    let everything = Request::new("GET", "/everything");
    for (what, request, expected) in [
        ("anybody", Request::new("GET", "/open"), 200),
        ("nobody", Request::new("GET", "/me"), 401),
        ("a made-up token", me("made-up"), 401),
        ("a session", me(&full), 200),
        ("a scoped session", me(&reader), 200),
        ("an upload", bearer(upload.clone(), &full), 201),
        ("an upload without the scope", bearer(upload, &reader), 403),
        ("no staff", bearer(everything, &full), 403),
    ] {
        let answer = client.ask(&request)?;
        if answer.status != expected {
            bail!("{what}: {answer}");
        }
    }
    let answer = server.ask(&log_out(&full))?;
    if answer.status != 200 {
        bail!("the end of a session: {answer}");
    }
    let ended = Instant::now();
    let mut accepted = Duration::ZERO;
    loop {
        let began = ended.elapsed();
        match client.ask(&me(&full))?.status {
            200 => accepted = began,
            401 => break,
            status => bail!("{status} after the end"),
        }
    }
    // The other session of the same user goes on.
    if client.ask(&me(&reader))?.status != 200 {
        bail!("a session that did not end is refused");
    }
    Ok(accepted)
}

/// How long after the end of its session, at the other server, a websocket is closed.
fn closed_with_their_session(
    engine: Engine,
    chat: &ExampleService,
    (site, other): (&Site, &Server),
    count: u32,
    report: &mut Report,
) -> Result<()> {
    let mut server = Client::new(other.address);
    let mut delays = vec![];
    for number in 0..count {
        let name = format!("grace{number}");
        let token = server.ask(&register(&name))?.text("token");
        let spared = server.ask(&log_in(&name, PASSWORD))?.text("token");
        let mut sockets = [WebSocket::open(chat.address, &token)?, WebSocket::open(chat.address, &spared)?];
        for socket in &mut sockets {
            socket.echo("hello")?;
        }
        let [mut socket, mut open] = sockets;
        let (closed, ended) = thread::scope(|scope| {
            let closing = scope.spawn(move || socket.close_code().map(|code| (code, Instant::now())));
            let ended = end(&mut server, site, &name, &token, number).map(|()| Instant::now());
            (closing.join(), ended)
        });
        let (code, closed_at) = closed.ok().context("a thread panicked")??;
        report.violations().unless(code == POLICY, || format!("{engine}: a websocket was closed with {code}"));
        delays.push(closed_at.saturating_duration_since(ended?).as_nanos() as u64);
        if number % 10 != 9 {
            open.echo("still here").context("a websocket whose session goes on")?;
        }
    }
    let delays = Durations::of(delays);
    let [half, all] = [500, 1_000].map(|permille| delays.millis(permille));
    let is_soon = half <= SOON && all <= LATEST;
    report.violations().unless(is_soon, || format!("{engine}: websockets were closed late, {delays}"));
    report.row(&engine.to_string(), "websockets", format!("{count} closed behind the end, {delays}"));
    Ok(())
}

/// One session is ended by its user; every tenth time the operator bans the user.
fn end(server: &mut Client, site: &Site, name: &str, token: &str, number: u32) -> Result<()> {
    if number % 10 == 9 {
        return site.operate(&["user", "ban", name], "").map(drop);
    }
    let answer = server.ask(&log_out(token))?;
    if answer.status == 200 { Ok(()) } else { bail!("the end of a session: {answer}") }
}
