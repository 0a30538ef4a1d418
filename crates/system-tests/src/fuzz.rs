//! `cargo xtask fuzz`: schemathesis over the server's own OpenAPI document, as each kind of caller. No answer is a
//! fault of the server's, none is outside the document.

mod figures;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::figures::Figures;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_system_tests::live::{TestBed, release};
use thunderhead_tooling::installed::{self, PYTHON};
use thunderhead_tooling::process;

/// The version that the hooks are written for.
const SCHEMATHESIS: &str = "schemathesis==4.32.0";
/// Kinds of callers, as `hooks.py` knows them.
const ROLES: [&str; 4] = ["anonymous", "user", "scoped", "staff"];
/// What is checked. Not what the server should have refused or taken: the document cannot say that of ids and secrets.
const CHECKS: &str = "no_fault_of_the_server,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Cases of each operation in a run; there are as many runs as it takes.
const EXAMPLES: &str = "45";

/// How much.
#[derive(Args)]
pub(crate) struct FuzzOptions {
    /// Cases for each kind of caller, at least.
    #[arg(long, default_value_t = 5_000)]
    cases: u64,
    /// The seed of the first run; the next has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep everything in Postgres, not in SQLite.
    #[arg(long)]
    postgres: bool,
}

/// Runs it, prints figures, and fails if an answer was wrong.
pub(crate) fn run(options: &FuzzOptions) -> Result<()> {
    let program = schemathesis()?;
    let binary = release()?;
    let bed = options.postgres.then(TestBed::set_up).transpose()?;
    let mut failed = vec![];
    let mut table = String::new();
    for role in ROLES {
        // Its own server: staff turn switches and ban users.
        let site = match &bed {
            Some(bed) => Site::new(bed, Engine::Postgres)?,
            None => Site::on_sqlite(binary.clone())?,
        };
        let fuzzer = Fuzzer { program: &program, role, site: &site };
        let (line, passed) = fuzzer.run(options)?;
        writeln!(table, "{role:9}  {line}")?;
        if !passed {
            failed.push(role);
        }
    }
    print!("\n{table}");
    if !failed.is_empty() {
        bail!("answers were not as the document says, see above: {}", failed.join(", "));
    }
    println!("Every answer was as the document says.");
    Ok(())
}

struct Fuzzer<'a> {
    program: &'a Path,
    role: &'a str,
    site: &'a Site,
}

impl Fuzzer<'_> {
    /// Returns a line of figures, and whether every answer was right.
    fn run(&self, options: &FuzzOptions) -> Result<(String, bool)> {
        let server = self.site.start()?;
        let base = format!("http://{}", server.address);
        let mut sum = Figures::default();
        let mut passed = true;
        for seed in options.seed.. {
            let figures = self.site.folder().join("figures.json");
            let mut command = self.command(&base, seed, &figures)?;
            eprintln!("> schemathesis as {}, seed {seed}", self.role);
            passed &= command.status().context("cannot run schemathesis")?.success();
            let added = sum.add(&serde_json::from_str(&fs::read_to_string(&figures)?)?);
            if added == 0 {
                bail!("schemathesis tried nothing");
            }
            if sum.cases >= options.cases {
                break;
            }
        }
        Ok((sum.to_string(), passed))
    }

    fn command(&self, base: &str, seed: u64, figures: &Path) -> Result<Command> {
        let seed = seed.to_string();
        let mut command = Command::new(self.program);
        self.site.settle(&mut command);
        command.args(["--no-color", "run", "--url", base, "--seed", &seed, "--checks", CHECKS]);
        command.args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--continue-on-failure"]);
        // The warnings are about callers who may not do something, which is what most of them are for.
        command.args(["--warnings", "off", "--generation-database", "none", &format!("{base}/openapi.json")]);
        command.env("SCHEMATHESIS_HOOKS", process::workspace()?.join("crates/system-tests/src/fuzz/hooks.py"));
        command.env("FUZZ_BASE", base).env("FUZZ_ROLE", self.role).env("FUZZ_SEED", seed);
        command.env("FUZZ_THUNDERHEAD", self.site.binary()).env("FUZZ_FIGURES", figures);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }
}

/// Schemathesis, installed where it is not there.
fn schemathesis() -> Result<PathBuf> {
    installed::ensure_there(&[PYTHON])?;
    Ok(installed::requirements("fuzz", SCHEMATHESIS)?.join("bin/schemathesis"))
}
