//! An application and the sign-in pages at two hosts of one domain, over TLS, behind a real proxy: Caddy, because it makes
//! its certificates by itself.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::kind::ProxyKind;
use super::proxy::{Block, Proxy};
use super::upstream::Upstream;
use thunderhead_system_tests::live::site::{Server, Site};
use thunderhead_tooling::postgres::free_port;
use thunderhead_tooling::process;

const KIND: ProxyKind = ProxyKind::Caddy;

/// The domain, as long as it is kept.
pub(crate) struct TwoHosts {
    /// Where the application is, which tells what it is asked.
    pub(crate) application: String,
    /// Where the pages are.
    pub(crate) pages: String,
    pub(crate) server: Server,
    _proxy: Proxy,
}

impl TwoHosts {
    /// Whether it can be there at all.
    pub(crate) fn ensure_possible() -> Result<()> {
        KIND.program().map(drop)
    }

    /// Starts a server of this site, the application, and the proxy in front of both with its block of
    /// `docs/OPERATIONS.md`.
    pub(crate) fn start(site: &mut Site, domain: &str) -> Result<Self> {
        let page = process::workspace()?.join("docs/OPERATIONS.md");
        let page = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let (block, port) = (Block::of(KIND, &page)?, free_port()?);
        let hosts = ["app", "login"].map(|host| format!("{host}.{domain}"));
        let [application, pages] = [0, 1].map(|host| format!("https://{}:{port}", hosts[host]));
        for (setting, value) in block.settings()? {
            site.set(&setting, &value);
        }
        site.set("PUBLIC_URL", &pages);
        site.set("REDIRECT__ORIGINS", &application);
        site.set("FORWARD_AUTH__COOKIE_DOMAIN", domain);
        let (server, service) = (site.start()?, Upstream::start()?);
        let text = block.at_two_hosts([&hosts[0], &hosts[1]], port, server.address, service.address)?;
        let proxy = Proxy::run(KIND, SocketAddr::from(([127, 0, 0, 1], port)), &text)?;
        Ok(Self { application, pages, server, _proxy: proxy })
    }
}
