//! `cargo xtask ci`: all that a change must pass, the quick checks first.

use anyhow::Result;

use crate::{process, test, tidy};
use thunderhead_tooling::postgres::Installation;

/// Runs every step, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    // Rather now than after all else has taken its minutes.
    Installation::find_or_install()?;
    process::run(process::cargo(["fmt", "--all", "--check"]), &[])?;
    eprintln!("> cargo xtask tidy");
    tidy::run()?;
    deny()?;
    process::run(process::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), &[])?;
    // The program without the shield against floods, which nothing else compiles.
    process::run(process::cargo(["check", "--package", "thunderhead-server", "--no-default-features"]), &[])?;
    eprintln!("> cargo xtask test");
    test::run(&[])?;
    eprintln!("All checks passed.");
    Ok(())
}

/// Licences, advisories and sources of the dependencies, where the tool for it is installed.
fn deny() -> Result<()> {
    if process::succeeds(process::cargo(["deny", "--version"])) {
        return process::run(process::cargo(["deny", "--all-features", "check"]), &[]);
    }
    eprintln!("> cargo deny check: SKIPPED, cargo-deny is not installed (cargo install --locked cargo-deny)");
    Ok(())
}
