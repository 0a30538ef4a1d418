//! Real proxies with the documented configuration.

use std::fmt;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::live::guarded::Guarded;
use crate::live::wait_for;
use crate::postgres::free_port;

/// How long a proxy may take to start.
const START: Duration = Duration::from_secs(20);
/// Where the page says that Thunderhead and the service are.
const THUNDERHEAD: &str = "127.0.0.1:8000";
const SERVICE: &str = "127.0.0.1:9000";

/// Which proxy.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Nginx,
    Caddy,
}

impl Kind {
    /// How its block begins on the page.
    const fn fence(self) -> &'static str {
        match self {
            Self::Nginx => "```nginx\n",
            Self::Caddy => "```caddyfile\n",
        }
    }

    /// Where the page has it listen.
    const fn listens(self) -> &'static str {
        match self {
            Self::Nginx => "127.0.0.1:8081",
            Self::Caddy => "127.0.0.1:8082",
        }
    }

    /// A whole configuration file around the block.
    fn file(self, block: &str) -> String {
        match self {
            Self::Nginx => format!(
                "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 client_body_temp_path a;\nproxy_temp_path b;\nfastcgi_temp_path c;\nuwsgi_temp_path d;\n\
                 scgi_temp_path e;\n{block}}}\n"
            ),
            Self::Caddy => format!("{{\nadmin off\n}}\n{block}"),
        }
    }

    fn command(self, folder: &TempDir) -> Command {
        let file = folder.path().join("configuration");
        match self {
            Self::Nginx => {
                let mut nginx = Command::new("nginx");
                nginx.arg("-p").arg(folder.path()).args(["-e", "error.log"]).arg("-c").arg(file);
                nginx
            }
            Self::Caddy => {
                let mut caddy = Command::new("caddy");
                caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                caddy
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        })
    }
}

/// A running proxy. Dropping it ends it.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    process: Guarded,
    folder: TempDir,
}

impl Proxy {
    /// Starts it with its block of the page, in front of these.
    pub(super) fn start(kind: Kind, page: &str, thunderhead: SocketAddr, service: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let places = [(kind.listens(), address), (THUNDERHEAD, thunderhead), (SERVICE, service)];
        let block = substituted(block(page, kind.fence())?, &places)?;
        let folder = tempfile::Builder::new().prefix("thunderhead-proxy-").tempdir()?;
        fs::write(folder.path().join("configuration"), kind.file(&block))?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = kind.command(&folder);
        // Caddy keeps things at home.
        command.current_dir(folder.path()).env("HOME", folder.path());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Guarded::spawn(command, folder.path());
        let process = process.with_context(|| format!("{kind} is needed (Debian: apt-get install {kind})"))?;
        let mut proxy = Self { address, process, folder };
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

/// What stands between this fence and the next.
fn block<'a>(page: &'a str, fence: &str) -> Result<&'a str> {
    let (_, rest) = page.split_once(fence).with_context(|| format!("no block {} on the page", fence.trim()))?;
    let (block, _) = rest.split_once("```").context("a block without an end")?;
    Ok(block)
}

/// The block with other addresses, each of which must be there.
fn substituted(block: &str, places: &[(&str, SocketAddr)]) -> Result<String> {
    let mut text = block.to_owned();
    for (documented, actual) in places {
        if !text.contains(documented) {
            bail!("the documented configuration does not say {documented}");
        }
        text = text.replace(documented, &actual.to_string());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_from_the_page_with_the_addresses_of_the_day() {
        let page = "a\n```nginx\nlisten 127.0.0.1:8081;\n```\nb\n```\nother\n```\n";
        let block = block(page, Kind::Nginx.fence()).unwrap();
        assert_eq!(block, "listen 127.0.0.1:8081;\n");
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(substituted(block, &[("127.0.0.1:8081", address)]).unwrap(), "listen 127.0.0.1:1;\n");
        assert!(substituted(block, &[("127.0.0.1:8000", address)]).is_err());
    }
}
