//! The libraries of Standard Webhooks, in TypeScript and in Python, verify what a server delivers to an endpoint that is
//! made of them: while its secret is replaced as well.

use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::folder::Folder;
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::process;

/// Has both programs run, which the compiler of TypeScript has made before.
pub(super) fn check(site: &Site, folder: &Folder<'_>) -> Result<()> {
    let mut node = Command::new("node");
    node.current_dir(folder.path()).arg("out/webhooks/standardwebhooks.js");
    let mut python = folder.pip("python");
    python.arg("webhooks.py");
    for (name, command) in [("webhooks-typescript", node), ("webhooks-python", python)] {
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}/in");
        let old = operate(site, &["webhook", "add", name, &url, "--types", "session.*"])?;
        let new = operate(site, &["webhook", "rotate", name])?;
        let mut command = folder.with_account(command, name)?;
        command.env("PORT", port.to_string()).env("OLD_SECRET", old).env("NEW_SECRET", new);
        process::run(command, &[]).with_context(|| format!("{name} does not verify what it is sent"))?;
        let listed = operate(site, &["webhook", "list"])?;
        ensure!(listed.contains(&format!("{name}  delivering")), "{listed}");
        operate(site, &["webhook", "remove", name])?;
    }
    Ok(())
}

fn operate(site: &Site, arguments: &[&str]) -> Result<String> {
    Ok(site.operate(arguments, "")?.trim().to_owned())
}

/// One where nothing listens at the moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port())
}
