//! An example: a service with axum. Its routers stand behind layers, which say what is asked of a session.
//!
//! Its settings come from the environment:
//!
//! | name | example | |
//! |---|---|---|
//! | `LISTEN` | `127.0.0.1:9002` | address and port |
//! | `SESSION_SERVER` | `http://127.0.0.1:8000` | where Thunderhead is, without `/api` |
//! | `CLIENT_ID` | `files` | the name given to `thunderhead service create` |
//! | `CLIENT_SECRET_FILE` | `files.secret` | a file with the secret which that printed |
//! | `KEEP_SECONDS` | `30` | how long answers are kept; without it, Thunderhead is asked about each request |

use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Extension, Router};
use thunderhead_domain::scope::Scope;
use thunderhead_guard::guard::{SessionGuard, Staleness};
use thunderhead_guard::requirement::SessionRequirement;
use thunderhead_guard::session::LiveSession;
use thunderhead_guard::settings::SessionGuardBuilder;
use thunderhead_guard::tower::GuardLayer;
use tokio::net::TcpListener;

async fn me(Extension(session): Extension<Arc<LiveSession>>) -> String {
    session.username().to_owned()
}

async fn upload(Extension(session): Extension<Arc<LiveSession>>, body: Bytes) -> (StatusCode, String) {
    (StatusCode::CREATED, format!("{} bytes of {}", body.len(), session.username()))
}

fn routes(guard: &SessionGuard) -> Router {
    let behind = |requirement| GuardLayer::new(guard.clone(), requirement);
    let own = Router::new().route("/me", get(me)).layer(behind(SessionRequirement::LIVE));
    let uploads = SessionRequirement::LIVE.scope(Scope::UploadFile);
    let files = Router::new().route("/files", put(upload)).layer(behind(uploads));
    // Staff, who must have shown all that their account asks for within ten minutes.
    let staff = SessionRequirement::LIVE.staff().max_age(600);
    let everything = Router::new().route("/everything", get(async || "everything")).layer(behind(staff));
    Router::new().route("/open", get(async || "hello")).merge(own).merge(files).merge(everything)
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

#[tokio::main]
async fn main() -> Result<()> {
    let guard = guard()?;
    let listener = TcpListener::bind(setting("LISTEN")?).await.context("cannot listen")?;
    println!("The service serves http://{}/", listener.local_addr()?);
    Ok(axum::serve(listener, routes(&guard)).await?)
}
