//! `cargo xtask mutants`: small changes to the code, one after the other, each of which some test must find. A mutant that
//! lives is a failure, unless it is listed with a reason; and so is one that is listed and does not live.

mod alive;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use thunderhead_tooling::process;
use thunderhead_tooling::throwaway::parent_folder;

use self::alive::{Alive, Verdicts};
use crate::tools::Tool;

/// Properties of fuzz targets, which are no part of what they try.
const NO_PRODUCT: [&str; 2] = ["**/fuzzing.rs", "**/fuzzing/**"];

const CARGO_MUTANTS: Tool = Tool { name: "mutants", version: "27.1.0" };

/// Which mutants.
#[derive(Args)]
pub(crate) struct MutantsOptions {
    /// Of these crates; of all four where none is named.
    #[arg(value_enum)]
    crates: Vec<Part>,
    /// Only those in lines that have changed since this revision and the working tree have parted.
    #[arg(long, value_name = "REVISION")]
    changed: Option<String>,
    /// Only those in files that match, such as `tokens/**`, from the crate's sources on.
    #[arg(long = "file", value_name = "GLOB")]
    files: Vec<String>,
    /// Only one of several parts of equal size, such as 0/8: the first of eight.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// How many are tried at the same time, each in a copy of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// For how many seconds the tests may run; five times as long as without a mutant where nothing is said.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Say which there are, and try none.
    #[arg(long)]
    list: bool,
}

/// A crate, and the tests that it stands by.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// By its own unit tests.
    Domain,
    /// By its own unit tests.
    Auth,
    /// Its operations, by the contract tests on SQLite.
    Storage,
    /// What reads requests and lets them in, the services and the pages, by its own tests.
    Http,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Auth => "auth",
            Self::Storage => "storage",
            Self::Http => "http",
        }
    }

    /// The folders of its sources in which mutants are made.
    const fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Domain | Self::Auth => &["**"],
            Self::Storage => &["operations/**"],
            Self::Http => &["access/**", "pages/**", "request/**", "services/**"],
        }
    }

    /// The tests that are built, and nothing else is.
    const fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Domain | Self::Auth | Self::Http => &["--lib"],
            Self::Storage => &["--test", "contract"],
        }
    }

    /// Which of them are left out.
    const fn left_out(self) -> &'static [&'static str] {
        match self {
            Self::Domain | Self::Auth | Self::Http => &[],
            Self::Storage => &["--skip", "postgres", "--skip", "standby::"],
        }
    }

    /// Cargo's option for a file that matches.
    fn file(self, glob: &str) -> String {
        format!("--file=crates/{}/src/{glob}", self.name())
    }
}

/// Tries them, prints a table, and fails if one lives that must not.
pub(crate) fn run(options: &MutantsOptions) -> Result<()> {
    let listed = Alive::read()?;
    let folder = process::target()?.join("mutants");
    let tree = folder.join("tree");
    tree::copy(&process::workspace()?, &tree)?;
    let parts = if options.crates.is_empty() { Part::value_variants() } else { &options.crates };
    let changes = options.changed.as_deref().map(|since| changes(since, &folder)).transpose()?;
    let mut table = String::new();
    let mut findings = vec![];
    for part in parts {
        let run =
            Run { part: *part, options, tree: &tree, output: folder.join(part.name()), changes: changes.as_deref() };
        let all = run.list()?;
        findings.extend(listed.gone(part.name(), &all));
        if options.list {
            run.selected()?.iter().for_each(|mutant| println!("{mutant}"));
            continue;
        }
        let verdicts = run.try_all()?;
        table += &verdicts.line(part.name(), &listed);
        findings.extend(verdicts.findings(&listed));
    }
    print!("{table}");
    if !findings.is_empty() {
        bail!("{} of them should not be so:\n{}", findings.len(), findings.join("\n"));
    }
    Ok(())
}

