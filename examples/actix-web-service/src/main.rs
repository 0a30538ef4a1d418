//! An example: a service with actix-web. Its routes say what they ask of a session, by the types of their parameters.
//!
//! Its settings come from the environment:
//!
//! | name | example | |
//! |---|---|---|
//! | `LISTEN` | `127.0.0.1:9001` | address and port |
//! | `SESSION_SERVER` | `http://127.0.0.1:8000` | where Thunderhead is, without `/api` |
//! | `CLIENT_ID` | `files` | the name given to `thunderhead service create` |
//! | `CLIENT_SECRET_FILE` | `files.secret` | a file with the secret which that printed |
//! | `KEEP_SECONDS` | `30` | how long answers are kept; without it, Thunderhead is asked about each request |

use std::time::Duration;
use std::{env, fs};

use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use anyhow::{Context, Result};
use thunderhead_domain::scope::Scope;
use thunderhead_guard::actix::Permitted;
use thunderhead_guard::guard::{SessionGuard, Staleness};
use thunderhead_guard::requirement::{Requires, SessionRequirement};
use thunderhead_guard::settings::SessionGuardBuilder;

struct MayUpload;

impl Requires for MayUpload {
    const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE.scope(Scope::UploadFile);
}

/// Staff, who must have shown all that their account asks for within ten minutes.
struct StaffLately;

impl Requires for StaffLately {
    const REQUIREMENT: SessionRequirement = SessionRequirement::LIVE.staff().max_age(600);
}

/// Anybody, without a look at who it is: what the others are compared with.
async fn open() -> impl Responder {
    HttpResponse::Ok().body("hello")
}

async fn me(session: Permitted) -> impl Responder {
    HttpResponse::Ok().body(session.username().to_owned())
}

/// The evidence comes first: the body of somebody who is refused is not read.
async fn upload(session: Permitted<MayUpload>, body: web::Bytes) -> impl Responder {
    HttpResponse::Created().body(format!("{} bytes of {}", body.len(), session.username()))
}

async fn everything(_: Permitted<StaffLately>) -> impl Responder {
    HttpResponse::Ok().body("everything")
}

fn setting(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("set {name} (see the head of main.rs)"))
}

fn guard() -> Result<SessionGuard> {
    let staleness = match env::var("KEEP_SECONDS") {
        Ok(seconds) => Staleness::Within(Duration::from_secs(seconds.parse().context("KEEP_SECONDS is no number")?)),
        Err(_) => Staleness::Exact,
    };
    let secret = fs::read_to_string(setting("CLIENT_SECRET_FILE")?).context("cannot read the secret")?;
    let builder = SessionGuardBuilder::new(setting("SESSION_SERVER")?, setting("CLIENT_ID")?, secret.trim());
    Ok(builder.staleness(staleness).build()?)
}

fn main() -> Result<()> {
    System::new().block_on(async {
        let guard = guard()?;
        let routes = |services: &mut web::ServiceConfig| {
            services
                .route("/open", web::get().to(open))
                .route("/me", web::get().to(me))
                .route("/files", web::put().to(upload))
                .route("/everything", web::get().to(everything));
        };
        let server = HttpServer::new(move || App::new().app_data(guard.clone()).configure(routes));
        // Longer than proxies and clients keep theirs: they would send a request just as it is closed.
        let server = server.keep_alive(Duration::from_secs(75));
        let server = server.bind(setting("LISTEN")?).context("cannot listen")?;
        for address in server.addrs() {
            println!("The service serves http://{address}/");
        }
        Ok(server.run().await?)
    })
}
