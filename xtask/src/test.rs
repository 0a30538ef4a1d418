//! `cargo xtask test`: unit, integration and documentation tests, with a Postgres for those that want one.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use thunderhead_tooling::postgres::Installation;
use thunderhead_tooling::process;
use thunderhead_tooling::throwaway::{ThrowAwayCluster, parent_folder};

/// Where tests find a Postgres that they may do anything with: the URL of its maintenance database.
const TEST_POSTGRES: &str = "THUNDERHEAD_TEST_POSTGRES";

/// What the names of tests that want Postgres have in them.
const ON_POSTGRES: [&str; 2] = ["postgres", "standby::"];

/// Which tests, and on which Postgres.
#[derive(clap::Args)]
pub(crate) struct TestOptions {
    /// The major version of Postgres, from 13 on: in PG_BIN, on this machine, or as npm has it, kept under `target/`
    /// [default: whichever is found]
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(13..))]
    postgres: Option<u32>,
    /// What goes to `cargo test`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs `cargo test`, on the whole workspace unless the arguments pick packages, with temporary files in memory where
/// there is room. Where there is no Postgres, none can be installed, and no version was asked for, it runs the tests that
/// want none, and fails in the end all the same.
pub(crate) fn run(options: &TestOptions) -> Result<()> {
    match options.postgres {
        Some(major) => run_on(&Installation::of_version(major)?, &options.arguments, |_| ()),
        None => run_with(&options.arguments, |_| ()),
    }
}

/// The same on whichever Postgres is found, and changes the command of cargo's first.
pub(crate) fn run_with(arguments: &[String], prepare: impl Fn(&mut Command)) -> Result<()> {
    match Installation::find_or_install() {
        Ok(postgres) => run_on(&postgres, arguments, prepare),
        Err(error) => {
            eprintln!("warning: {error:#}\nwarning: the tests that want Postgres are left out");
            let folder = temporary_files()?;
            let mut command = cargo_test(arguments, folder.path());
            prepare(&mut command);
            process::run(command, &without_postgres(arguments))?;
            Err(error.context("the tests that want Postgres were left out; the others have passed"))
        }
    }
}

fn run_on(postgres: &Installation, arguments: &[String], prepare: impl Fn(&mut Command)) -> Result<()> {
    let folder = temporary_files()?;
    let cluster = ThrowAwayCluster::start(postgres)?;
    eprintln!("{} in {}", postgres.version()?, postgres.bin().display());
    let mut command = cargo_test(arguments, folder.path());
    prepare(&mut command);
    command.env(TEST_POSTGRES, cluster.url());
    process::run(command, arguments)
}

/// Nothing of them needs to reach a disk, and each test would wait for many writes that do.
fn temporary_files() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("thunderhead-tests-").tempdir_in(parent_folder());
    folder.context("a folder for temporary files")
}

fn cargo_test(arguments: &[String], temporary_files: &Path) -> Command {
    let mut command = process::cargo(["test"]);
    command.env("TMPDIR", temporary_files);
    if !picks_packages(arguments) {
        command.arg("--workspace");
    }
    // Settings of whoever runs the tests must not reach the servers under test.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THUNDERHEAD_")) {
        command.env_remove(name);
    }
    command
}

/// The arguments, and what leaves tests out.
fn without_postgres(arguments: &[String]) -> Vec<String> {
    let mut all = arguments.to_vec();
    if !all.iter().any(|argument| argument == "--") {
        all.push("--".to_owned());
    }
    all.extend(ON_POSTGRES.iter().flat_map(|name| ["--skip".to_owned(), (*name).to_owned()]));
    all
}

fn picks_packages(arguments: &[String]) -> bool {
    let ours = arguments.iter().take_while(|argument| *argument != "--");
    ours.into_iter().any(|argument| {
        let short = argument.starts_with("-p");
        short || argument.starts_with("--package") || argument == "--workspace" || argument == "--all"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_want_it_are_left_out_by_name() {
        let left_out =
            |line: &str| without_postgres(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).join(" ");
        assert_eq!(left_out(""), "-- --skip postgres --skip standby::");
        assert_eq!(left_out("--lib -- x"), "--lib -- x --skip postgres --skip standby::");
    }

    #[test]
    fn the_whole_workspace_is_tested_unless_packages_are_picked() {
        let picks = |line: &str| picks_packages(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in ["-p xtask", "-pxtask", "--package xtask", "--package=xtask some_test", "--workspace"] {
            assert!(picks(line), "{line}");
        }
        for line in ["", "some_test", "some_test -- -p", "--release"] {
            assert!(!picks(line), "{line}");
        }
    }
}
