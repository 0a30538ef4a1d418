//! HAProxy in front of both nodes, with the configuration of `docs/OPERATIONS.md`.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::super::installed;
use super::pair::Pair;
use thunderhead_system_tests::live::guarded::Guarded;
use thunderhead_system_tests::live::wait_for;
use thunderhead_tooling::postgres::free_port;
use thunderhead_tooling::process;

const START: Duration = Duration::from_secs(20);
/// How the block begins on the page, and the addresses in it.
const FENCE: &str = "```haproxy postgres\n";
const LISTENS: &str = "127.0.0.1:6432";
const NODES: [&str; 2] = ["10.0.0.1:5432 check port 8008", "10.0.0.2:5432 check port 8008"];

/// A running HAProxy. Dropping it kills it.
pub(super) struct Haproxy {
    pub(super) port: u16,
    _process: Guarded,
    _folder: TempDir,
}

impl Haproxy {
    pub(super) fn start(pair: &Pair<'_>) -> Result<Self> {
        let page = process::workspace()?.join("docs/OPERATIONS.md");
        let page = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let port = free_port()?;
        let nodes = pair.nodes().each_ref().map(|node| (node.port(), node.health.port));
        let folder = tempfile::Builder::new().prefix("thunderhead-haproxy-").tempdir()?;
        fs::write(folder.path().join("haproxy.cfg"), configuration(&page, port, nodes)?)?;
        let mut command = Command::new(installed("haproxy")?);
        command.args(["-db", "-f", "haproxy.cfg"]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Guarded::spawn(command, folder.path())?;
        wait_for("HAProxy", START, || TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Self { port, _process: process, _folder: folder })
    }
}

/// The block of the page with the addresses of the day: where it listens, and for each node where Postgres is and who says
/// whether it leads.
fn configuration(page: &str, port: u16, nodes: [(u16, u16); 2]) -> Result<String> {
    let (_, rest) = page.split_once(FENCE).context("the page has no block for HAProxy before Postgres")?;
    let (block, _) = rest.split_once("```").context("a block without an end")?;
    let mut text = block.to_owned();
    let listens = (LISTENS, format!("127.0.0.1:{port}"));
    let nodes = nodes.map(|(node, health)| format!("127.0.0.1:{node} check port {health}"));
    for (documented, actual) in [listens].into_iter().chain(NODES.into_iter().zip(nodes)) {
        ensure!(text.contains(documented), "the documented configuration does not say {documented}");
        text = text.replace(documented, &actual);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_block_with_each_of_the_addresses() {
        let page = include_str!("../../../../../docs/OPERATIONS.md");
        let text = configuration(page, 1, [(2, 3), (4, 5)]).unwrap();
        for address in ["bind 127.0.0.1:1\n", " 127.0.0.1:2 check port 3\n", " 127.0.0.1:4 check port 5\n"] {
            assert!(text.contains(address), "{text}");
        }
    }
}
