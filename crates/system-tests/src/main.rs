//! What is promised, shown on real processes: `cargo xtask faults`, `stale`, `soak`, `proxies`, `browser`, `clients`,
//! `services`, `fuzz` and `deployment`.

mod browser;
mod clients;
mod deployment;
mod faults;
mod fuzz;
mod proxies;
mod services;
mod soak;
mod stale;

use std::process::ExitCode;

use clap::Parser;

/// The same words as `cargo xtask` has.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", about, disable_help_subcommand = true)]
enum SystemTest {
    /// Try security keys and the pages in a headless Chromium, against a real server (wants npm and Caddy).
    Browser(browser::BrowserOptions),
    /// Generate clients from the API's own document, and have type checkers and a real server try them (wants node, npm and
    /// python3 with venv).
    Clients,
    /// Have their own programs read the alerts, the dashboard and the manifests in `deploy` (wants promtool, kubectl and
    /// kubectl-validate).
    Deployment,
    /// Show on real processes what is promised of faults: kills, restarts, a database that is away.
    Faults(faults::FaultOptions),
    /// Try the API at random by its own document, as each kind of caller (schemathesis; wants python3 and its venv).
    Fuzz(fuzz::FuzzOptions),
    /// Check the proxy configuration that docs/OPERATIONS.md prints, in real nginx, Caddy, Traefik, HAProxy and Envoy.
    Proxies(proxies::ProxyOptions),
    /// Run the services in `examples`, and see who is let in, until when, and how soon a websocket is closed.
    Services(services::ServiceOptions),
    /// Show under a steady load with faults that nothing grows: memory, files, threads, the database, latencies.
    Soak(soak::SoakOptions),
    /// Show on three real replicas that nothing is accepted once it was ended, anywhere and in any way.
    Stale(stale::StaleOptions),
}

fn main() -> ExitCode {
    let done = match SystemTest::parse() {
        SystemTest::Browser(options) => browser::run(&options),
        SystemTest::Clients => clients::run(),
        SystemTest::Deployment => deployment::run(),
        SystemTest::Faults(options) => faults::run(&options),
        SystemTest::Fuzz(options) => fuzz::run(&options),
        SystemTest::Proxies(options) => proxies::run(&options),
        SystemTest::Services(options) => services::run(&options),
        SystemTest::Soak(options) => soak::run(&options),
        SystemTest::Stale(options) => stale::run(&options),
    };
    thunderhead_tooling::process::exit_code(done)
}
