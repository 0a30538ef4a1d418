//! An example: websockets that are closed as soon as their session ends, wherever that happens. What is said over one is said
//! back.
//!
//! Its settings come from the environment:
//!
//! | name | example | |
//! |---|---|---|
//! | `LISTEN` | `127.0.0.1:9003` | address and port |
//! | `SESSION_SERVER` | `http://127.0.0.1:8000` | where Thunderhead is, without `/api` |
//! | `CLIENT_ID` | `chat` | the name given to `thunderhead service create chat --events` |
//! | `CLIENT_SECRET_FILE` | `chat.secret` | a file with the secret which that printed |
//! | `SESSION_COOKIE` | `session` | a cookie that may have the token, because browsers send no `Authorization` here |
//! | `ORIGIN` | `https://chat.example.org` | whose pages may do so |

use std::time::Duration;
use std::{env, fs};

use actix_web::rt::System;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::{CloseCode, CloseReason, Closed, Message, MessageStream, Session};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use thunderhead_guard::actix::Watched;
use thunderhead_guard::error::GuardError;
use thunderhead_guard::guard::{SessionGuard, Staleness};
use thunderhead_guard::settings::SessionGuardBuilder;
use thunderhead_guard::watch::SessionWatch;

/// How long an answer about a session is good where the feed is silent.
const LONGEST: Duration = Duration::from_secs(30);

/// Who has no live session gets no websocket: the handshake is answered 401, 403 or 503.
async fn connect(session: Watched, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let (response, socket, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(talk(session.watch, socket, messages));
    Ok(response)
}

async fn talk(mut watch: SessionWatch, mut socket: Session, mut messages: MessageStream) {
    let reason = loop {
        tokio::select! {
            error = watch.refused() => break Some(close_reason(&error)),
            message = messages.next() => match message {
                Some(Ok(message)) => match answer(&mut socket, message).await {
                    Ok(true) => {}
                    Ok(false) | Err(Closed) => break None,
                },
                Some(Err(_)) | None => break None,
            },
        }
    };
    // The other side may be gone.
    drop(socket.close(reason).await);
}

/// Whether there may be more.
async fn answer(socket: &mut Session, message: Message) -> Result<bool, Closed> {
    match message {
        Message::Text(text) => socket.text(text).await?,
        Message::Binary(bytes) => socket.binary(bytes).await?,
        Message::Ping(bytes) => socket.pong(&bytes).await?,
        Message::Close(_) => return Ok(false),
        Message::Continuation(_) | Message::Pong(_) | Message::Nop => {}
    }
    Ok(true)
}

/// 1013 tells a client to try again later (it is still signed in, as far as anybody knows), 1008 that it may not.
fn close_reason(error: &GuardError) -> CloseReason {
    let (code, description) = match error.status() {
        503 => (CloseCode::Again, "try again later"),
        _ => (CloseCode::Policy, "the session has ended, or may not do this any more"),
    };
    CloseReason { code, description: Some(description.to_owned()) }
}

fn setting(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("set {name} (see the head of main.rs)"))
}

fn guard() -> Result<SessionGuard> {
    let secret = fs::read_to_string(setting("CLIENT_SECRET_FILE")?).context("cannot read the secret")?;
    let builder = SessionGuardBuilder::new(setting("SESSION_SERVER")?, setting("CLIENT_ID")?, secret.trim());
    let builder = builder.staleness(Staleness::Within(LONGEST));
    let builder = match env::var("SESSION_COOKIE") {
        Ok(cookie) => builder.cookie(cookie, [setting("ORIGIN")?]),
        Err(_) => builder,
    };
    Ok(builder.build()?)
}

fn main() -> Result<()> {
    System::new().block_on(async {
        let guard = guard()?;
        let server = HttpServer::new(move || App::new().app_data(guard.clone()).route("/", web::get().to(connect)));
        let server = server.bind(setting("LISTEN")?).context("cannot listen")?;
        for address in server.addrs() {
            println!("The service serves http://{address}/");
        }
        Ok(server.run().await?)
    })
}
