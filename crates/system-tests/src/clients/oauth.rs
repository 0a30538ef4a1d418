//! Clients of OAuth as they are published, which find the endpoints by the issuer, ask about tokens and revoke them:
//! openid-client, oauth4webapi and jose in TypeScript, Authlib in Python.

use std::process::Command;

use anyhow::{Context, Result};

use super::folder::Folder;
use thunderhead_system_tests::live::site::Site;
use thunderhead_tooling::process;

/// What they know the server by. They take no other than an `https` URL, so the programs lead requests for it to where the
/// server listens.
pub(super) const ISSUER: &str = "https://auth.example.org";
/// Some clients escape what is in it.
const SERVICE: &str = "web-shop.1";
/// What the programs find in `aud`.
const AUDIENCE: &str = "web-shop";

/// The settings of a server that they can use.
pub(super) fn prepare(site: &mut Site) {
    site.set("ISSUER", ISSUER);
    site.set("TOKENS__AUDIENCE", AUDIENCE);
}

/// Has the programs run, which the compiler of TypeScript has made before.
pub(super) fn check(site: &Site, folder: &Folder<'_>) -> Result<()> {
    let printed = site.operate(&["service", "create", SERVICE], "")?;
    let (_, secret) = printed.trim().split_once(':').context("a service without a secret")?;
    let run = |mut command: Command, name: &str| {
        command.env("ISSUER", ISSUER).env("AUDIENCE", AUDIENCE).env("CLIENT_ID", SERVICE).env("CLIENT_SECRET", secret);
        process::run(folder.with_account(command, name)?, &[])
    };
    for client in ["openid-client", "oauth4webapi"] {
        let mut node = Command::new("node");
        node.current_dir(folder.path()).arg(format!("out/oauth/{client}.js"));
        run(node, client)?;
    }
    let mut python = folder.pip("python");
    python.arg("oauth.py");
    run(python, "authlib")
}
