//! `cargo xtask clients`: what people make of `/openapi.json`. Two linters find nothing wrong with it; of each of three
//! clients that generators make of it, in Python and in TypeScript, programs are written that pass a strict type checker
//! and do against the server what they are for; and calls that are wrong do not pass it. Published clients of OAuth work
//! as they are, and so do the libraries that verify webhooks, and services of one file that check tokens with them.

mod folder;
mod lint;
mod oauth;
mod python;
mod services;
mod tools;
mod typescript;
mod webhooks;
mod wrong;

use anyhow::Result;

use self::folder::Folder;
use self::tools::Tools;
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::process;

/// Lints, generates, checks and runs, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let tools = Tools::install()?;
    process::run(process::cargo(["build", "--package", "thunderhead-server"]), &[])?;
    let mut site = Site::on_sqlite(process::target()?.join("debug/thunderhead"))?;
    oauth::prepare(&mut site);
    let server = site.start()?;
    let folder = Folder::set_up(&site, &server, &tools)?;
    lint::check(&folder)?;
    let refused = [python::check(&folder)?, typescript::check(&folder)?];
    oauth::check(&site, &folder)?;
    webhooks::check(&site, &folder)?;
    services::check(&site, &folder, server)?;
    println!(
        "The document lints, its clients and those of OAuth and of webhooks work, and {} wrong calls are refused.",
        refused.iter().sum::<usize>()
    );
    Ok(())
}
