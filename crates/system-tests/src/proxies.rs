//! `cargo xtask proxies`: the proxy configuration of `docs/OPERATIONS.md`, word for word but for the ports, in real
//! proxies.

mod checks;
mod cookies;
pub(crate) mod domain;
mod kind;
mod proxy;
mod sign_in;
mod upstream;

use std::fs;

use anyhow::{Context, Result};

use self::checks::Deployment;
use self::kind::ProxyKind;
use self::proxy::Block;
use self::upstream::Upstream;
use thunderhead_system_tests::live::TestBed;
use thunderhead_system_tests::live::report::Report;
use thunderhead_system_tests::live::site::{Engine, Site};
use thunderhead_tooling::process;

/// What to check.
#[derive(clap::Args)]
pub(crate) struct ProxyOptions {
    /// These proxies alone. A variable of a proxy's name in capitals may say where its program is (`ENVOY=…`).
    #[arg(value_enum)]
    proxies: Vec<ProxyKind>,
}

/// Checks each proxy, prints how many checks there were, and fails if one did.
pub(crate) fn run(options: &ProxyOptions) -> Result<()> {
    let kinds = if options.proxies.is_empty() { &ProxyKind::ALL } else { options.proxies.as_slice() };
    kind::find_all(kinds)?;
    let page = process::workspace()?.join("docs/OPERATIONS.md");
    let page = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut bed = TestBed::set_up()?;
    let mut report = Report::default();
    for kind in kinds.iter().copied() {
        let name = kind.version()?;
        eprintln!("> {name}");
        let block = Block::of(kind, &page)?;
        let upstream = Upstream::start()?;
        // Postgres, because it is one of the things that go away.
        let mut site = Site::new(&bed, Engine::Postgres)?;
        for (setting, value) in block.settings()? {
            site.set(&setting, &value);
        }
        let server = site.start()?;
        let deployment = Deployment::set_up(&site, &server, kind, &block, &upstream)?;
        let mut count = sign_in::check(&site, &block, &deployment, report.violations())?;
        count += deployment.check(server, &mut bed, report.violations())?;
        report.row("proxies", name, format!("{} checks, {} failed", count.checks, count.failed));
    }
    report.finish()
}
