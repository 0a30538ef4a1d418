//! Tools that are not ours, below `target/`: installed when they are first needed, in the versions that are written
//! down here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// A program that must be there, how to ask it whether it works, and how to get it.
pub type Wanted = (&'static str, &'static [&'static str], &'static str);

/// Node's package manager.
pub const NPM: Wanted = ("npm", &["--version"], "Debian: apt-get install npm");
/// Python, which can make environments.
pub const PYTHON: Wanted =
    ("python3", &["-c", "import venv, ensurepip"], "Debian: apt-get install python3-venv; 3.11 or newer");

/// What npm installs, and nothing else: `package.json` and `package-lock.json`.
pub struct Packages<'a> {
    /// `package.json`
    pub manifest: &'a str,
    /// `package-lock.json`
    pub lock: &'a str,
}

/// Says which of these programs are missing, all at once.
pub fn ensure_there(wanted: &[Wanted]) -> Result<()> {
    let absent = wanted.iter().filter(|(program, arguments, _)| !works(program, arguments));
    let absent: Vec<_> = absent.map(|(program, _, source)| format!("{program} ({source})")).collect();
    ensure!(absent.is_empty(), "needed and not there: {}", absent.join(", "));
    Ok(())
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    process::succeeds(command)
}

/// A folder with the `node_modules` of these packages.
pub fn packages(name: &str, packages: &Packages<'_>) -> Result<PathBuf> {
    let Packages { manifest, lock } = packages;
    once(name, &[*manifest, *lock].concat(), |folder| {
        fs::write(folder.join("package.json"), manifest)?;
        fs::write(folder.join("package-lock.json"), lock)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        process::run(npm, &[]).context("npm cannot install what package-lock.json names")
    })
}

/// A folder with an environment of Python that has these requirements.
pub fn requirements(name: &str, requirements: &str) -> Result<PathBuf> {
    once(name, requirements, |folder| {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(folder);
        process::run(python, &[])?;
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements)?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(list);
        process::run(pip, &[]).context("pip cannot install what requirements.txt names")
    })
}

/// Fills a folder, unless the same was put there before. That is written down last, so that an installation that broke
/// off is made again.
fn once(name: &str, what: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = process::target()?.join("installed").join(name);
    let whole = folder.join("whole");
    if fs::read_to_string(&whole).is_ok_and(|installed| installed == what) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    install(&folder)?;
    fs::write(whole, what)?;
    Ok(folder)
}
