//! `cargo xtask bench`: what is promised of speed, measured on release builds.
//!
//! Every figure is a ratio, or a time, of processes that were measured in turn in this run: what a machine can do is
//! another question. It fails where something could not be run or was answered unexpectedly, and never because of a
//! figure.

mod checks;
mod contest;
mod crew;
mod logins;
mod naked;
mod table;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::table::Table;
use crate::live::site::Engine;
use crate::live::{Bench, target};
use crate::process;

/// What is measured, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Which subjects [default: all]
    #[arg(value_enum, value_name = "NAME")]
    subjects: Vec<Subject>,
    /// Shorter loads and a tenth of the rows.
    #[arg(long)]
    quick: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Session checks beside a bare route, with and without a cache; three replicas.
    Checks,
    /// Logins beside raw hashing.
    Logins,
}

/// What is built once for a run.
struct Stand {
    bench: Bench,
    naked: PathBuf,
    argon2id: PathBuf,
    quick: bool,
}

impl Stand {
    fn set_up(options: &Options) -> Result<Self> {
        wrk::require()?;
        Ok(Self {
            naked: example("thunderhead-http", "naked")?,
            argon2id: example("thunderhead-auth", "argon2id")?,
            bench: Bench::set_up()?,
            quick: options.quick,
        })
    }

    /// How long one load lasts.
    const fn seconds(&self) -> u32 {
        if self.quick { 2 } else { 5 }
    }
}

/// An example, built as the server is.
fn example(package: &str, name: &str) -> Result<PathBuf> {
    let arguments = ["build", "--release", "--locked", "--package", package, "--example", name];
    process::run(process::cargo(arguments), &[])?;
    Ok(target()?.join("release/examples").join(name))
}

/// Measures, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let stand = Stand::set_up(options)?;
    let subjects = if options.subjects.is_empty() { Subject::value_variants() } else { &options.subjects };
    let mut table = Table::default();
    for subject in subjects {
        eprintln!("> {subject:?}");
        match subject {
            Subject::Checks => {
                checks::on_sqlite(&stand, &mut table)?;
                checks::on_postgres(&stand, &mut table)?;
            }
            Subject::Logins => {
                for engine in Engine::BOTH {
                    logins::run(&stand, engine, &mut table)?;
                }
            }
        }
    }
    println!("{table}");
    Ok(())
}