/// What has changed, as a file.
fn changes(since: &str, folder: &Path) -> Result<PathBuf> {
    let mut diff = Command::new("git");
    diff.args(["diff", "--merge-base", since, "--", "crates"]).current_dir(process::workspace()?);
    let file = folder.join("changes.diff");
    fs::write(&file, process::output(diff)?).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// The mutants of one crate.
struct Run<'a> {
    part: Part,
    options: &'a MutantsOptions,
    tree: &'a Path,
    output: PathBuf,
    changes: Option<&'a Path>,
}

impl Run<'_> {
    fn command(&self) -> Result<Command> {
        let mut command = CARGO_MUTANTS.command()?;
        command.arg("--package").arg(format!("thunderhead-{}", self.part.name())).arg("--dir").arg(self.tree);
        command.args(NO_PRODUCT.map(|glob| format!("--exclude={glob}")));
        Ok(command)
    }

    /// All that there are, whichever are wanted.
    fn list(&self) -> Result<Vec<String>> {
        let mut command = self.command()?;
        command.arg("--list").args(self.part.folders().iter().map(|glob| self.part.file(glob)));
        Ok(process::output(command)?.lines().map(str::to_owned).collect())
    }

    /// Those that are wanted.
    fn selected(&self) -> Result<Vec<String>> {
        let mut command = self.command()?;
        self.select(command.arg("--list"));
        Ok(process::output(command)?.lines().map(str::to_owned).collect())
    }

    fn select(&self, command: &mut Command) {
        let Self { part, options, .. } = self;
        if options.files.is_empty() {
            command.args(part.folders().iter().map(|glob| part.file(glob)));
        } else {
            command.args(options.files.iter().map(|glob| part.file(glob)));
        }
        command.args(self.changes.map(|file| format!("--in-diff={}", file.display())));
        command.args(options.shard.as_ref().map(|shard| format!("--shard={shard}")));
    }

    fn try_all(&self) -> Result<Verdicts> {
        fs::create_dir_all(&self.output)?;
        let found = self.output.join("mutants.out");
        if found.exists() {
            fs::remove_dir_all(&found).with_context(|| format!("cannot remove {}", found.display()))?;
        }
        let mut command = self.command()?;
        self.select(&mut command);
        command.arg("--output").arg(&self.output).args(["--no-shuffle", "--colors=never", "--caught"]);
        command.args(self.options.timeout.map(|seconds| format!("--timeout={seconds}")));
        command.args(self.part.tests().iter().map(|argument| format!("--cargo-arg={argument}")));
        prepare(&mut command);
        // The tree is a copy already. What was built in it before need not be built again.
        let folder = if self.options.jobs > 1 {
            command.arg(format!("--jobs={}", self.options.jobs)).arg("--copy-target=true");
            None
        } else {
            command.arg("--in-place");
            let folder = tempfile::Builder::new().prefix("thunderhead-mutants-").tempdir_in(parent_folder())?;
            command.env("TMPDIR", folder.path());
            Some(folder)
        };
        if !self.part.left_out().is_empty() {
            command.args(["--", "--"]).args(self.part.left_out());
        }
        eprintln!("> {command:?}");
        let status = command.status().context("cannot run cargo mutants")?;
        drop(folder);
        // Some live, or some tests took too long: what that means is for the list to say.
        match status.code() {
            Some(0 | 2 | 3) => Verdicts::read(&found),
            _ => bail!("cargo mutants failed ({status}): see {}", found.display()),
        }
    }
}

/// Nobody debugs what is built here, and it is linked hundreds of times.
fn prepare(command: &mut Command) {
    command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "1").env_remove("CARGO_TARGET_DIR");
    // An input that has found one mutant is not kept for the next.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    let mut mold = Command::new("mold");
    mold.arg("--version");
    if std::env::var_os("RUSTFLAGS").is_none() && process::succeeds(mold) {
        command.env("RUSTFLAGS", "-C link-arg=-fuse-ld=mold");
    }
}
