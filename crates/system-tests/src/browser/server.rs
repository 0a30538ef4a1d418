//! A real server for the browser's test, on a fresh database.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use thunderhead_tooling::process;

/// A running server. Dropping it ends it and removes its data.
pub(super) struct ApiServer {
    child: Child,
    pub(super) api: String,
    // It goes on talking after it has said where it serves.
    _output: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl ApiServer {
    /// Starts the server that cargo has built. Pages of both origins may call it; security keys may be used at `ours`.
    pub(super) fn start(ours: &str, foreign: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("no folder for the server's data")?;
        let mut command = Command::new(process::target()?.join("debug/thunderhead"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "."]).current_dir(folder.path()).env_clear();
        command.env("THUNDERHEAD_CORS_ORIGINS", format!("{ours},{foreign}"));
        command.env("THUNDERHEAD_RELYING_PARTY__ORIGINS", ours).env("THUNDERHEAD_LIMITS__LOGIN", "off");
        command.env("THUNDERHEAD_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the server cannot be started")?;
        let mut output = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut line = String::new();
        output.read_line(&mut line).context("the server says nothing")?;
        let mut server = Self { child, api: String::new(), _output: output, _folder: folder };
        let (_, api) = line.trim_end().split_once(" serves ").context("the server does not say where it serves")?;
        api.clone_into(&mut server.api);
        Ok(server)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
