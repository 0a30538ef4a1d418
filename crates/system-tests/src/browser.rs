//! `cargo xtask browser`: in a real browser, a headless Chromium, security keys and the pages.
//!
//! Not part of `cargo xtask ci`, because it wants Chromium (the program `chromium`, or what `CHROMIUM` names), npm and
//! Caddy.

mod accessibility;
mod chromium;
mod devtools;
mod packages;
mod pages;
mod scanner;
mod security_keys;
mod tab;
mod test_page;

use anyhow::Result;
use clap::ValueEnum;

use self::chromium::Chromium;
use self::pages::PageTest;
use crate::proxies::domain::TwoHosts;
use thunderhead_tooling::process;

/// What to do besides.
#[derive(clap::Args)]
pub(crate) struct BrowserOptions {
    /// These parts of the pages alone, and no security keys by themselves.
    #[arg(value_enum)]
    parts: Vec<PageTest>,
    /// Keep a picture of every page that is looked at, from top to bottom, in `target/browser/`.
    #[arg(long)]
    pictures: bool,
}

/// Stops at the first that is not as it should be.
pub(crate) fn run(options: &BrowserOptions) -> Result<()> {
    TwoHosts::ensure_possible()?;
    process::run(process::cargo(["build", "--package", "thunderhead-server"]), &[])?;
    let binary = process::target()?.join("debug/thunderhead");
    let chromium = Chromium::start()?;
    println!("{}", chromium.version()?);
    if options.parts.is_empty() {
        security_keys::check(&chromium, &binary)?;
        pages::check(&chromium, &binary, PageTest::value_variants(), options.pictures)?;
        println!("Security keys and pages work.");
    } else {
        pages::check(&chromium, &binary, &options.parts, options.pictures)?;
    }
    Ok(())
}
