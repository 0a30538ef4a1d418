//! What actix-web does at best: one route that answers with JSON, and nothing around it. `cargo xtask bench` measures
//! session checks by it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use serde::Serialize;

/// As large as what `GET /api/users/me` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: i64,
    uuid: &'static str,
    username: &'static str,
    email: &'static str,
    staff: bool,
    verified_at: Option<&'static str>,
    created_at: &'static str,
    updated_at: &'static str,
}

const USER: User = User {
    id: 1_234_567_890,
    uuid: "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    username: "ada",
    email: "ada@example.org",
    staff: false,
    verified_at: None,
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), "serves http://{}/", listener.local_addr()?)?;
    let application = || App::new().route("/", web::get().to(|| async { HttpResponse::Ok().json(&USER) }));
    rt::System::new().block_on(HttpServer::new(application).listen(listener)?.run())
}
