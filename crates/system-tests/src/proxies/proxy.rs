//! Real proxies with the documented configuration.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::kind::{ProxyKind, action};
use thunderhead_system_tests::live::guarded::Guarded;
use thunderhead_system_tests::live::wait_for;
use thunderhead_tooling::postgres::free_port;

/// How long a proxy may take to start.
const START: Duration = Duration::from_secs(20);
/// The ports where the page says that Thunderhead and the service are.
const THUNDERHEAD: u16 = 8000;
const SERVICE: u16 = 9000;
/// What stands before a setting that a block needs.
const SETTING: &str = "# thunderhead.toml: ";

/// A proxy's block of the page.
pub(super) struct Block {
    kind: ProxyKind,
    text: String,
}

impl Block {
    pub(super) fn of(kind: ProxyKind, page: &str) -> Result<Self> {
        let fence = kind.fence();
        let (_, rest) = page.split_once(fence).with_context(|| format!("no block {} on the page", fence.trim()))?;
        let (block, _) = rest.split_once("```").context("a block without an end")?;
        Ok(Self { kind, text: block.to_owned() })
    }

    /// The settings of Thunderhead that it begins with, by their names in the environment.
    pub(super) fn settings(&self) -> Result<Vec<(String, String)>> {
        let lines = self.text.lines().map_while(|line| line.strip_prefix(SETTING));
        let settings = lines.map(|line| {
            let (key, value) = line.split_once(" = ").with_context(|| format!("no setting: {line}"))?;
            Ok((key.to_uppercase().replace('.', "__"), value.to_owned()))
        });
        let settings = settings.collect::<Result<Vec<_>>>()?;
        if settings.is_empty() {
            bail!("the block of {} does not begin with the settings that it needs", self.kind);
        }
        Ok(settings)
    }

    /// Sites for two hosts of a domain on a port, over TLS: the application that the block is for, and the pages.
    pub(super) fn at_two_hosts(
        &self,
        [application, pages]: [&str; 2],
        port: u16,
        thunderhead: SocketAddr,
        service: SocketAddr,
    ) -> Result<String> {
        let block = self.with_ports(&[(THUNDERHEAD, thunderhead.port()), (SERVICE, service.port())])?;
        let documented = format!("http://{} {{\n", self.kind.spelt(self.kind.port()));
        let (_, rest) = block.split_once(&documented).context("the documented configuration has no such site")?;
        let site = |host: &str| format!("https://{host}:{port} {{\n    bind 127.0.0.1\n    tls internal\n");
        Ok(format!("{}{rest}{}    reverse_proxy {thunderhead}\n}}\n", site(application), site(pages)))
    }

    /// The text with other ports, each of which must be there.
    fn with_ports(&self, places: &[(u16, u16)]) -> Result<String> {
        let mut text = self.text.clone();
        for (documented, actual) in places {
            let documented = self.kind.spelt(*documented);
            if !text.contains(&documented) {
                bail!("the documented configuration does not say {documented}");
            }
            text = text.replace(&documented, &self.kind.spelt(*actual));
        }
        Ok(text)
    }
}

/// A running proxy. Dropping it ends it.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    process: Guarded,
    folder: TempDir,
}

impl Proxy {
    /// Starts it with its block, in front of these.
    pub(super) fn start(block: &Block, thunderhead: SocketAddr, service: SocketAddr) -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], free_port()?)), block, thunderhead, service)
    }

    /// The same where it is to listen at this address.
    pub(super) fn start_at(
        address: SocketAddr,
        block: &Block,
        thunderhead: SocketAddr,
        service: SocketAddr,
    ) -> Result<Self> {
        let kind = block.kind;
        let places = [(kind.port(), address.port()), (THUNDERHEAD, thunderhead.port()), (SERVICE, service.port())];
        Self::run(kind, address, &block.with_ports(&places)?)
    }

    /// Starts it with sites of its configuration, which listens at this address.
    pub(super) fn run(kind: ProxyKind, address: SocketAddr, block: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("thunderhead-proxy-").tempdir()?;
        fs::write(folder.path().join(kind.file_name()), kind.file(block))?;
        fs::copy(action()?, folder.path().join("thunderhead.lua")).context("cannot copy HAProxy's action")?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = kind.command(folder.path(), block)?;
        // Caddy keeps things at home.
        command.current_dir(folder.path()).env("HOME", folder.path());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut proxy = Self { address, process: Guarded::spawn(command, folder.path())?, folder };
        let mut answers =
            || TcpStream::connect(address).is_ok().then_some(()).or_else(|| proxy.has_ended().then_some(()));
        wait_for("the proxy", START, &mut answers)?;
        if proxy.has_ended() {
            bail!("{kind} did not start:\n{}", fs::read_to_string(proxy.folder.path().join("log"))?);
        }
        Ok(proxy)
    }

    fn has_ended(&mut self) -> bool {
        self.process.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_from_the_page_with_the_ports_of_the_day() {
        let page = "a\n```nginx\n# thunderhead.toml: forward_auth.x = [\"y\"]\nlisten 127.0.0.1:8081;\n```\nb\n```\nother\n```\n";
        let block = Block::of(ProxyKind::Nginx, page).unwrap();
        assert_eq!(block.settings().unwrap(), [("FORWARD_AUTH__X".to_owned(), "[\"y\"]".to_owned())]);
        assert!(block.with_ports(&[(8081, 1)]).unwrap().ends_with("listen 127.0.0.1:1;\n"));
        assert!(block.with_ports(&[(8000, 1)]).is_err());
        assert!(Block::of(ProxyKind::Caddy, page).is_err());
        assert!(Block::of(ProxyKind::Nginx, "```nginx\nlisten 1;\n```").unwrap().settings().is_err());
    }

    #[test]
    fn every_proxy_has_a_block_that_begins_with_its_settings() {
        let page = include_str!("../../../../docs/OPERATIONS.md");
        for kind in ProxyKind::ALL {
            let settings = Block::of(kind, page).unwrap().settings().unwrap();
            assert_eq!(settings, [("TRUSTED_PROXIES".to_owned(), "[\"127.0.0.1\"]".to_owned())], "{kind}");
        }
    }
}
