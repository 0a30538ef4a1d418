//! `cargo xtask …`: everything a developer or CI does. CI calls the same commands as a person.

mod ci;
mod database;
mod dist;
mod fuzz_targets;
mod mutants;
mod test;
mod tidy;
mod tools;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::{Parser, Subcommand};
use thunderhead_tooling::process;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Everything a developer or CI does.", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the server; what follows goes to `thunderhead serve`.
    Run(Rest),
    /// Run every test, on SQLite and on a throw-away Postgres; what follows goes to `cargo test`.
    Test(test::TestOptions),
    /// Check what the compiler does not: layers, circles, names, licences, manifests, migrations, the form of the sources.
    Tidy,
    /// Run all that a change must pass.
    Ci,
    /// Build the release and pack it: `target/dist/thunderhead-<version>-<target>.tar.gz`, and its SHA-256.
    Dist,
    /// Keep a private Postgres for development under `target/`.
    Db {
        #[command(subcommand)]
        action: database::Action,
    },
    /// Measure what is promised of speed, side by side, and print one table (wants `wrk` and `sqlite3`).
    #[command(disable_help_flag = true)]
    Bench(Rest),
    /// Try security keys and the pages in a headless Chromium, against a real server (wants npm).
    #[command(disable_help_flag = true)]
    Browser(Rest),
    /// Generate clients from the API's own document, and have type checkers and a real server try them (wants node, npm and
    /// python3 with venv).
    #[command(disable_help_flag = true)]
    Clients(Rest),
    /// Have their own programs read the alerts, the dashboard and the manifests in `deploy` (wants promtool, kubectl and
    /// kubectl-validate).
    #[command(disable_help_flag = true)]
    Deployment(Rest),
    /// Show on real processes what is promised of faults: kills, restarts, a database that is away.
    #[command(disable_help_flag = true)]
    Faults(Rest),
    /// Try the API at random by its own document, as each kind of caller (schemathesis; wants python3 and its venv).
    #[command(disable_help_flag = true)]
    Fuzz(Rest),
    /// Run what threads share in `auth` in every order in which they may come to it (loom).
    Interleavings {
        /// The module whose tests are run, as `lookup` [default: all]
        module: Option<String>,
    },
    /// Try what strangers send with libFuzzer, by the properties that must hold for it (cargo-fuzz, which is installed).
    FuzzTargets(fuzz_targets::FuzzTargetsOptions),
    /// Change the code in small ways, and see that each of them is found by some test (cargo-mutants, which is installed).
    Mutants(mutants::MutantsOptions),
    /// Check the proxy configuration that docs/OPERATIONS.md prints, in real nginx, Caddy, Traefik, HAProxy and Envoy.
    #[command(disable_help_flag = true)]
    Proxies(Rest),
    /// Run the services in `examples`, and see who is let in, until when, and how soon a websocket is closed.
    #[command(disable_help_flag = true)]
    Services(Rest),
    /// Show under a steady load with faults that nothing grows: memory, files, threads, the database, latencies.
    #[command(disable_help_flag = true)]
    Soak(Rest),
    /// Show on three real replicas that nothing is accepted once it was ended, anywhere and in any way (wants `sqlite3`).
    #[command(disable_help_flag = true)]
    Stale(Rest),
}

/// What is passed on as it is.
#[derive(clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    process::exit_code(perform(Arguments::parse().task))
}

fn perform(task: Task) -> Result<()> {
    let system_test = |name: &str, rest: &Rest| pass_on("thunderhead-system-tests", &[name], rest);
    match task {
        Task::Run(rest) => {
            let command = process::cargo(["run", "--package", "thunderhead-server", "--", "serve"]);
            process::run(command, &rest.arguments)
        }
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Ci => ci::run(),
        Task::Dist => dist::run(),
        Task::Db { action } => database::run(action),
        Task::Bench(rest) => pass_on("thunderhead-bench", &[], &rest),
        Task::Browser(rest) => system_test("browser", &rest),
        Task::Clients(rest) => system_test("clients", &rest),
        Task::Deployment(rest) => system_test("deployment", &rest),
        Task::Faults(rest) => system_test("faults", &rest),
        Task::Fuzz(rest) => system_test("fuzz", &rest),
        Task::Interleavings { module } => {
            let mut command = process::cargo(["test", "--package", "thunderhead-auth", "--lib"]);
            command.args(["--features", "interleavings", "--"]);
            let of_module = module.map(|module| format!("{module}::interleavings"));
            process::run(command, &[of_module.unwrap_or_else(|| "interleavings".to_owned())])
        }
        Task::FuzzTargets(options) => fuzz_targets::run(&options),
        Task::Mutants(options) => mutants::run(&options),
        Task::Proxies(rest) => system_test("proxies", &rest),
        Task::Services(rest) => system_test("services", &rest),
        Task::Soak(rest) => system_test("soak", &rest),
        Task::Stale(rest) => system_test("stale", &rest),
    }
}

/// Becomes another program of the workspace, which is built first. It stays out of this one, because whoever tests or
/// tidies needs none of it.
fn pass_on(program: &str, arguments: &[&str], rest: &Rest) -> Result<()> {
    let mut command = process::cargo(["run", "--quiet", "--bin", program, "--"]);
    Err(Error::new(command.args(arguments).args(&rest.arguments).exec()).context("cannot run cargo"))
}
