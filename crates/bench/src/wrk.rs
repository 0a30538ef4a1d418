//! The load: `wrk`, which sends what a file says as fast as it is answered.

use std::fmt::{self, Write as _};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use thunderhead_tooling::process;

const SCRIPT: &str = include_str!("wrk.lua");

/// A request as the script reads it.
pub(crate) struct WrkRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Empty where there is none.
    pub(crate) token: &'a str,
    /// Empty where there is none.
    pub(crate) body: &'a str,
    /// The address of a client behind a proxy; empty where there is none.
    pub(crate) client: &'a str,
}

impl<'a> WrkRequest<'a> {
    /// A GET with a token, or with an empty text without one.
    pub(crate) const fn get(path: &'a str, token: &'a str) -> Self {
        Self { method: "GET", path, token, body: "", client: "" }
    }

    /// A POST of JSON without a token.
    pub(crate) const fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, token: "", body, client: "" }
    }
}

/// Requests that are sent in turn.
#[derive(Clone, Debug)]
pub(crate) struct WrkRequests(PathBuf);

impl WrkRequests {
    /// Writes them into a folder, under a name.
    pub(crate) fn write<'a>(folder: &Path, name: &str, asks: impl IntoIterator<Item = WrkRequest<'a>>) -> Result<Self> {
        let mut text = String::new();
        for WrkRequest { method, path, token, body, client } in asks {
            writeln!(text, "{method}\t{path}\t{token}\t{body}\t{client}")?;
        }
        let file = folder.join(name);
        // The script too: a load that is being started reads it, so it may not be written again by the next one.
        for (file, text) in [(&file, text.as_str()), (&file.with_extension("lua"), SCRIPT)] {
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(Self(file))
    }
}

impl fmt::Display for WrkRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the requests `{}`", self.0.file_name().unwrap_or_default().to_string_lossy())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WrkLoad {
    pub(crate) threads: u32,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
}

/// What was seen of one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrkResult {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Milliseconds.
    pub(crate) median: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    /// Milliseconds.
    pub(crate) longest: f64,
    /// Answers of 400 and more.
    pub(crate) refused: u64,
    /// Connections that broke, and requests without an answer.
    pub(crate) lost: u64,
}

/// A load under way.
pub(crate) struct Running(Child);

/// Says so where `wrk` is missing.
pub(crate) fn require() -> Result<()> {
    // It prints its version, and fails all the same.
    let found = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).context("the load comes from `wrk`, which is missing (Debian: apt-get install wrk)")
}

pub(crate) fn start(address: SocketAddr, asks: &WrkRequests, load: WrkLoad) -> Result<Running> {
    let script = asks.0.with_extension("lua");
    let WrkLoad { threads, connections, seconds } = load;
    let mut wrk = Command::new("wrk");
    wrk.args([format!("-t{threads}"), format!("-c{connections}"), format!("-d{seconds}s"), "--timeout=30s".to_owned()]);
    wrk.arg("-s").arg(script).arg(format!("http://{address}")).arg("--").arg(&asks.0);
    let child = wrk.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run `wrk`")?;
    Ok(Running(child))
}

impl Running {
    pub(crate) fn finish(self) -> Result<WrkResult> {
        let output = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().find_map(parse) {
            Some(seen) if output.status.success() => Ok(seen),
            _ => bail!("`wrk` failed ({}):\n{text}", output.status),
        }
    }
}

/// Sends, and fails where anything but a good answer came back.
pub(crate) fn run(address: SocketAddr, asks: &WrkRequests, load: WrkLoad) -> Result<WrkResult> {
    let seen = start(address, asks, load)?.finish()?;
    seen.must_be_good().with_context(|| asks.to_string())?;
    Ok(seen)
}

impl WrkResult {
    /// Fails where anything but a good answer came back.
    pub(crate) fn must_be_good(&self) -> Result<()> {
        if self.refused > 0 || self.lost > 0 || self.requests == 0 {
            let Self { requests, refused, lost, .. } = self;
            bail!("of {requests} requests {refused} were refused and {lost} lost");
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<WrkResult> {
    let numbers = line.strip_prefix("FIGURES ")?.split(' ').map(|number| number.parse::<u64>().ok());
    let numbers = numbers.collect::<Option<Vec<_>>>()?;
    let &[requests, micros, median, p99, longest, refused, lost] = numbers.as_slice() else { return None };
    let millis = |micros: u64| micros as f64 / 1_000.0;
    Some(WrkResult {
        requests,
        per_second: requests as f64 / (micros.max(1) as f64 / 1_000_000.0),
        median: millis(median),
        p99: millis(p99),
        longest: millis(longest),
        refused,
        lost,
    })
}

pub(crate) fn version() -> String {
    let mut shell = Command::new("sh");
    shell.args(["-c", "wrk -v 2>&1 | head -n 1 || true"]);
    let said = process::output(shell).unwrap_or_default();
    said.split(" [").next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_script_is_read() {
        let seen = parse("FIGURES 3000 1500000 250 9000 12000 1 2").unwrap();
        assert_eq!((seen.requests, seen.per_second, seen.median), (3_000, 2_000.0, 0.25));
        assert_eq!((seen.p99, seen.longest, seen.refused, seen.lost), (9.0, 12.0, 1, 2));
        assert!(seen.must_be_good().is_err());
        assert!(parse("FIGURES 1 2").is_none() && parse("Running 3s test").is_none());
    }
}
