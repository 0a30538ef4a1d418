//! `cargo xtask bench`: what is promised of speed, measured on release builds.
//!
//! Every figure is a ratio, or a time, of processes that were measured in turn in this run: what a machine can do is
//! another question. It fails where something could not be run or was answered unexpectedly, and never because of a
//! figure.

mod bare;
mod bulk;
mod bytes;
mod checks;
mod contest;
mod costs;
mod disk;
mod document;
mod flood;
mod lists;
mod load;
mod logins;
mod memory;
mod model;
mod one_user;
mod openings;
mod pgbench;
mod prune;
mod revocations;
mod searches;
mod sizes;
mod statements;
mod table;
mod users;
mod wrk;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::table::Table;
use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::site::{Engine, Server, Site};
use thunderhead_tooling::process;

/// Measure what is promised of speed, side by side, and print one table (wants `wrk` and `sqlite3`).
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct BenchOptions {
    /// Which subjects [default: all]
    #[arg(value_enum, value_name = "NAME")]
    subjects: Vec<Subject>,
    /// Shorter loads and a tenth of the rows.
    #[arg(long)]
    quick: bool,
    /// One engine alone (but for `checks` and `memory`, which tell how they compare).
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// So many sessions where there are very many (sizes) [default: 10000000, with --quick 1000000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(sizes::FEW..))]
    sessions: Option<u64>,
    /// Another build of the server, to be measured in turn with this one (revocations, openings, lists).
    #[arg(long, value_name = "BINARY")]
    before: Option<PathBuf>,
    /// Another build of the server than the one here, to be measured in its place (bytes, model, statements).
    #[arg(long, value_name = "BINARY")]
    server: Option<PathBuf>,
    /// Keep the table in docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Session checks beside a bare route, with and without a cache; three replicas.
    Checks,
    /// Logins beside raw hashing, and by passkeys.
    Logins,
    /// Session checks in a flood of wrong passwords.
    Flood,
    /// The same requests, searches by each filter among them, over ten thousand sessions and over ten million.
    Sizes,
    /// Requests while a million old sessions are deleted.
    Prune,
    /// Ending sessions one at a time by many clients, beside what Postgres does of it alone.
    Revocations,
    /// Opening sessions by many clients, where hashing costs next to nothing.
    Openings,
    /// Lists of one's sessions.
    Lists,
    /// Ending a million sessions of one user, and what others wait meanwhile.
    OneUser,
    /// Memory, and how soon a server is ready.
    Memory,
    /// The worst cost of a request, for each endpoint and kind of caller. By its name alone: it fails because of
    /// figures.
    Costs,
    /// What rows and their indexes take. By its name alone.
    Bytes,
    /// Replicas, rounds and counters as a model, beside what is measured. By its name alone.
    Model,
    /// What each operation is to Postgres: statements, flushes, bytes. By its name alone: it fails where they are more
    /// than the documentation says.
    Statements,
}

impl Subject {
    /// Those that fill no part of the table, and are measured by their names alone.
    const BY_NAME: [Self; 4] = [Self::Costs, Self::Bytes, Self::Model, Self::Statements];
}

/// What Postgres caches of a database. A million sessions fit into it, ten million do not.
const SHARED_BUFFERS: &str = "1GB";

/// What is built once for a run.
struct BenchSetup {
    bed: TestBed,
    bare_server: PathBuf,
    argon2id: PathBuf,
    passkeys: PathBuf,
    /// Another build of the server.
    before: Option<PathBuf>,
    quick: bool,
    engine: Option<Engine>,
    sessions: Option<u64>,
}

impl BenchSetup {
    fn set_up(options: &BenchOptions) -> Result<Self> {
        wrk::require()?;
        let mut sqlite = Command::new("sqlite3");
        sqlite.arg("-version");
        process::output(sqlite).context("rows are loaded by `sqlite3` (Debian: apt-get install sqlite3)")?;
        let [bare_server, argon2id, passkeys] = examples()?;
        let bed = TestBed::set_up_durable(&[&format!("shared_buffers={SHARED_BUFFERS}")])?;
        let before = options.before.as_deref().map(Path::canonicalize).transpose().context("no build of a server")?;
        let (quick, engine, sessions) = (options.quick, options.engine, options.sessions);
        Ok(Self { bed, bare_server, argon2id, passkeys, before, quick, engine, sessions })
    }

