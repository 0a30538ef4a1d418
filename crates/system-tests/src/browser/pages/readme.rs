//! The pictures of `README.md`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::cast::sign_in;
use super::ensure_at;
use super::look::DESKTOP;
use crate::browser::chromium::Chromium;
use crate::browser::tab::{Tab, Viewport};
use thunderhead_system_tests::live::http::Client;
use thunderhead_system_tests::live::site::Site;
use thunderhead_system_tests::requests::{PASSWORD, address_of, log_in, log_out};
use thunderhead_tooling::process;

const NAME: &str = "ada";
/// Where else somebody is signed in, and from which address (RFC 5737).
const ELSEWHERE: [(&str, &str); 2] = [("Safari on an iPhone", "192.0.2.17"), ("Firefox on Linux", "198.51.100.4")];
/// What people have, rather than a browser without a head.
const USUAL: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
/// What a page with two pictures may weigh, in bytes for each.
const LARGEST: usize = 80_000;
const TIMES: usize = 5;

/// Puts them below `target/browser/`.
pub(super) fn take_pictures(chromium: &Chromium, binary: &Path) -> Result<()> {
    let mut site = Site::on_sqlite(binary.to_owned())?;
    let free = TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?;
    site.set("LISTEN", &free.to_string());
    let origin = format!("http://localhost:{}", free.port());
    site.set("PUBLIC_URL", &origin);
    site.set("TRUSTED_PROXIES", "127.0.0.1");
    let server = site.start()?;
    site.operate(&["user", "create", NAME, "--email", &address_of(NAME), "--password-stdin"], PASSWORD)?;
    let mut client = Client::new(server.address);
    let mut tokens = vec![];
    for (name, address) in ELSEWHERE {
        let login = log_in(NAME, PASSWORD).header("X-Session-Name", name).header("X-Forwarded-For", address);
        tokens.push(client.ask(&login)?.text("token"));
    }
    client.ask(&log_out(tokens.last().context("no session")?))?;
    let tab = chromium.tab()?;
    tab.pass_for(USUAL)?;
    tab.show(Viewport { width: 560, height: 460, ..DESKTOP })?;
    tab.open(&format!("{origin}/login"))?;
    tab.wait_for("document.activeElement !== document.body")?;
    ensure!(tab.text()?.contains("Sign in"), "nobody can sign in");
    keep(&tab, "sign-in.png")?;
    tab.show(Viewport { width: 840, height: 470, ..DESKTOP })?;
    sign_in(&tab, &format!("{origin}/login?rd=/account/sessions"), NAME, PASSWORD)?;
    ensure_at(&tab, &format!("{origin}/account/sessions"))?;
    keep(&tab, "sessions.png")
}

fn keep(tab: &Tab, name: &str) -> Result<()> {
    let folder = process::target()?.join("browser");
    fs::create_dir_all(&folder)?;
    // The browser packs one picture more tightly than another that shows the same.
    let pictures = (0..TIMES).map(|_| tab.picture()).collect::<Result<Vec<_>>>()?;
    let picture = pictures.into_iter().min_by_key(Vec::len).context("no picture")?;
    ensure!(picture.len() <= LARGEST, "{name} has {} bytes", picture.len());
    println!("{name}: {} bytes", picture.len());
    fs::write(folder.join(name), picture)?;
    Ok(())
}
