//! Makes Rust of the uap-core rules for browsers and systems, for `src/sessions/name/recognition.rs`.
//!
//! The rules are those of the package `simple-useragent`, which brings the newest ones as a file. Where its sources lie
//! (in cargo's home, in a folder of vendored packages) only cargo can tell.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const PACKAGE: &str = "simple-useragent";

/// What is used of the file (see the specification that uap-core has of it). A name needs neither devices nor minor versions.
#[derive(Deserialize)]
struct Rules {
    user_agent_parsers: Vec<Browser>,
    os_parsers: Vec<System>,
}

#[derive(Deserialize)]
struct Browser {
    regex: String,
    family_replacement: Option<String>,
    v1_replacement: Option<String>,
}

#[derive(Deserialize)]
struct System {
    regex: String,
    os_replacement: Option<String>,
    os_v1_replacement: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let metadata = metadata()?;
    let mut found = metadata.packages.iter().filter(|package| package.name == PACKAGE);
    let (Some(package), None) = (found.next(), found.next()) else {
        return Err(format!("there is not one package {PACKAGE} in the workspace").into());
    };
    let file = package.manifest_path.with_file_name("regexes.yaml");
    let text =
        fs::read_to_string(&file).map_err(|error| format!("no user-agent rules in {}: {error}", file.display()))?;
    let rules: Rules =
        serde_yaml::from_str(&text).map_err(|error| format!("{} is not understood: {error}", file.display()))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("rules.rs"), source(&rules)?)?;
    for path in [Path::new("build.rs"), &file, &metadata.workspace_root.join("Cargo.lock")] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(())
}

/// Of the target alone: cargo has not downloaded what other systems need.
fn metadata() -> Result<Metadata, Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform", &env::var("TARGET")?]);
    let output = cargo.output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo cannot tell where {PACKAGE} is; `cargo fetch --locked` may help: {why}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Two tables, each row a rule: its pattern, the name and the version that it gives where they are not captured.
fn source(rules: &Rules) -> Result<String, std::fmt::Error> {
    let browsers = rules.user_agent_parsers.iter().map(|it| (&it.regex, &it.family_replacement, &it.v1_replacement));
    let systems = rules.os_parsers.iter().map(|it| (&it.regex, &it.os_replacement, &it.os_v1_replacement));
    let mut text = String::new();
    writeln!(text, "const BROWSERS: &[Rule] = &{:#?};", browsers.collect::<Vec<_>>())?;
    writeln!(text, "const SYSTEMS: &[Rule] = &{:#?};", systems.collect::<Vec<_>>())?;
    Ok(text)
}
