//! `cargo xtask ci`: all that a change must pass, the quick checks first.
//!
//! Everything is compiled once, in a profile of its own, and Clippy is the compiler: its driver compiles as `rustc` does, and
//! lints on the way. What it has compiled is tested. Checking first and compiling for the tests then would go through every
//! crate twice.

mod lint;

use std::process::Command;

use anyhow::Result;

use self::lint::Linter;
use crate::{process, test, tidy};
use thunderhead_tooling::postgres::Installation;

/// See `Cargo.toml`.
const PROFILE: [&str; 2] = ["--profile", "ci"];

/// Runs every step, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    // Rather now than after all else has taken its minutes.
    Installation::find_or_install()?;
    let linter = Linter::new()?;
    process::run(process::cargo(["fmt", "--all", "--check"]), &[])?;
    eprintln!("> cargo xtask tidy");
    tidy::run()?;
    deny()?;
    process::run(build(&linter, &["--all-targets"]), &[])?;
    // The program without the shield against floods, which nothing else compiles. An example is picked besides, since then
    // dependencies have the features that tests ask for, and are those that were compiled already.
    process::run(build(&linter, &["--no-default-features", "--lib", "--example", "argon2id"]), &[])?;
    eprintln!("> cargo xtask test");
    test::run_with(&PROFILE.map(str::to_owned), |command| linter.compile(command))?;
    // The program with traces, which nothing else compiles. It comes last: the program of the others is replaced by it.
    process::run(build(&linter, &["--features", "thunderhead-server/otlp", "--lib", "--bins", "--test", "otlp"]), &[])?;
    eprintln!("All checks passed.");
    Ok(())
}

/// Always of the whole workspace: other picks would give dependencies other features, and compile them again.
fn build(linter: &Linter, what: &[&str]) -> Command {
    let mut command = process::cargo(["build", "--workspace"]);
    linter.compile(command.args(PROFILE).args(what));
    command
}

/// Licences, advisories and sources of the dependencies, where the tool for it is installed.
fn deny() -> Result<()> {
    if process::succeeds(process::cargo(["deny", "--version"])) {
        return process::run(process::cargo(["deny", "--all-features", "check"]), &[]);
    }
    eprintln!("> cargo deny check: SKIPPED, cargo-deny is not installed (cargo install --locked cargo-deny)");
    Ok(())
}
