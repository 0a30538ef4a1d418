//! The services of one file in `examples/`, in JavaScript and in Python: whom they let in, and until when.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::folder::Folder;
use super::oauth::ISSUER;
use thunderhead_system_tests::live::guarded::Guarded;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, log_out, register};
use thunderhead_tooling::process;

const SERVICE: &str = "one-file";
const NODE: &str = "node-service.mjs";
const PYTHON: &str = "python_service.py";

/// Runs both beside the server, and stops it to see what they say then.
pub(super) fn check(site: &Site, folder: &Folder<'_>, server: Server) -> Result<()> {
    let printed = site.operate(&["service", "create", SERVICE], "")?;
    let (_, secret) = printed.trim().split_once(':').context("a service without a secret")?;
    fs::write(folder.path().join("secret"), secret)?;
    let examples = process::workspace()?.join("examples");
    for (file, place) in [(NODE, folder.path().join(NODE)), (PYTHON, folder.path().join("python").join(PYTHON))] {
        fs::copy(examples.join(file), place)?;
    }
    let mut node = Command::new("node");
    node.current_dir(folder.path()).arg(NODE);
    let mut python = folder.pip("python");
    python.arg(PYTHON);
    let mut running = vec![];
    for (name, command) in [("node", node), ("python", python)] {
        let service = start(command, site, folder, &server).with_context(|| name.to_owned())?;
        let token = lets_in(service.1, &server, name).with_context(|| format!("the service in {name}"))?;
        running.push((name, service, token));
    }
    drop(server);
    for (name, (_guarded, address), token) in &running {
        let status = ask(&mut Client::new(*address), Some(token.as_str()))?;
        ensure!(status == 503, "the service in {name} answered {status} without a server");
    }
    Ok(())
}

fn start(mut command: Command, site: &Site, folder: &Folder<'_>, server: &Server) -> Result<(Guarded, SocketAddr)> {
    command.env("PORT", "0").env("SESSION_SERVER", format!("http://{}", server.address)).env("ISSUER", ISSUER);
    command.env("CLIENT_ID", SERVICE).env("CLIENT_SECRET_FILE", folder.path().join("secret")).env("NO_PROXY", "*");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut guarded = Guarded::spawn(command, site.folder())?;
    let mut line = String::new();
    BufReader::new(guarded.child.stdout.take().context("no output")?).read_line(&mut line)?;
    let address = line.split("serves http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
    Ok((guarded, address.with_context(|| format!("it did not start: {line}"))?))
}

/// Returns a token that it lets in.
fn lets_in(service: SocketAddr, server: &Server, name: &str) -> Result<String> {
    let (mut client, mut server) = (Client::new(service), Client::new(server.address));
    let full = server.ask(&register(&format!("one-file-{name}")))?.text("token");
    let mut scoped = |flags: u32| {
        let wish = json!({"name": "script", "permissionFlags": flags, "password": PASSWORD});
        server.ask(&Request::new("POST", "/api/users/me/sessions").token(&full).json(&wish)).map(|it| it.text("token"))
    };
    // FILE_READ, ALL, UPLOAD_FILE.
    let (reader, all, uploader) = (scoped(128)?, scoped(1)?, scoped(2)?);
    // The signature of another token.
    let (signed, _) = reader.rsplit_once('.').context("a token without a signature")?;
    let (_, signature) = all.rsplit_once('.').context("a token without a signature")?;
    let forged = format!("{signed}.{signature}");
    for (what, token, expected) in [
        ("nobody", None, 401),
        ("a made-up token", Some("made-up"), 401),
        ("a forged token", Some(&*forged), 401),
        ("a session", Some(&*full), 200),
        ("a scoped session", Some(&*reader), 200),
        ("one that may all", Some(&*all), 200),
        ("one without the scope", Some(&*uploader), 403),
    ] {
        let status = ask(&mut client, token)?;
        ensure!(status == expected, "{what}: {status} instead of {expected}");
    }
    server.ask(&log_out(&full))?;
    let status = ask(&mut client, Some(full.as_str()))?;
    ensure!(status == 401, "a session that has ended: {status}");
    Ok(reader)
}

fn ask(client: &mut Client, token: Option<&str>) -> Result<u16> {
    let mut request = Request::new("GET", "/");
    if let Some(token) = token {
        request = request.header("Authorization", &format!("Bearer {token}"));
    }
    client.hang_up();
    Ok(client.ask(&request)?.status)
}
