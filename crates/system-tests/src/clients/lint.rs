//! The linters, for which a warning is an error. What they are told to let pass, and why, is in their configuration.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::folder::{DOCUMENT, Folder};
use thunderhead_tooling::process;

/// Redocly's recommended rules, and Spectral's for OpenAPI.
pub(super) fn check(folder: &Folder<'_>) -> Result<()> {
    redocly(folder)?;
    let mut spectral = folder.npm("spectral");
    spectral.args(["lint", DOCUMENT, "--ruleset", "spectral.yaml", "--fail-severity", "hint"]);
    process::run(spectral, &[])
}

/// It has no way to fail at a warning, so its figures are read.
fn redocly(folder: &Folder<'_>) -> Result<()> {
    let lint = |format: &str| {
        let mut redocly = folder.npm("redocly");
        redocly.args(["lint", DOCUMENT, "--config", "redocly.yaml", "--format", format]);
        redocly
    };
    let found = problems(lint("json"))?;
    if found > 0 {
        // Again, for people.
        process::run(lint("stylish"), &[])?;
        bail!("redocly finds {found} problems");
    }
    println!("redocly finds nothing.");
    Ok(())
}

fn problems(mut lint: Command) -> Result<u64> {
    let output = lint.output().context("cannot run redocly")?;
    let figures: Value = serde_json::from_slice(&output.stdout).context("redocly did not lint")?;
    let of = |kind: &str| figures["totals"][kind].as_u64().context("redocly has no figures");
    Ok(of("errors")? + of("warnings")?)
}
