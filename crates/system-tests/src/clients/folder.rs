//! The folder in which clients are generated, checked and run: the document, our programs, and the tools.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tools::Tools;
use thunderhead_system_tests::live::http::{Client, Request};
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_system_tests::requests::{PASSWORD, address_of};
use thunderhead_tooling::process;

/// The name that the document has in it.
pub(super) const DOCUMENT: &str = "openapi.json";

pub(super) struct Folder<'a> {
    site: &'a Site,
    tools: &'a Tools,
    server: String,
    path: PathBuf,
}

impl<'a> Folder<'a> {
    /// Puts the document of this server into a folder, and beside it our programs.
    pub(super) fn set_up(site: &'a Site, server: &Server, tools: &'a Tools) -> Result<Self> {
        let path = site.folder().join("clients");
        copy(&process::workspace()?.join("crates/system-tests/src/clients"), &path)?;
        let answer = Client::new(server.address).ask(&Request::new("GET", "/openapi.json"))?;
        ensure!(answer.status == 200, "the server has no document: {}", answer.status);
        fs::write(path.join(DOCUMENT), answer.body)?;
        std::os::unix::fs::symlink(tools.npm.join("node_modules"), path.join("node_modules"))?;
        Ok(Self { site, tools, server: format!("http://{}", server.address), path })
    }

    /// A program that npm has installed, with the whole folder at hand.
    pub(super) fn npm(&self, program: &str) -> Command {
        let mut command = Command::new(self.path.join("node_modules/.bin").join(program));
        command.current_dir(&self.path);
        // They are to tell nobody that they are used.
        command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true").env("NO_COLOR", "1");
        command
    }

    /// A program that pip has installed, in the part of the folder that is written in Python.
    pub(super) fn pip(&self, program: &str) -> Command {
        let programs = self.tools.python.join("bin");
        let mut command = Command::new(programs.join(program));
        command.current_dir(self.path.join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
        // Where mypy finds what was generated.
        command.env("MYPYPATH", ".");
        // The generator asks ruff to tidy what it has made.
        let mut path = OsString::from(&programs);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
        command
    }

    /// The same, to be run as one of our programs: with a server, and an account of its own.
    pub(super) fn with_account(&self, mut command: Command, name: &str) -> Result<Command> {
        let arguments = ["user", "create", name, "--email", &address_of(name), "--password-stdin"];
        self.site.operate(&arguments, PASSWORD)?;
        command.env("SERVER", &self.server).env("ACCOUNT", name).env("PASSWORD", PASSWORD).env("NO_PROXY", "*");
        Ok(command)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}
