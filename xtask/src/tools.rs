//! Subcommands of cargo's that do not come with it: installed below `target/` when they are first needed, in the versions
//! that are written down here.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use thunderhead_tooling::process;

/// A subcommand.
pub(crate) struct Tool {
    /// What it is called behind `cargo`.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Cargo with this subcommand, which is installed first where there is none.
    pub(crate) fn command(&self) -> Result<Command> {
        let paths = env::var_os("PATH").unwrap_or_default();
        let all = env::split_paths(&paths).chain([root()?.join("bin")]);
        let path = env::join_paths(all).context("a folder with a colon in its name")?;
        if !process::succeeds(self.found_in(&path, ["--version"])) {
            let version = format!("cargo-{}@{}", self.name, self.version);
            let mut install = process::cargo(["install", "--quiet", "--locked", &version, "--root"]);
            install.arg(root()?);
            process::run(install, &[])?;
        }
        Ok(self.found_in(&path, []))
    }

    fn found_in<const N: usize>(&self, path: &OsStr, arguments: [&str; N]) -> Command {
        let mut command = process::cargo([self.name]);
        command.args(arguments).env("PATH", path);
        command
    }
}

/// Where they are installed.
fn root() -> Result<PathBuf> {
    Ok(process::target()?.join("installed").join("cargo"))
}
