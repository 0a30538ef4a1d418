//! Clippy as the compiler of the workspace: every warning is an error.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What `cargo clippy` runs in place of `rustc`.
const DRIVER: &str = "clippy-driver";
/// By this `cargo clippy -- -D warnings` tells it what to deny. Warnings of `rustc` are among them.
const DENIED: (&str, &str) = ("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__");

/// Code that compiles, and that Clippy alone warns of.
const SEED: &str = "pub fn seed(is: bool) -> bool {\n    is == true\n}\n";
/// The name of that warning.
const FOUND: &str = "clippy::bool_comparison";

/// Has cargo compile by Clippy.
pub(crate) struct Linter(());

impl Linter {
    /// Demands that a warning fails: neither the driver's place between cargo and `rustc` nor what it is told by is
    /// promised, and who no longer listens to it would let everything pass.
    pub(crate) fn new() -> Result<Self> {
        let found = verdict(SEED)?;
        if !found.contains(FOUND) {
            bail!("{DRIVER} lets {FOUND} pass, and would let others:\n{found}");
        }
        Ok(Self(()))
    }

    /// Lets it compile what a command of cargo's compiles of the workspace. Dependencies are not linted.
    pub(crate) fn compile(&self, command: &mut Command) {
        command.env("RUSTC_WORKSPACE_WRAPPER", DRIVER).env(DENIED.0, DENIED.1);
    }
}

/// What it says to a library, as an error; nothing where it compiles.
fn verdict(library: &str) -> Result<String> {
    let folder = tempfile::tempdir().context("a folder for temporary files")?;
    let mut driver = Command::new(DRIVER);
    // As cargo runs it: `rustc` comes first.
    driver.args(["rustc", "--crate-name=seed", "--crate-type=lib", "--emit=metadata", "-"]).env(DENIED.0, DENIED.1);
    driver.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = driver.spawn().with_context(|| format!("{DRIVER}: rustup component add clippy"))?;
    let mut input = running.stdin.take().context("a program without an input")?;
    input.write_all(library.as_bytes())?;
    drop(input);
    let output = running.wait_with_output()?;
    Ok(if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lint_of_clippy_and_a_warning_of_the_compiler_fail_and_clean_code_passes() {
        assert!(Linter::new().is_ok());
        let unused = verdict("fn seed() {}\n").unwrap();
        assert!(unused.contains("dead_code") || unused.contains("never used"), "{unused}");
        assert_eq!(verdict("pub fn seed() {}\n").unwrap(), "");
    }
}
