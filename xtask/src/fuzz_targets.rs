//! `cargo xtask fuzz-targets`: tries the properties of what strangers send with libFuzzer, for some time each, and counts.
//! What it has found out about the code stays in a corpus from one run to the next.

mod figures;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use thunderhead_tooling::process;

use self::figures::{RunFigures, grouped};
use crate::tools::Tool;

const CARGO_FUZZ: Tool = Tool { name: "fuzz", version: "0.13.2" };
/// Where the targets are.
const FOLDER: &str = "crates/fuzz-targets";
/// The longest input, in bytes: as long as any text that is looked at.
const LONGEST: u32 = 4_096;
/// For how many seconds one input may be tried: each costs thousandths of one.
const PATIENCE: u32 = 5;

/// Which, and how long.
#[derive(Args)]
pub(crate) struct FuzzTargetsOptions {
    /// These; all where none is named.
    targets: Vec<String>,
    /// For how many seconds each is tried.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// What else looks on: `address`, say, which wants a nightly toolchain. Nothing of ours is unsafe code.
    #[arg(long, default_value = "none")]
    sanitizer: String,
    /// Say which there are, and try none.
    #[arg(long)]
    list: bool,
}

/// Tries them, prints a table, and fails where a property does not hold.
pub(crate) fn run(options: &FuzzTargetsOptions) -> Result<()> {
    let all = targets()?;
    if options.list {
        all.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    let unknown = options.targets.iter().find(|target| !all.contains(target));
    ensure!(unknown.is_none(), "there is no target {unknown:?}; there are {}", all.join(", "));
    let picked = if options.targets.is_empty() { &all } else { &options.targets };
    build(options, picked)?;
    let mut table = String::new();
    let (mut sum, mut sum_ever, mut broken) = (0, 0, vec![]);
    for name in picked {
        let target = Target::new(name, &options.sanitizer)?;
        let (figures, status) = target.run(options.seconds)?;
        let ever = target.count(figures.executions)?;
        (sum, sum_ever) = (sum + figures.executions, sum_ever + ever);
        table += &figures.line(name, ever);
        print!("{}", figures.line(name, ever));
        if !status.success() {
            broken.push(target.explain()?);
        }
    }
    println!("\n{table}{:16} {:>14} {:>14}", "in all", grouped(sum), grouped(sum_ever));
    if !broken.is_empty() {
        bail!("a property does not hold:\n{}", broken.join("\n"));
    }
    Ok(())
}

/// The names of the binaries.
fn targets() -> Result<Vec<String>> {
    let folder = process::workspace()?.join(FOLDER).join("fuzz_targets");
    let mut names = vec![];
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        names.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

fn build(options: &FuzzTargetsOptions, picked: &[String]) -> Result<()> {
    let mut command = CARGO_FUZZ.command()?;
    command.args(["build", "--fuzz-dir", FOLDER, "--features", "libfuzzer", "--sanitizer", &options.sanitizer]);
    if let [only] = picked {
        command.arg(only);
    }
    // Counters keep the linker from optimising across crates, so it need not try.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    process::run(command, &[])
}

struct Target {
    name: String,
    binary: PathBuf,
    folder: PathBuf,
}

impl Target {
    fn new(name: &str, sanitizer: &str) -> Result<Self> {
        let folder = process::target()?.join("fuzz-targets").join(name);
        fs::create_dir_all(folder.join("corpus"))?;
        let binary = process::target()?.join(host()?).join("release").join(name);
        ensure!(binary.exists(), "cargo fuzz has not made {} (sanitizer: {sanitizer})", binary.display());
        Ok(Self { name: name.to_owned(), binary, folder })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn run(&self, seconds: u32) -> Result<(RunFigures, ExitStatus)> {
        let seeds = process::workspace()?.join(FOLDER).join("seeds").join(&self.name);
        let mut command = Command::new(&self.binary);
        command.arg(self.folder.join("corpus")).arg(seeds);
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={PATIENCE}"));
        command.arg(format!("-max_len={LONGEST}")).arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", self.folder.display()));
        let log = File::create(self.log())?;
        eprintln!("> {} for {seconds} s", self.name);
        let status = command.stdout(log.try_clone()?).stderr(log).status();
        let status = status.with_context(|| format!("cannot run {}", self.binary.display()))?;
        Ok((RunFigures::read(&fs::read_to_string(self.log())?), status))
    }

    /// Adds to how often it was ever tried.
    fn count(&self, executions: u64) -> Result<u64> {
        let file = self.folder.join("executions");
        let before = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let ever = executions.saturating_add(before);
        fs::write(&file, ever.to_string())?;
        Ok(ever)
    }

    /// What it said last, and how to see it again.
    fn explain(&self) -> Result<String> {
        let log = fs::read_to_string(self.log())?;
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(30)..].join("\n");
        let (name, folder) = (&self.name, self.folder.display());
        Ok(format!("{name}: the input is in {folder}; once it is mended, keep it in {FOLDER}/seeds/{name}.\n{last}"))
    }
}

/// What cargo-fuzz builds for: this machine.
fn host() -> Result<String> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV");
    let told = process::output(rustc)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it is for")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_a_place_in_the_manifest() {
        let workspace = process::workspace().unwrap();
        let manifest = fs::read_to_string(workspace.join(FOLDER).join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert!(targets.len() > 10);
        for target in targets {
            assert!(workspace.join(FOLDER).join("seeds").join(&target).is_dir(), "{target}");
            assert!(manifest.contains(&format!("name = \"{target}\"\n")), "{target}");
        }
    }
}
