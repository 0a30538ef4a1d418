//! `cargo xtask browser`: in a real browser, a headless Chromium, security keys and the pages.
//!
//! Not part of `cargo xtask ci`, because it wants Chromium: the program `chromium`, or what `CHROMIUM` names.

mod accessibility;
mod chromium;
mod devtools;
mod pages;
mod security_keys;
mod test_page;

use anyhow::Result;

use self::accessibility::Axe;
use self::chromium::Chromium;
use thunderhead_tooling::process;

/// Stops at the first that is not as it should be.
pub(crate) fn run() -> Result<()> {
    let axe = Axe::install()?;
    process::run(process::cargo(["build", "--package", "thunderhead-server"]), &[])?;
    let binary = process::target()?.join("debug/thunderhead");
    let chromium = Chromium::start()?;
    println!("{}", chromium.version()?);
    security_keys::check(&chromium, &binary)?;
    pages::check(&chromium, &axe, &binary)?;
    println!("Security keys and pages work.");
    Ok(())
}
