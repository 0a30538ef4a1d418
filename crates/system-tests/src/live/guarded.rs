//! A process that does not outlive us, however we end.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for the end of its standard input, of which we hold the other end. Arguments: a process, and its folder.
const GUARDIAN: &str = r#"trap '' HUP INT TERM; cat >/dev/null; kill -s KILL "$1"; rm -rf -- "$2""#;

/// A process and its guardian, which kills it and removes its folder if we are killed ourselves. Dropping this kills
/// the process.
pub struct Guarded {
    pub child: Child,
    guardian: Option<Child>,
}

impl Guarded {
    /// Starts a process that keeps what it keeps in this folder.
    pub fn spawn(mut command: Command, folder: &Path) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        let mut guarded = Self { child, guardian: None };
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARDIAN, "guardian", &guarded.child.id().to_string()]).arg(folder);
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        guarded.guardian = Some(shell.spawn().context("cannot run sh")?);
        Ok(guarded)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The guardian first: it must not meet another process of the same number. All of these fail only where
        // something has ended already.
        for child in self.guardian.iter_mut().chain([&mut self.child]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