    /// Starts a server with these settings over those of all sites. What is measured here is no outage: on a machine
    /// that has much else to do nobody gives up early.
    fn start(&self, site: &Site, settings: &[(&str, &str)]) -> Result<Server> {
        let patient = [("DATABASE__DEADLINE_MS", "30000")];
        site.start_with(&[&patient, settings].concat())
    }

    const fn seconds(&self) -> u32 {
        if self.quick { 2 } else { 5 }
    }

    fn many(&self) -> u64 {
        self.sessions.unwrap_or(if self.quick { 1_000_000 } else { 10_000_000 })
    }

    /// Sessions that are to go.
    const fn old(&self) -> u64 {
        if self.quick { 100_000 } else { 1_000_000 }
    }
}

/// Others to be measured by, built as the server is.
fn examples() -> Result<[PathBuf; 3]> {
    let mut build = process::cargo(["build", "--release", "--locked"]);
    for package in ["thunderhead-http", "thunderhead-auth", "thunderhead-testkit"] {
        build.args(["--package", package]);
    }
    build.args(["--example", "bare", "--example", "argon2id", "--example", "passkeys"]);
    process::run(build, &[])?;
    let folder = process::target()?.join("release/examples");
    Ok(["bare", "argon2id", "passkeys"].map(|name| folder.join(name)))
}

/// A number with its thousands apart.
fn decimal(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

fn main() -> ExitCode {
    process::exit_code(run(&BenchOptions::parse()))
}

fn run(options: &BenchOptions) -> Result<()> {
    if let [subject] = options.subjects.as_slice()
        && Subject::BY_NAME.contains(subject)
    {
        return by_name(*subject, options);
    }
    let setup = BenchSetup::set_up(options)?;
    let subjects = if options.subjects.is_empty() { Subject::value_variants() } else { &options.subjects };
    let mut table = Table::default();
    for subject in subjects.iter().filter(|subject| !Subject::BY_NAME.contains(subject)) {
        eprintln!("> {}", name(*subject));
        measure(&setup, *subject, &mut table)?;
    }
    let quick = if options.quick { " --quick" } else { "" };
    let conditions = document::conditions(&setup, quick)?;
    println!("{conditions}\n\n{table}");
    if options.write {
        document::write(&conditions, &table)?;
    }
    Ok(())
}

fn by_name(subject: Subject, options: &BenchOptions) -> Result<()> {
    let bed = |settings: &[&str]| TestBed::set_up_durable_with(options.server.as_deref(), settings);
    let buffers = format!("shared_buffers={SHARED_BUFFERS}");
    match subject {
        Subject::Bytes => bytes::run(&bed(&[&buffers])?, options.sessions.unwrap_or(1_000_000)),
        Subject::Model => {
            wrk::require()?;
            model::run(&bed(&[&buffers])?, if options.quick { 2 } else { 5 })
        }
        Subject::Statements => statements::run(&bed(&statements::POSTGRES)?),
        _ => costs::run(options.quick),
    }
}

fn measure(setup: &BenchSetup, subject: Subject, table: &mut Table) -> Result<()> {
    let on_both = |measure: fn(&BenchSetup, Engine, &mut Table) -> Result<()>, table: &mut Table| {
        let is_wanted = |engine: &Engine| setup.engine.is_none_or(|wanted| wanted == *engine);
        Engine::BOTH.into_iter().filter(is_wanted).try_for_each(|engine| measure(setup, engine, table))
    };
    match subject {
        Subject::Checks => {
            checks::on_sqlite(setup, table)?;
            checks::on_postgres(setup, table)
        }
        Subject::Logins => on_both(logins::run, table),
        Subject::Flood => on_both(flood::run, table),
        Subject::Sizes => on_both(sizes::run, table),
        Subject::Prune => on_both(prune::run, table),
        Subject::Revocations => on_both(revocations::run, table),
        Subject::Openings => on_both(openings::run, table),
        Subject::Lists => on_both(lists::run, table),
        Subject::OneUser => on_both(one_user::run, table),
        Subject::Memory => {
            on_both(memory::idle, table)?;
            memory::cached(setup, table)
        }
        Subject::Costs | Subject::Bytes | Subject::Model | Subject::Statements => Ok(()),
    }
}

fn name(subject: Subject) -> String {
    subject.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([7, 1_000, 10_000_000].map(decimal), ["7", "1 000", "10 000 000"]);
    }
}
