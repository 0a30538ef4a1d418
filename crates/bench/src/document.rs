//! The results of a run in `docs/PERFORMANCE.md`.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::table::Table;
use crate::{BenchSetup, SHARED_BUFFERS, disk, wrk};
use thunderhead_tooling::process;

const FILE: &str = "docs/PERFORMANCE.md";
/// What follows is made by this program.
const HEADING: &str = "## The last run\n";

/// Where and of what a run was made, as a sentence.
pub(crate) fn conditions(setup: &BenchSetup, options: &str) -> Result<String> {
    let date = said("date", &["-u", "+%F"])?;
    let commit = said("git", &["rev-parse", "--short", "HEAD"])?;
    let changed =
        if said("git", &["status", "--porcelain", "--untracked-files=no"])?.is_empty() { "" } else { ", changed" };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name| cpuinfo.lines().filter_map(move |line| line.strip_prefix(name)?.split_once(": "));
    let processor = field("model name").next().map_or("unknown", |(_, value)| value);
    let count = field("processor").count();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse::<u64>().ok());
    let gib = kib.context("no MemTotal")? as f64 / 1_048_576.0;
    let system = said("uname", &["-s"])?;
    let postgres = said("psql", &["--version"])?;
    Ok(format!(
        "`cargo xtask bench{options}` on {date}, commit {commit}{changed}; {count} × {processor}, {gib:.0} GiB, {system}; \
         {}; {postgres}, fsync on, shared_buffers {SHARED_BUFFERS}. A write with fdatasync takes {:.0} µs. Load average {} \
         at the end.",
        wrk::version(),
        disk::sync_micros(&setup.bed.parent)?,
        load()?,
    ))
}

/// Writes a table over that of the last run.
pub(crate) fn write(conditions: &str, table: &Table) -> Result<()> {
    let file = process::workspace()?.join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?;
    let (above, _) = text.split_once(HEADING).with_context(|| format!("{FILE} has no line `{}`", HEADING.trim()))?;
    let mut text = format!("{above}{HEADING}");
    write!(text, "\n{conditions}\n\n{table}")?;
    Ok(fs::write(&file, text)?)
}

fn load() -> Result<String> {
    Ok(fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned())
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(process::workspace()?);
    Ok(process::output(command)?.trim().to_owned())
}
