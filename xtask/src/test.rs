//! `cargo xtask test`: unit, integration and documentation tests, with a Postgres for those that want one.

use std::env;

use anyhow::{Context, Result};

use crate::postgres::Installation;
use crate::process;
use crate::throwaway::ThrowAwayCluster;

/// Where tests find a Postgres that they may do anything with: the URL of its maintenance database.
const TEST_POSTGRES: &str = "THUNDERHEAD_TEST_POSTGRES";

/// Runs `cargo test`, on the whole workspace unless the arguments pick packages.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let postgres = Installation::find().context("the tests need Postgres")?;
    let cluster = ThrowAwayCluster::start(&postgres)?;
    let mut command = process::cargo(["test"]);
    if !picks_packages(arguments) {
        command.arg("--workspace");
    }
    // Settings of whoever runs the tests must not reach the servers under test.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THUNDERHEAD_")) {
        command.env_remove(name);
    }
    command.env(TEST_POSTGRES, cluster.url());
    process::run(command, arguments)
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
