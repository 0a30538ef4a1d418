//! The bare actix-web application, `crates/http/examples/bare.rs`, as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::contest::LoadTarget;

/// Dropping it kills it.
pub(crate) struct BareServer {
    child: Child,
    address: SocketAddr,
}

impl BareServer {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a program without an output")?).read_line(&mut line)?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        Ok(Self { child, address: address.with_context(|| format!("the bare application did not start: {line}"))? })
    }

    pub(crate) fn target(&self) -> LoadTarget {
        LoadTarget { address: self.address, pid: self.child.id() }
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
