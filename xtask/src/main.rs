//! `cargo xtask …`: everything a developer or CI does. CI calls the same commands as a person.

mod bench;
mod browser;
mod ci;
mod database;
mod dist;
mod faults;
mod fuzz;
mod live;
mod postgres;
mod process;
mod proxies;
mod stale;
mod test;
mod throwaway;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything a developer or CI does.", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the server; what follows goes to `thunderhead serve`.
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every test, on SQLite and on a throw-away Postgres; what follows goes to `cargo test`.
    Test {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check what the compiler does not: layers, licences, manifests, migrations, the form of the sources.
    Tidy,
    /// Run all that a change must pass.
    Ci,
    /// Measure what is promised of speed, side by side, and print one table (wants `wrk` and `sqlite3`).
    Bench(bench::Options),
    /// Try security keys in a headless Chromium, against a real server.
    Browser,
    /// Build the release and pack it: `target/dist/thunderhead-<version>-<target>.tar.gz`, and its SHA-256.
    Dist,
    /// Show on real processes what is promised of faults: kills, restarts, a database that is away.
    Faults(faults::Options),
    /// Try the API at random by its own document, as each kind of caller (schemathesis; wants python3 and its venv).
    Fuzz(fuzz::Options),
    /// Check the proxy configuration that docs/OPERATIONS.md prints, in real nginx, Caddy, Traefik, HAProxy and Envoy.
    Proxies(proxies::Options),
    /// Show on three real replicas that nothing is accepted once it was ended, anywhere and in any way.
    Stale(stale::Options),
    /// Keep a private Postgres for development under `target/`.
    Db {
        #[command(subcommand)]
        action: database::Action,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Run { arguments } => {
            let command = process::cargo(["run", "--package", "thunderhead-server", "--", "serve"]);
            process::run(command, &arguments)
        }
        Task::Test { arguments } => test::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Ci => ci::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Browser => browser::run(),
        Task::Dist => dist::run(),
        Task::Faults(options) => faults::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Proxies(options) => proxies::run(&options),
        Task::Stale(options) => stale::run(&options),
        Task::Db { action } => database::run(action),
    }
}
