//! A service in `examples/` as a process, beside the server that it asks.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::guarded::Guarded;
use super::site::Site;
use thunderhead_tooling::process;

pub const ACTIX_WEB: &str = "actix-web-service";
pub const AXUM: &str = "axum-service";
pub const WEBSOCKET: &str = "websocket-service";

/// Builds them all, as they are built for tests.
pub fn build() -> Result<()> {
    process::run(process::cargo(["build", "--bin", ACTIX_WEB, "--bin", AXUM, "--bin", WEBSOCKET]), &[])
}

/// The service. Dropping it kills it.
pub struct ExampleService {
    pub address: SocketAddr,
    _guarded: Guarded,
    // Open, so that it could still say something.
    _output: BufReader<ChildStdout>,
}

impl ExampleService {
    /// Starts one that knows the server by these credentials, and waits until it says where it listens.
    pub fn start(
        site: &Site,
        name: &str,
        server: SocketAddr,
        (id, secret): (&str, &str),
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let file = site.folder().join(format!("{id}.secret"));
        fs::write(&file, secret)?;
        let mut command = Command::new(process::target()?.join("debug").join(name));
        command.env("LISTEN", "127.0.0.1:0").env("SESSION_SERVER", format!("http://{server}"));
        command.env("CLIENT_ID", id).env("CLIENT_SECRET_FILE", file).envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut guarded = Guarded::spawn(command, site.folder())?;
        let output = guarded.child.stdout.take();
        let mut output = BufReader::new(output.context("a service without an output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.split("serves http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        let Some(address) = address else { bail!("{name} did not start: {line}") };
        Ok(Self { address, _guarded: guarded, _output: output })
    }
}
