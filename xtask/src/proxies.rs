//! `cargo xtask proxies`: the proxy configuration of `docs/OPERATIONS.md`, word for word but for the ports, in real
//! nginx and Caddy.

mod checks;
mod proxy;
mod upstream;

use std::fs;

use anyhow::{Context, Result};

use self::checks::Scene;
use self::proxy::Kind;
use self::upstream::Upstream;
use crate::live::Bench;
use crate::live::report::Report;
use crate::live::site::{Engine, Site};
use crate::process;

/// Checks each proxy, prints how many checks there were, and fails if one did.
pub(crate) fn run() -> Result<()> {
    let page = process::workspace()?.join("docs/OPERATIONS.md");
    let page = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut bench = Bench::set_up()?;
    let mut report = Report::default();
    for kind in [Kind::Nginx, Kind::Caddy] {
        eprintln!("> {kind}");
        let upstream = Upstream::start()?;
        // Postgres, because it is one of the things that go away.
        let mut site = Site::new(&bench, Engine::Postgres)?;
        site.set("TRUSTED_PROXIES", "127.0.0.1");
        let server = site.start()?;
        let scene = Scene::set(&site, &server, kind, &page, &upstream)?;
        let count = scene.check(server, &mut bench, report.violations())?;
        report.row("proxies", kind, format!("{} checks, {} failed", count.checks, count.failed));
    }
    report.finish()
}
