//! Scripts of others that look at pages, as npm has them.

use std::fs;

use anyhow::{Context, Result};

use thunderhead_tooling::installed::{self, NPM, Packages};

const PACKAGES: Packages<'static> =
    Packages { manifest: include_str!("package.json"), lock: include_str!("package-lock.json") };

/// The text of a script, by its path below `node_modules`.
pub(super) fn script(path: &str) -> Result<String> {
    installed::ensure_there(&[NPM])?;
    let script = installed::packages("browser", &PACKAGES)?.join("node_modules").join(path);
    fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))
}
