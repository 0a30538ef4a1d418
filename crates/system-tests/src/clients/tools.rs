//! Generators, linters and type checkers, in the versions that the programs are written for.

use std::path::PathBuf;

use anyhow::Result;

use thunderhead_tooling::installed::{self, NPM, PYTHON, Packages, Wanted};

const NODE: Wanted = ("node", &["--version"], "Debian: apt-get install nodejs; 20.19 or newer");
const PACKAGES: Packages<'static> =
    Packages { manifest: include_str!("package.json"), lock: include_str!("package-lock.json") };
const REQUIREMENTS: &str = include_str!("requirements.txt");

pub(super) struct Tools {
    /// The folder with `node_modules`.
    pub(super) npm: PathBuf,
    /// The environment, with its programs in `bin`.
    pub(super) python: PathBuf,
}

impl Tools {
    pub(super) fn install() -> Result<Self> {
        installed::ensure_there(&[NODE, NPM, PYTHON])?;
        let npm = installed::packages("clients-npm", &PACKAGES)?;
        Ok(Self { npm, python: installed::requirements("clients-python", REQUIREMENTS)? })
    }
}
